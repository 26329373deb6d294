"""When a device is polled, and for what. Pure: it takes the time, and keeps none.

All polls of a device fall on a grid of its own, one point in each counter interval. Nothing moves the grid: a poll
that is late, or fails, leaves the next one where it was. What is polled less often takes every n-th point; a device
that does not answer, fewer and fewer.
"""

from __future__ import annotations

import math

import attrs

from kproxy_tw.snmp.poll import Wanted
from kproxy_tw.snmp.settings import SnmpSchedule

FIRST_SECONDS_A_DEVICE = 0.5
"""First polls are spread over so much for each device, and over one interval at most."""

MARGIN_SECONDS = 2.0
SHORTEST_SLOT = 0.2
"""Of an interval."""

_SPREAD = 2_654_435_761
"""Knuth's multiplier (2^32 over the golden ratio): neighbouring device ids come to lie far apart."""


def place(device_id: int) -> float:
    """Where in an interval a device comes, from 0 to 1; the same in each process."""
    return (device_id * _SPREAD % (1 << 32)) / (1 << 32)


@attrs.frozen
class Grid:
    """The points in time at which one device may be polled. All times are seconds of one clock.

    :ivar first: when its first poll is due, off the grid.
    :ivar origin: point 0.
    :ivar step: distance between two points.
    """

    first: float
    origin: float
    step: float

    @classmethod
    def of(cls, device_id: int, schedule: SnmpSchedule, *, now: float, begun: float, devices: int) -> Grid:
        """Of a device that is new now.

        :param begun: when polling began, so that devices that come later keep their place in the interval.
        :param devices: that are new at the same time.
        """
        step = schedule.counters_seconds
        where = place(device_id)
        spread = min(step, FIRST_SECONDS_A_DEVICE * devices)
        return cls(first=now + where * spread, origin=begun + where * step, step=step)

    def point(self, number: int) -> float:
        """When it is."""
        return self.origin + number * self.step

    def after(self, now: float) -> int:
        """The next point that is not yet reached."""
        return math.floor((now - self.origin) / self.step) + 1

    def behind(self, first: float) -> int:
        """The point that ends the slot of a poll off the grid: one that leaves it enough time."""
        return self.after(first + SHORTEST_SLOT * self.step)

    @property
    def margin(self) -> float:
        """A poll ends so long before its slot does, with what it has read."""
        return min(MARGIN_SECONDS, self.step / 10)


@attrs.frozen
class Plan:
    """The settings of one device's polls, in points of its grid."""

    descriptions: int
    counters: bool
    offset: int
    most_interfaces: int
    most_interfaces_later: int
    longest_wait: int

    @classmethod
    def of(cls, device_id: int, schedule: SnmpSchedule, *, minimized: bool) -> Plan:
        """Of a device."""
        rarely = minimized or schedule.low
        seconds = schedule.minimized_seconds if rarely else schedule.descriptions_seconds
        points = max(1, round(seconds / schedule.counters_seconds))
        return cls(
            descriptions=points,
            counters=not rarely,
            offset=device_id * _SPREAD % points,
            most_interfaces=schedule.max_interfaces,
            most_interfaces_later=schedule.max_interfaces_later,
            longest_wait=max(1, int(schedule.backoff_max_seconds / schedule.counters_seconds)),
        )

    def describes(self, point: int) -> bool:
        """Descriptions are due at this point."""
        return (point + self.offset) % self.descriptions == 0

    def next_point(self, after: int, *, failures: int, owed: bool) -> int:
        """The next point to poll at, from the first one possible on.

        :param failures: polls without answer so far.
        :param owed: descriptions are due that could not be read.
        """
        if failures:
            return after + min(1 << min(failures - 1, 16), self.longest_wait) - 1
        if self.counters or owed:
            return after
        return after + (-(after + self.offset)) % self.descriptions

    def wanted(self, point: int, *, first: bool, owed: bool) -> Wanted:
        """What to ask for at a point. The first poll asks for counters in any case, to put interfaces in order."""
        descriptions = first or owed or self.describes(point)
        return Wanted(
            descriptions=descriptions,
            counters=self.counters,
            most_interfaces=self.most_interfaces if first else self.most_interfaces_later,
            rank=first or (descriptions and self.counters),
        )
