"""What is known of one device by SNMP: its latest interfaces, rates and health, and how its polls went."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping

import attrs

from kproxy_tw.enrich.interfaces import InterfaceTable, InterfaceTraffic
from kproxy_tw.snmp.reading import DeviceHealth, Interface, InterfaceCounters, Reading, SystemGroup
from kproxy_tw.snmp.shown import FlowRates, Point, PollSums

HISTORY = 48
"""Rates of an interface that are kept for its sparkline: four hours of polls each five minutes."""

MAX_HISTORIES = 4096
"""Interfaces of one device that have a history."""


class RateHistory:
    """The latest rates of one interface, as plain numbers: a thousand devices have tens of thousands of these.

    All its memory is taken at once, so that what polling needs shows after its first minutes, not after hours.
    """

    __slots__ = ("_known", "_values")

    def __init__(self) -> None:
        self._values = array("d", [math.nan]) * (2 * HISTORY)
        self._known = 0

    def add(self, point: Point) -> None:
        """One more poll; the oldest makes room."""
        del self._values[:2]
        self._values.extend(math.nan if value is None else value for value in point)
        self._known = min(self._known + 1, HISTORY)

    def points(self) -> tuple[Point, ...]:
        """The rates, the newest last."""
        values = [None if math.isnan(value) else value for value in self._values[2 * (HISTORY - self._known) :]]
        return tuple(zip(values[::2], values[1::2], strict=True))

    @property
    def is_over(self) -> bool:
        """Whether none of so many polls as are kept brought anything."""
        return self._known == HISTORY and all(map(math.isnan, self._values))


@attrs.define(eq=False)
class DeviceBook:
    """One device's readings, summed up.

    :ivar latest: the last reading, failed ones too.
    :ivar system, interfaces, counters, health: the last of each that a reading brought; by index.
    :ivar described, counted: when, in seconds since 1970; 0 before the first.
    :ivar histories: interface (its name, or its index where that is not its alone) to its latest rates, the newest
        last.
    :ivar flow_rates: by index, over the time between the last two polls of the counters.
    :ivar sums: what all polls together came to.
    :ivar table: names and speeds for flows; ``None`` before the first description.
    """

    latest: Reading | None = None
    system: SystemGroup | None = None
    interfaces: dict[int, Interface] = attrs.field(factory=dict)
    counters: dict[int, InterfaceCounters] = attrs.field(factory=dict)
    health: DeviceHealth = attrs.field(factory=DeviceHealth)
    described: float = 0.0
    counted: float = 0.0
    histories: dict[str, RateHistory] = attrs.field(factory=dict)
    flow_rates: Mapping[int, FlowRates] = attrs.field(factory=dict)
    sums: PollSums = attrs.Factory(PollSums)
    table: InterfaceTable | None = None
    _shared: frozenset[str] = frozenset()
    _before: tuple[float, Mapping[int, float], Mapping[int, float]] | None = None

    def take(self, reading: Reading, traffic: InterfaceTraffic | None) -> None:
        """Take in one reading. :param traffic: what flows said so far, up to now."""
        self.latest = attrs.evolve(reading, interfaces=(), counters=())
        self.sums = self.sums.plus(reading)
        if reading.system is not None:
            self.system = reading.system
        if reading.health != DeviceHealth():
            self.health = reading.health
        if reading.interfaces:
            self._describe(reading)
        if reading.counters:
            self._count(reading, traffic)
        elif reading.with_counters:
            self._add_points({})

    def name(self, index: int) -> str:
        """The name of an interface; empty where it is not known."""
        known = self.interfaces.get(index)
        if known is not None:
            return known.name or known.descr
        counted = self.counters.get(index)
        return counted.name if counted is not None else ""

    def history(self, index: int) -> tuple[Point, ...]:
        """The latest rates of an interface, the newest last."""
        known = self.histories.get(self._key(index))
        return () if known is None else known.points()

    def _describe(self, reading: Reading) -> None:
        self.described = reading.started
        self.interfaces = {one.index: one for one in reading.interfaces}
        self.table = InterfaceTable.of(
            (one.index, one.name or one.descr, one.descr, one.alias, one.speed_mbps) for one in reading.interfaces
        )

    def _count(self, reading: Reading, traffic: InterfaceTraffic | None) -> None:
        self.counted = reading.started
        self.counters = {one.index: one for one in reading.counters}
        names = Counter(map(self.name, self.counters))
        self._shared = frozenset(name for name, count in names.items() if count > 1)
        self._add_points({self._key(one.index): one for one in reading.counters})
        if traffic is not None:
            self._compare(reading.started, traffic)

    def _compare(self, now: float, traffic: InterfaceTraffic) -> None:
        received, sent = dict(traffic.received), dict(traffic.sent)
        if self._before is not None and now > self._before[0]:
            before, received_then, sent_then = self._before
            self.flow_rates = {
                index: FlowRates(
                    8 * (received.get(index, 0.0) - received_then.get(index, 0.0)) / (now - before),
                    8 * (sent.get(index, 0.0) - sent_then.get(index, 0.0)) / (now - before),
                )
                for index in received.keys() | sent.keys()
            }
        self._before = now, received, sent

    def _add_points(self, counted: Mapping[str, InterfaceCounters]) -> None:
        for key in counted:
            if key not in self.histories and len(self.histories) < MAX_HISTORIES:
                self.histories[key] = RateHistory()
        for key, history in list(self.histories.items()):
            one = counted.get(key)
            history.add((one.in_bits_per_second, one.out_bits_per_second) if one else (None, None))
            if history.is_over:
                del self.histories[key]

    def _key(self, index: int) -> str:
        name = self.name(index)
        return name if name and name not in self._shared else f"#{index}"
