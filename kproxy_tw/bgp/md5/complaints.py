"""Which lines about signatures the log gets: each thing once in a while, all things together at a bounded rate."""

from __future__ import annotations

from collections import OrderedDict

QUIET_SECONDS = 600.0
"""The same about the same router is not told again for this long."""

LINES_PER_SECOND = 0.5
BURST = 20
MOST_REMEMBERED = 1024


class Complaints:
    """Decides whether a line is due; keeps no text."""

    def __init__(self, now: float) -> None:
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._tokens = float(BURST)
        self._filled = now
        self._left_out = 0

    def due(self, subject: str, matter: str, now: float) -> bool:
        """Whether to tell ``matter`` about ``subject`` now; asking counts as telling."""
        last = self._told.get((subject, matter))
        if last is not None and now - last < QUIET_SECONDS:
            return False
        self._tokens = min(BURST, self._tokens + (now - self._filled) * LINES_PER_SECOND)
        self._filled = now
        if self._tokens < 1:
            self._left_out += 1
            return False
        self._tokens -= 1
        self._told[subject, matter] = now
        self._told.move_to_end((subject, matter))
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
        return True

    def take_left_out(self) -> int:
        """How many lines were not due for want of budget, since this was asked last."""
        count, self._left_out = self._left_out, 0
        return count

    def settle(self, subject: str) -> None:
        """All is well with ``subject``: what is wrong with it next is told at once."""
        for entry in [entry for entry in self._told if entry[0] == subject]:
            del self._told[entry]
