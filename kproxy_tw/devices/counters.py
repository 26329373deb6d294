"""The latest counters that a device sent by sFlow, with the rates between the last two samples of each source.

What comes here is what polling by SNMP would give, without polling: interface counters, and those of processors, hosts
and virtual machines. Bounded: a source that has been silent longest makes room.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping

import attrs

from kproxy_tw.decode.sflow.counters import COUNTER_RECORDS, CounterSample, Layout, Record, read_counters

MAX_SOURCES = 4096
"""Data sources of one device. The largest chassis have some thousand interfaces."""

SAMPLES_A_SECOND = 500
"""Samples of one device that are read in a second. A chassis of 4,000 interfaces sends 200 at the usual interval."""

SAMPLES_AT_ONCE = 200
"""And in one go, some milliseconds' work."""

MAX_WAITING = 4096
"""Samples that may wait to be read: agents send those of all their interfaces at once."""

MAX_SECONDS = 3600.0
"""Samples further apart give no rates: a counter may have gone round more than once."""

CLOCK_SLACK_SECONDS = 60.0
"""How far the agent's uptime and our clock may disagree on the time between two samples; beyond it ours holds."""

LATE_SECONDS = 10.0
"""A sample whose uptime is further back than this is not late: the agent restarted."""

WRAP32 = 1 << 32
WRAP64 = 1 << 64

INTERFACE_CLASS = 0

Key = tuple[str, int, int, int]
"""Agent, sub-agent, class and index of the source."""

RATES: Mapping[str, Mapping[str, str]] = {
    "Interface": {
        "InOctets": "In",
        "OutOctets": "Out",
        "InUcastPkts": "InUcast",
        "InMulticastPkts": "InMulticast",
        "InBroadcastPkts": "InBroadcast",
        "OutUcastPkts": "OutUcast",
        "OutMulticastPkts": "OutMulticast",
        "OutBroadcastPkts": "OutBroadcast",
        "InDiscards": "InDiscards",
        "OutDiscards": "OutDiscards",
        "InErrors": "InErrors",
        "OutErrors": "OutErrors",
    },
    "Ethernet": {"FCSErrors": "FCSErrors", "SymbolErrors": "SymbolErrors", "AlignmentErrors": "AlignmentErrors"},
    "Vlan": {
        "Octets": "",
        "UcastPkts": "Ucast",
        "MulticastPkts": "Multicast",
        "BroadcastPkts": "Broadcast",
        "Discards": "Discards",
    },
    "HostNet": {"InOctets": "In", "OutOctets": "Out", "InPackets": "In", "OutPackets": "Out", "InErrors": "InErrors"},
    "HostDisk": {"BytesRead": "Read", "BytesWritten": "Written"},
    "VirtualNet": {"InOctets": "In", "OutOctets": "Out", "InPackets": "In", "OutPackets": "Out"},
    "VirtualDisk": {"BytesRead": "Read", "BytesWritten": "Written"},
}
"""Record and counter to the beginning of the rate's name; its end is the unit."""


@attrs.frozen(slots=True)
class Step:
    """From two values of a counter to a rate.

    :ivar wrap: where the counter goes round.
    """

    counter: str
    rate: str
    factor: int
    wrap: int


def _unit(counter: str) -> tuple[str, int]:
    """What a counter's rate is measured in, and how much of it one step is."""
    if "Octets" in counter:
        return "BitsPerSecond", 8
    if counter.startswith("Bytes"):
        return "BytesPerSecond", 1
    if counter.endswith(("Pkts", "Packets")):
        return "PktsPerSecond", 1
    return "PerSecond", 1


def _steps(layout: Layout) -> tuple[Step, ...]:
    wraps = {name: WRAP64 if kind == "Q" else WRAP32 for name, kind in layout.fields}
    steps = []
    for counter, prefix in RATES.get(layout.name, {}).items():
        unit, factor = _unit(counter)
        steps.append(Step(counter, prefix + unit, factor, wraps[counter]))
    return tuple(steps)


STEPS = {layout.name: _steps(layout) for layout in COUNTER_RECORDS.values()}
"""By kind of record."""


