"""DeviceCap: a device's own cap and its share of the plan's, as one allowance."""

from __future__ import annotations

import math

from kproxy_tw.sample.plans import PlanCap
from kproxy_tw.sample.window import CapWindow

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

    __slots__ = ("_member", "_plan", "_taken", "_window", "rate")

    def __init__(self, rate: float, seconds: float, now: float, plan: PlanCap | None = None, member: int = 0) -> None:
        self.rate = rate
        self._window = CapWindow(rate, seconds, now)
        self._plan = plan
        self._member = member
        self._taken = now

    @property
    def level(self) -> float:
        """Flows per second that the plan leaves it; infinite when its plan does not limit it."""
        return math.inf if self._plan is None else self._plan.level

    def allowance(self, waiting: int, now: float) -> int:
        """How many flows may go out at ``now``, while ``waiting`` would like to."""
        if self._plan is None:
            return self._window.allowance(now) if waiting else 0
        since = max(now - self._taken, LEAST_SECONDS)
        level = self._plan.demand(self._member, min(self.rate, waiting / since), now)
        if not waiting:
            self._taken = now
            return 0
        self._window.rate = min(self.rate, level)
        allowed = self._window.allowance(now)
        if level < self.rate:
            # While others go short nobody saves up.
            self._window.limit(level * since + 1.0)
            allowed = min(allowed, int(level * since + 1.0))
        return min(allowed, self._plan.allowance(now))

    def spend(self, flows: int, now: float | None = None) -> None:
        """``flows`` went out; a negative number was counted too many. :param now: when what waits was taken."""
        if now is not None:
            self._taken = now
        self._window.spend(flows)
        if self._plan is not None:
            self._plan.spend(flows)
