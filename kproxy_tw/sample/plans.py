"""The cap of a plan, shared by its devices: max-min fair, so that who asks for little gets all of it.

Each device says at every tick what it would send. While all of it together fits the plan, no device is limited but by
its own cap. When it does not, there is a level: devices that ask for less get what they ask for, all others the level,
and all together the plan's cap. What a device leaves of its share is the others'.

The API tells ``max_fps`` of a plan with each of its devices. Devices of one company whose plans have the same figure
are taken as of one plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs

from kproxy_tw.sample.window import CapWindow

LEVEL_SECONDS = 1.0
"""How often the level follows small changes of what devices ask for."""

NOTABLE_CHANGE = 0.1
"""A change of what one device asks for, as a share of the plan's cap, that the level follows sooner."""

SOON_SECONDS = 0.05
"""How soon: a plan may have thousands of devices, and each change means to look at all of them."""

FALLING = 0.75
"""Weight of the latest tick in what a device asks for, where that is less than before; more counts at once."""

CARRY_SECONDS = 1.0
"""Devices tick at different moments of a second: so much of the plan's allowance outlives the end of a window."""


def fair_level(demands: Iterable[float], total: float) -> float:
    """The level ``v`` at which Σ min(demand, v) is ``total``; infinite when all demands fit."""
    ordered = sorted(demands)
    left = total
    for position, demand in enumerate(ordered):
        level = left / (len(ordered) - position)
        if demand > level:
            return level
        left -= demand
    return math.inf


class PlanCap:
    """What the devices of one plan may send together.

    :param rate: flows per second, above 0.
    :param seconds: length of a window; see :class:`CapWindow`.
    :param now: monotonic seconds.
    :ivar rate: as given.
    :ivar level: flows per second that each device gets at most; infinite while all of them fit.
    """

    __slots__ = ("_demands", "_leveled", "_window", "level", "rate")

    def __init__(self, rate: float, seconds: float, now: float) -> None:
        self.rate = rate
        self.level = math.inf
        self._demands: dict[int, float] = {}
        self._leveled = now
        self._window = CapWindow(rate, seconds, now, carry=CARRY_SECONDS)

    def demand(self, member: int, flows: float, now: float) -> float:
        """``member`` would send ``flows`` a second. :return: the level."""
        old = self._demands.get(member, 0.0)
        new = flows if flows > old else old + FALLING * (flows - old)
        self._demands[member] = new
        notable = abs(new - old) > NOTABLE_CHANGE * self.rate
        if now - self._leveled >= (SOON_SECONDS if notable else LEVEL_SECONDS):
            self._level(now)
        return self.level

    def allowance(self, now: float) -> int:
        """How many flows the plan still allows now, whatever the level."""
        return self._window.allowance(now)

    def spend(self, flows: int) -> None:
        """``flows`` of the plan's allowance went out."""
        self._window.spend(flows)

    def leave(self, member: int, now: float) -> bool:
        """``member`` sends no more under this plan. :return: whether nobody is left."""
        self._demands.pop(member, None)
        self._level(now)
        return not self._demands

    def _level(self, now: float) -> None:
        self._leveled = now
        self.level = fair_level(self._demands.values(), self.rate)


@attrs.define
class PlanCaps:
    """The plans of all companies.

    :ivar seconds: length of a window.
    :ivar share: this process's part of every plan's cap; below 1 where devices are split over several processes.
    """

    seconds: float = 15.0
    share: float = 1.0
    _plans: dict[tuple[int, int], PlanCap] = attrs.field(factory=dict, init=False)

    def join(self, company_id: int, max_fps: int, member: int, now: float) -> PlanCap | None:
        """The plan with this cap, ``member`` now in it; ``None`` for a plan without cap (0)."""
        if max_fps <= 0:
            return None
        plan = self._plans.get((company_id, max_fps))
        if plan is None:
            plan = self._plans[company_id, max_fps] = PlanCap(max_fps * self.share, self.seconds, now)
        plan.demand(member, 0.0, now)
        return plan

    def leave(self, company_id: int, max_fps: int, member: int, now: float) -> None:
        """``member`` is not in this plan any more."""
        plan = self._plans.get((company_id, max_fps))
        if plan is not None and plan.leave(member, now):
            del self._plans[company_id, max_fps]