@attrs.define(eq=False)
class SourceCounters:
    """One data source.

    :ivar number: sequence number of its last counter sample.
    :ivar received_ns: when that came in, nanoseconds since 1970.
    :ivar records: its counters, by kind of record; of kinds that come less often, the latest.
    :ivar rates: by kind of record; absent until there were two samples of it.
    :ivar restarts: how often its counters began anew.
    """

    number: int
    uptime_ms: int
    received_ns: int
    records: dict[str, Record] = attrs.field(factory=dict)
    rates: dict[str, Mapping[str, float]] = attrs.field(factory=dict)
    restarts: int = 0

    def take(self, sample: CounterSample) -> None:
        """The next sample; one that is older than the last is left out."""
        forward = (sample.number - self.number) % WRAP32
        restarted = self._restarted(sample)
        if not restarted and (forward == 0 or forward >= WRAP32 // 2):
            return
        seconds = 0.0 if restarted else self._seconds(sample)
        found = read_counters(sample)
        for name, record in found.items():
            self.rates[name] = rates_of(name, self.records.get(name, {}), record, seconds)
        if restarted:
            self.restarts += 1
            self.rates = {}
        self.records.update(found)
        self.number, self.uptime_ms, self.received_ns = sample.number, sample.uptime_ms, sample.received_ns

    def _restarted(self, sample: CounterSample) -> bool:
        """The agent's uptime went back, by more than a sample can be late, and far from where 32 bits go round."""
        back = (self.uptime_ms - sample.uptime_ms) % WRAP32
        return LATE_SECONDS * 1000 < back < WRAP32 // 2

    def _seconds(self, sample: CounterSample) -> float:
        """Between the last sample and this one, by the agent's clock if that can be right."""
        ours = (sample.received_ns - self.received_ns) / 1e9
        theirs = ((sample.uptime_ms - self.uptime_ms) % WRAP32) / 1000
        return theirs if theirs > 0 and abs(theirs - ours) <= CLOCK_SLACK_SECONDS else ours


def rates_of(name: str, before: Record, now: Record, seconds: float) -> Mapping[str, float]:
    """Rates between two records of one kind; empty when there is nothing to compare, or the time between is no good."""
    if not before or not 0 < seconds <= MAX_SECONDS:
        return {}
    rates: dict[str, float] = {}
    for step in STEPS.get(name, ()):
        old, new = before.get(step.counter), now.get(step.counter)
        if old is not None and new is not None:
            rates[step.rate] = round(step.factor * ((new - old) % step.wrap) / seconds, 3)  # type: ignore[operator]
    speed = now.get("Speed")
    if name == "Interface" and speed and rates:
        for way in ("In", "Out"):
            if f"{way}BitsPerSecond" in rates:
                rates[f"{way}Utilization"] = round(rates[f"{way}BitsPerSecond"] / speed, 6)  # type: ignore[operator]
    return rates


class CounterStore:
    """All sources of one device.

    Reading a sample takes some ten microseconds, so that only so many are read in a second; the others wait, bounded.

    :param limit: sources kept.
    :ivar samples: how many samples came in.
    :ivar skipped: how many of them were not read because too many waited.
    :ivar forgotten: sources that had to make room.
    """

    def __init__(self, limit: int = MAX_SOURCES) -> None:
        self._limit = limit
        self._sources: OrderedDict[Key, SourceCounters] = OrderedDict()
        self._waiting: deque[CounterSample] = deque()
        self._left = SAMPLES_A_SECOND
        self.samples = 0
        self.skipped = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._sources)

    def take(self, samples: Iterable[CounterSample]) -> None:
        """Take samples in, in the order of arrival, and read what may be read at once."""
        for sample in samples:
            self.samples += 1
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(sample)
            else:
                self.skipped += 1
        self._read_some()

    def tick(self) -> None:
        """A second has passed: read what waits."""
        self._left = SAMPLES_A_SECOND
        self._read_some()

    def sources(self) -> Iterator[tuple[Key, SourceCounters]]:
        """All of them, by agent, class and index."""
        return iter(sorted(self._sources.items()))

    def interfaces(self) -> Iterator[tuple[Key, SourceCounters]]:
        """Those that are interfaces: what goes on to a collector of interface metrics."""
        return ((key, source) for key, source in self.sources() if "Interface" in source.records)

    def _read_some(self) -> None:
        count = min(self._left, SAMPLES_AT_ONCE, len(self._waiting))
        self._left -= count
        for _sample in range(count):
            self._read(self._waiting.popleft())

    def _read(self, sample: CounterSample) -> None:
        key = (sample.agent, sample.sub_agent, sample.source_class, sample.source_index)
        source = self._sources.get(key)
        if source is None:
            self._sources[key] = SourceCounters(
                sample.number, sample.uptime_ms, sample.received_ns, dict(read_counters(sample))
            )
            self._make_room()
        else:
            source.take(sample)
            self._sources.move_to_end(key)

    def _make_room(self) -> None:
        if len(self._sources) > self._limit:
            self._sources.popitem(last=False)
            self.forgotten += 1


@attrs.define(eq=False)
class Discards:
    """Packets that a device said it discarded.

    :ivar packets: by sFlow's reason code.
    :ivar last_ns: when the latest of each reason came in, nanoseconds since 1970.
    """

    packets: Counter[int] = attrs.field(factory=Counter)
    last_ns: dict[int, int] = attrs.field(factory=dict)

    def add(self, reason: int, packets: int, received_ns: int) -> None:
        """So many packets; reasons beyond those that sFlow has room for are one."""
        code = min(reason, MAX_REASON)
        self.packets[code] += packets
        self.last_ns[code] = received_ns


MAX_REASON = 1023
"""The largest reason that is told apart."""
