"""WindowShare: how many of the flows that wait now may go out, so that a window keeps its cap and treats all alike.

A cap of ``rate`` over a window of ``W`` seconds allows ``rate * W`` flows in it, whenever they come: a burst of one
second may be as large as that. Which flows stay is to be uniform within the window, each with the same probability and
so with the same weight: equal weights make the best estimate. That would want the window's total before its first flow
goes out; but flows go out every second. So each second the total is foreseen::

    probability = allowance left in the window / (flows waiting now + foreseen for the rest of the window)

Foreseen is what has come in on average, over a time about as long as the window, the present second included; a new
device is taken to go on as it begins. When that turns out right, the probability is the same in every second of the
window and the allowance is used up exactly at its end; when flow comes and goes within a window, the same holds on
average. When it turns out wrong (a flood sets in after quiet) the first seconds keep more than the later ones, until
the window ends: the price of not making telemetry wait. Every second is thinned uniformly in itself, and each kept flow
carries what it stands for, so that no estimate is biased by any of this; only its variance suffers. A burst after quiet
is kept whole up to half of the window's allowance at its begin, and up to all of it at its end.
"""

from __future__ import annotations

import math

MOST_ABOVE_AVERAGE = 1.25
"""A second of a device that sends more than its cap on average is kept with no more than so many times the probability
that this average would give it."""

EPSILON = 1e-6
"""What the errors of a few calculations may take from a whole number."""


class WindowShare:
    """See the module.

    :param rate: flows per second, above 0.
    :param seconds: length of a window, ``W``.
    :param now: monotonic seconds.
    :ivar rate: flows per second from the next call on.
    """

    __slots__ = ("_arrived", "_end", "_last", "_observed", "_seconds", "_spent", "rate")

    def __init__(self, rate: float, seconds: float, now: float) -> None:
        self.rate = rate
        self._seconds = seconds
        self._end = now + seconds
        self._spent = 0.0
        self._last = now
        self._arrived = self._observed = 0.0

    def allowance(self, waiting: int, now: float, since: float) -> int:
        """How many of ``waiting`` flows may go out.

        :param since: seconds in which these have come in.
        """
        if now >= self._end:
            self._end = now + self._seconds
            self._spent = 0.0
        arrived, observed = self._with(waiting, now, since)
        left = self.rate * self._seconds - self._spent
        average = arrived / observed
        foreseen = average * max(0.0, self._end - now - since)
        probability = min(1.0, left / max(1.0, waiting + foreseen))
        if average > self.rate:
            probability = min(probability, MOST_ABOVE_AVERAGE * self.rate / average)
        return max(0, int(probability * waiting + EPSILON))

    def spend(self, flows: int) -> None:
        """``flows`` of the allowance went out; a negative number was counted too many."""
        self._spent += flows

    def came(self, flows: int, now: float, since: float) -> None:
        """``flows`` have come in during the last ``since`` seconds, and have been dealt with."""
        self._arrived, self._observed = self._with(flows, now, since)
        self._last = now

    def _with(self, flows: int, now: float, since: float) -> tuple[float, float]:
        """Flows and seconds of the past and of now; the past fades with the length of the window."""
        faded = math.exp(-max(0.0, now - self._last) / self._seconds)
        return self._arrived * faded + flows, self._observed * faded + max(since, now - self._last)
