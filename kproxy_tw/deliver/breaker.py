"""Breaker: a backend that is down is asked by one device at a time, however many wait for it. Pure.

Each device repeats its attempts at growing waits; a thousand of them still make a crowd at the door of a backend that
has just come back. So they share a breaker: it opens after some failures in a row, of whichever devices, and from then
on lets one attempt through in each interval, until one succeeds. A device that is not let through waits as behind a
failure, so that all of them return spread over their waits.

A backend that refuses the credentials is asked less often still, for no time alone makes them right. But they are not
believed to be wrong while other devices' messages are taken: then it is that one device which may not send.
"""

from __future__ import annotations

OPENS_AFTER = 5
"""Failures in a row."""

PROBE_SECONDS = 5.0
"""One attempt in this time while it is open."""

HOLD_SECONDS = 60.0
"""One attempt in this time while it is open and the credentials are refused."""


class Breaker:
    """See the module. Times are monotonic seconds."""

    def __init__(self, hold_seconds: float = HOLD_SECONDS) -> None:
        self._hold_seconds = hold_seconds
        self._interval = PROBE_SECONDS
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there have been too many failures in a row."""
        return self._failures >= OPENS_AFTER

    def admits(self, now: float) -> bool:
        """Whether an attempt may be made now; while open, who is admitted makes the probe of the interval."""
        if not self.is_open:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self._interval
        return True

    def worked(self) -> None:
        """The backend dealt with a message, be it to refuse it."""
        self._failures = 0

    def failed(self, now: float, *, refused: bool = False) -> None:
        """An attempt found it away, or in trouble. :param refused: it does not take the credentials."""
        self._failures += 1
        self._interval = self._hold_seconds if refused else PROBE_SECONDS
        if refused or self._failures == OPENS_AFTER:
            self._next_probe = now + self._interval
