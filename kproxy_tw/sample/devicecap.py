"""DeviceCap: a device's own cap and its share of the plan's, as one allowance."""

from __future__ import annotations

import math

from kproxy_tw.sample.plans import PlanCap
from kproxy_tw.sample.share import WindowShare

LEAST_SECONDS = 1.0
"""Shortest time that what waits is taken to have come in; ticks are a second apart."""


class DeviceCap:
    """How many flows one device may send now.

    :param rate: its own cap, flows per second.
    :param seconds: length of a window.
    :param now: monotonic seconds.
    :param plan: the cap that it shares; ``None`` for none.
    :param member: its id within the plan.
    :ivar rate: its own cap.
    """

    __slots__ = ("_member", "_own", "_plan", "_taken", "rate")

    def __init__(self, rate: float, seconds: float, now: float, plan: PlanCap | None = None, member: int = 0) -> None:
        self.rate = rate
        self._own = WindowShare(rate, seconds, now)
        self._plan = plan
        self._member = member
        self._taken = now

    @property
    def level(self) -> float:
        """Flows per second that the plan leaves it; infinite when its plan does not limit it."""
        return math.inf if self._plan is None else self._plan.level

    def allowance(self, waiting: int, now: float) -> int:
        """How many flows may go out at ``now``, while ``waiting`` would like to."""
        since = max(now - self._taken, LEAST_SECONDS)
        level = math.inf
        if self._plan is not None:
            level = self._plan.demand(self._member, min(self.rate, waiting / since), now)
        if not waiting:
            self._took(0, now, since)
            return 0
        allowed = self._own.allowance(waiting, now, since)
        if self._plan is None:
            return allowed
        if level < self.rate:
            # While others go short nobody saves up.
            allowed = min(allowed, int(level * since + 1.0))
        return min(allowed, self._plan.allowance(now))

    def spend(self, flows: int, waited: int, now: float) -> None:
        """Of ``waited`` flows ``flows`` went out at ``now``, and none waits any more."""
        self._took(waited, now, max(now - self._taken, LEAST_SECONDS))
        self.correct(flows)

    def correct(self, flows: int) -> None:
        """``flows`` more than were counted went out, or fewer where it is negative."""
        self._own.spend(flows)
        if self._plan is not None:
            self._plan.spend(flows)

    def _took(self, waited: int, now: float, since: float) -> None:
        self._own.came(waited, now, since)
        self._taken = now
