"""CapWindow: how many flows may go now, of a rate whose unused part may be used later in the same window."""

from __future__ import annotations

FIRST_CREDIT_SECONDS = 1.0
"""A new window's owner starts with the allowance of one tick, so that its first second is not thinned to nothing."""


class CapWindow:
    """Allows ``rate`` flows per second; what a quiet second leaves may be used later in the same window.

    :param rate: flows per second, above 0.
    :param seconds: length of a window; unused allowance is forgotten at its end.
    :param now: monotonic seconds.
    :param carry: seconds' worth of unused allowance that outlives the end of a window; for an allowance that several
        share, each at another moment of the second.
    :ivar rate: flows per second that time earns from the next call on.
    """

    __slots__ = ("_carry", "_credit", "_end", "_last", "_seconds", "rate")

    def __init__(self, rate: float, seconds: float, now: float, *, carry: float = 0.0) -> None:
        self.rate = rate
        self._seconds = seconds
        self._carry = carry
        self._credit = rate * FIRST_CREDIT_SECONDS
        self._last = now
        self._end = now + seconds

    def allowance(self, now: float) -> int:
        """How many flows may go out at ``now``; time since the last call has earned its share."""
        if now >= self._end:
            self._credit = min(self._credit, self.rate * self._carry)
            self._end = now + self._seconds
        self._credit += self.rate * min(now - self._last, self._seconds)
        self._last = now
        return int(self._credit)

    def spend(self, flows: int) -> None:
        """``flows`` of the allowance went out."""
        self._credit -= flows
