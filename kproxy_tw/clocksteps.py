"""Notices when somebody sets this machine's clock. Pure.

Timers here run on the monotonic clock and times of flows are taken from the wall clock when they come, so a step
disturbs neither; but whoever compares flows from before and after it should find it in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

LEAST_STEP_SECONDS = 1.0
"""What is less between two looks is a correction such as NTP makes all the time."""

LOOK_SECONDS = 1.0
QUIET_SECONDS = 60.0
"""A clock that is set again and again is told of so often."""


class Tell(Protocol):
    """Passes a step on."""

    def __call__(self, *, seconds: float) -> None:
        """:param seconds: by which the clock was set, negative when backwards."""


class ClockSteps:
    """Compares the wall clock with the monotonic one at each :meth:`look`.

    :param wall: seconds since 1970.
    :param seconds: monotonic seconds.
    :param tell: is told of each step.
    """

    def __init__(self, wall: Callable[[], float], seconds: Callable[[], float], tell: Tell) -> None:
        self._wall = wall
        self._seconds = seconds
        self._tell = tell
        self._offset = wall() - seconds()
        self._untold = 0.0
        self._quiet_until = float("-inf")

    def look(self) -> None:
        """To be called every ``LOOK_SECONDS``."""
        now = self._seconds()
        offset = self._wall() - now
        step, self._offset = offset - self._offset, offset
        if abs(step) >= LEAST_STEP_SECONDS:
            self._untold += step
        if self._untold and now >= self._quiet_until:
            step, self._untold, self._quiet_until = self._untold, 0.0, now + QUIET_SECONDS
            self._tell(seconds=step)
