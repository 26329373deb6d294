"""WindowShare: how many of the flows that wait now may go out, so that a window keeps its cap and treats all alike.

A cap of ``rate`` over a window of ``W`` seconds allows ``rate * W`` flows in it, whenever they come: a burst of one
second may be as large as that. Which flows stay is to be uniform within the window, each with the same probability and
so with the same weight: equal weights make the best estimate. That would want the window's total before its first flow
goes out; but flows go out every second. So each second the total is foreseen::

    probability = allowance left in the window / (flows waiting now + foreseen for the rest of the window)

Foreseen is what came in on average over the last ``W`` seconds, the present one included; a new device is taken to go
on as it begins. While no more came in these seconds than a window allows, nothing is foreseen: a burst is kept whole as
long as the allowance lasts. When more came than for a long time, a flood has set in, and it is taken to go on as it is
now. When that turns out right, the probability is the same in every second of the window and the allowance is used up
exactly at its end; when flow comes and goes within a window, the same holds on average. The first second of a flood
after quiet cannot be told from a burst and keeps more than the others of its window: the price of not making telemetry
wait. Every second is thinned uniformly in itself, and each kept flow carries what it stands for, so that no estimate is
biased by any of this; only its variance suffers.
"""

from __future__ import annotations

import math
from collections import deque

MOST_ABOVE_AVERAGE = 1.25
"""A second of a device that sends more than its cap on average is kept with no more than so many times the probability
that this average would give it."""

REMEMBERED_WINDOWS = 8
"""A flood is what exceeds everything that has come in about so many windows."""

MOST_SLOTS = 64
"""Into so many pieces the last ``W`` seconds are divided at most."""

EPSILON = 1e-6
"""What the errors of a few calculations may take from a whole number."""


class WindowShare:
    """See the module.

    :param rate: flows per second, above 0.
    :param seconds: length of a window, ``W``.
    :param now: monotonic seconds.
    :ivar rate: flows per second from the next call on.
    """

    __slots__ = ("_began", "_end", "_last_rate", "_most", "_recent", "_seconds", "_slots", "_spent", "rate")

    def __init__(self, rate: float, seconds: float, now: float) -> None:
        self.rate = rate
        self._seconds = seconds
        self._began = now
        self._end = now + seconds
        self._spent = 0.0
        self._slots: deque[tuple[float, int]] = deque()
        self._recent = 0
        self._most = self._last_rate = 0.0

    def allowance(self, waiting: int, now: float, since: float) -> int:
        """How many of ``waiting`` flows may go out.

        :param since: seconds in which these have come in.
        """
        if now >= self._end:
            self._end = now + self._seconds
            self._spent = 0.0
        self._forget(now)
        left = self.rate * self._seconds - self._spent
        average = (self._recent + waiting) / min(self._seconds, now - self._began + since)
        probability = left / max(1.0, waiting + self._foreseen(waiting, average, now, since))
        if average > self.rate:
            probability = min(probability, MOST_ABOVE_AVERAGE * self.rate / average)
        return max(0, int(min(1.0, probability) * waiting + EPSILON))

    def spend(self, flows: int) -> None:
        """``flows`` of the allowance went out; a negative number was counted too many."""
        self._spent += flows

    def came(self, flows: int, now: float, since: float) -> None:
        """``flows`` have come in during the last ``since`` seconds, and have been dealt with."""
        self._forget(now)
        self._recent += flows
        if self._slots and now - self._slots[-1][0] < self._seconds / MOST_SLOTS:
            at, before = self._slots.pop()
            self._slots.append((at, before + flows))
        else:
            self._slots.append((now, flows))
        faded = math.exp(-since / (REMEMBERED_WINDOWS * self._seconds))
        self._most = max(self._most * faded, self._recent)
        self._last_rate = flows / since

    def _foreseen(self, waiting: int, average: float, now: float, since: float) -> float:
        """Flows that will come until the window ends."""
        if average <= self.rate:
            return 0.0
        rate = average
        if self._recent + waiting > self._most:
            rate = max(rate, min(waiting / since, self._last_rate))
        return rate * max(0.0, self._end - now - since)

    def _forget(self, now: float) -> None:
        """Count no longer what came ``W`` seconds ago."""
        while self._slots and self._slots[0][0] <= now - self._seconds + EPSILON:
            self._recent -= self._slots.popleft()[1]
