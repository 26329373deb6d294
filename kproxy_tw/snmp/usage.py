"""CPU time of a process that is started anew now and then: in sum, and its share of the last minute. Pure."""

from __future__ import annotations

from collections import deque

import attrs

MINUTE = 60.0


@attrs.define(eq=False)
class Usage:
    """Takes what the present process says it has used up.

    :ivar total: seconds, of all processes so far.
    """

    total: float = 0.0
    _of_this: float = attrs.field(default=0.0, init=False)
    _points: deque[tuple[float, float]] = attrs.field(factory=deque, init=False)

    def began(self) -> None:
        """Another process."""
        self._of_this = 0.0

    def used(self, seconds: float, now: float) -> None:
        """The present process has used up so much in its life."""
        self.total += max(0.0, seconds - self._of_this)
        self._of_this = seconds
        self._points.append((now, self.total))
        while now - self._points[0][0] > MINUTE:
            self._points.popleft()

    def percent(self) -> float:
        """Of one core, over the last minute."""
        if len(self._points) < 2:
            return 0.0
        (first, before), (last, total) = self._points[0], self._points[-1]
        return 100 * (total - before) / (last - first) if last > first else 0.0
