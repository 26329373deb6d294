"""From counters to growth: never more than an interface can carry, never anything across a restart. Pure.

Interfaces are followed by name, as agents renumber them. What is not certain is not told: the first poll, a counter
that went back, one of 32 bits that may have gone round more than once, an agent that tells the same figures again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import attrs

from kproxy_tw.snmp.describe import speed_bps
from kproxy_tw.snmp.oids import COUNTER_COLUMNS
from kproxy_tw.snmp.reading import Counts, EventKind, InterfaceCounters, PollEvent
from kproxy_tw.snmp.uptime import Continuity, Uptime
from kproxy_tw.snmp.values import number, text
from kproxy_tw.snmp.walk import Row, Table
from kproxy_tw.snmp.wraps import grown_32, grown_64, octets_from_packets

HEADROOM = 1.25
"""So much above its speed an interface may seem to carry: clocks differ, agents count in steps."""

SLACK_OCTETS = 1 << 20
MOST_BITS_PER_SECOND = 2_000_000_000_000
"""No interface is faster, whatever it says."""

SMALLEST_PACKET = 64
MOST_FRAME_OVERHEAD = 64
USUAL_MTU = 9216
"""Assumed where the agent does not tell."""

OCTETS = ("in_octets", "out_octets")
PACKETS = {
    "in_octets": ("in_unicast", "in_multicast", "in_broadcast"),
    "out_octets": ("out_unicast", "out_multicast", "out_broadcast"),
}


@attrs.frozen
class Sample:
    """One interface at one moment.

    :ivar wide: names of the counters that have 64 bits.
    :ivar at: in seconds of our clock.
    :ivar discontinuity: the agent's uptime when its counters last began anew.
    """

    index: int
    name: str
    totals: Mapping[str, int]
    wide: frozenset[str]
    at: float
    discontinuity: int
    speed_bps: int
    mtu: int
    admin_status: int
    oper_status: int


@attrs.frozen
class _Past:
    sample: Sample
    too_fast: bool = False


@attrs.frozen
class Counted:
    """What a poll says of the counters."""

    counters: tuple[InterfaceCounters, ...] = ()
    events: tuple[PollEvent, ...] = ()


def samples(wide: Table, narrow: Table) -> list[Sample]:
    """All interfaces of a poll, by index."""
    indexes = sorted({index for index in (*wide.rows, *narrow.rows) if len(index) == 1})
    return [
        _sample(
            index[0],
            {**narrow.rows.get(index, {}), **wide.rows.get(index, {})},
            wide.read_at.get(index, narrow.read_at.get(index, 0.0)),
        )
        for index in indexes
    ]


def lacks_wide(wide: Table) -> bool:
    """Some interface has no counters of 64 bits."""
    return not wide.rows or any("ifHCInOctets" not in row or "ifHCOutOctets" not in row for row in wide.rows.values())


def name_of(row: Row) -> str:
    """What an interface is followed by; empty where the row does not tell."""
    return text(row.get("ifName")) or text(row.get("ifDescr"))


def _sample(index: int, row: Row, at: float) -> Sample:
    totals, wide = {}, set()
    for name, (of_64, of_32) in COUNTER_COLUMNS.items():
        value = row.get(of_64)
        if isinstance(value, int):
            wide.add(name)
        else:
            value = row.get(of_32)
        if isinstance(value, int) and value >= 0:
            totals[name] = value
    return Sample(
        index=index,
        name=name_of(row),
        totals=totals,
        wide=frozenset(wide),
        at=at,
        discontinuity=number(row.get("ifCounterDiscontinuityTime")),
        speed_bps=speed_bps(row),
        mtu=number(row.get("ifMtu")),
        admin_status=number(row.get("ifAdminStatus")),
        oper_status=number(row.get("ifOperStatus")),
    )


@attrs.define(eq=False)
class CounterHistory:
    """The counters of one device from poll to poll. It holds one sample of each interface of the last poll."""

    _past: dict[str, _Past] = attrs.field(factory=dict, init=False)
    _uptime: Uptime | None = attrs.field(default=None, init=False)

    def take(self, found: list[Sample], uptime: Uptime | None, *, complete: bool) -> Counted:
        """The next poll.

        :param uptime: the agent's clock as the poll began; ``None`` when it did not tell.
        :param complete: all rows were read, so that an interface that is not there is gone.
        """
        keyed = _keyed(found)
        continuity = self._continuity(uptime)
        if continuity is Continuity.STANDS_STILL:
            return Counted(tuple(_without_growth(sample) for sample in found))
        if continuity is Continuity.GOES_ON and self._says_the_same(keyed):
            # The past stays: when the agent tells news again, they are of the whole time since.
            return Counted(tuple(self._grown(key, sample)[0] for key, sample in keyed.items()))
        events: tuple[PollEvent, ...] = ()
        if continuity is Continuity.RESTARTED:
            self._past.clear()
            events = (PollEvent(kind=EventKind.AGENT_RESTARTED, text="the agent started anew"),)
        grown = {key: self._grown(key, sample) for key, sample in keyed.items()}
        kept = {} if complete else self._past
        self._past = {**kept, **{key: past for key, (_counters, past) in grown.items()}}
        self._uptime = uptime or self._uptime
        return Counted(tuple(counters for counters, _past in grown.values()), events)

    def _continuity(self, uptime: Uptime | None) -> Continuity:
        if uptime is None or self._uptime is None:
            return Continuity.GOES_ON
        return uptime.since(self._uptime)

    def _says_the_same(self, keyed: Mapping[str, Sample]) -> bool:
        """Not one counter has moved: the agent repeats itself, as our own questions would have moved some."""
        known = [(sample, self._past[key].sample) for key, sample in keyed.items() if key in self._past]
        return any(any(before.totals.values()) for _sample, before in known) and all(
            sample.totals == before.totals for sample, before in known
        )

    def _grown(self, key: str, sample: Sample) -> tuple[InterfaceCounters, _Past]:
        """What is told of an interface, and what becomes its past."""
        past = self._past.get(key)
        told = _without_growth(sample)
        if past is None:
            return told, _Past(sample)
        deltas, too_fast = growth(past.sample, sample, trusted=not past.too_fast)
        if deltas is not None:
            told = attrs.evolve(told, deltas=deltas, seconds=sample.at - past.sample.at)
        return told, _Past(sample, too_fast)


def _keyed(found: list[Sample]) -> dict[str, Sample]:
    """By name; by index those whose name is not theirs alone."""
    times = Counter(sample.name for sample in found)
    return {
        sample.name if sample.name and times[sample.name] == 1 else f"#{sample.index} {sample.name}": sample
        for sample in found
    }


def _without_growth(sample: Sample) -> InterfaceCounters:
    return InterfaceCounters(
        index=sample.index,
        name=sample.name,
        speed_bps=sample.speed_bps,
        admin_status=sample.admin_status,
        oper_status=sample.oper_status,
        totals=Counts(**sample.totals),
    )


def growth(before: Sample, now: Sample, *, trusted: bool = True) -> tuple[Counts | None, bool]:
    """What was counted between two samples of one interface, and whether it seemed faster than it says it is.

    Faster than its speed once is not believed; twice in a row it is the speed that is not.

    :param trusted: the speed is believed.
    """
    seconds = now.at - before.at
    if seconds <= 0 or now.discontinuity != before.discontinuity:
        return None, False
    hard, soft = _ceiling(MOST_BITS_PER_SECOND, seconds), _ceiling(now.speed_bps or MOST_BITS_PER_SECOND, seconds)
    grown = _all_grown(before, now, hard)
    if grown is None:
        return None, False
    too_fast = any((grown.get(name) or 0) > soft for name in OCTETS)
    if too_fast and trusted:
        return None, True
    most = hard if too_fast else soft
    for name in OCTETS:
        if name not in now.wide and name in grown:
            grown[name] = _resolved(name, grown, most, now.mtu or USUAL_MTU)
    known = {name: value for name, value in grown.items() if value is not None}
    return (Counts(**known) if known else None), too_fast


def _ceiling(bits_per_second: float, seconds: float) -> int:
    return int(min(bits_per_second, MOST_BITS_PER_SECOND) * HEADROOM * seconds / 8) + SLACK_OCTETS


def _all_grown(before: Sample, now: Sample, most_octets: int) -> dict[str, int | None] | None:
    """By counter; ``None`` when one of 64 bits went back, or leapt: then they began anew."""
    grown: dict[str, int | None] = {}
    for name, total in now.totals.items():
        earlier = before.totals.get(name)
        if earlier is None or (name in before.wide) != (name in now.wide):
            continue
        step: Callable[[int, int, int], int | None] = grown_64 if name in now.wide else grown_32
        most = most_octets if name in OCTETS else most_octets // SMALLEST_PACKET
        grown[name] = step(earlier, total, most)
        if grown[name] is None and name in now.wide:
            return None
    return grown


def _resolved(name: str, grown: Mapping[str, int | None], most: int, mtu: int) -> int | None:
    """Octets of 32 bits: as they are when the speed allows no second round, else as the packets tell."""
    octets = grown[name]
    if octets is None:
        return None
    if most < 1 << 32:
        return octets if octets <= most else None
    packets = [grown.get(counter) for counter in PACKETS[name]]
    if packets[0] is None:
        return None
    count = sum(packet or 0 for packet in packets)
    return octets_from_packets(octets, count, SMALLEST_PACKET // 2, mtu + MOST_FRAME_OVERHEAD, most)
