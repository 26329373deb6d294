"""sFlow counter samples: interface, VLAN, processor, host and other counters by name.

Which counters a kind of record has is data: ``COUNTER_RECORDS``. Names are those of the sFlow structures in CamelCase.

Sources: sFlow Version 5, section 5; sFlow Host Structures (2010), LAG Counters (2012), Optical Interface Structures
(2016), OpenFlow Structures (2014), RFC 2863, 3635.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader, trusted_unpacker

MAX_RECORDS = 16
"""Records read from one counter sample; agents send at most a dozen."""

MAX_BYTES = 4096
"""Bytes of a counter sample that are looked at; agents send some hundred."""

MAX_TEXT = 64

Counter = int | float | str
Record = Mapping[str, Counter]

UNKNOWN = {"I": 0xFFFFFFFF, "Q": 0xFFFFFFFFFFFFFFFF}
"""What an agent sends for a counter that it does not have; such a counter is left out."""


ALL_BITS = frozenset(UNKNOWN.values())

_PREFIX = trusted_unpacker("II")


@attrs.frozen(kw_only=True)
class CounterSample:
    """One counter sample, not read.

    :ivar source_class: 0 for an interface (by ifIndex), 1 VLAN, 2 physical entity, 3 logical entity.
    :ivar number: the source's sequence number for counter samples.
    :ivar uptime_ms: of the agent, modulo 2**32.
    :ivar records: the bytes of its records.
    """

    agent: str
    sub_agent: int
    source_class: int
    source_index: int
    number: int
    uptime_ms: int
    received_ns: int
    records: bytes


@attrs.frozen
class Layout:
    """One kind of record.

    :ivar name: its name.
    :ivar fields: name and type of each field: ``I`` and ``Q`` unsigned of 4 and 8 bytes, ``f`` a float, ``s`` a text,
        ``u`` 16 bytes, ``m`` a MAC address in 8 bytes, ``b`` 4 bytes.
    :ivar names: the names alone.
    :ivar size: bytes of a record with all fields, 0 where it has others than integers.
    :ivar unpack: reads all fields of such a record at once.
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    size: int
    unpack: Callable[[bytes, int], tuple[int, ...]]


def _layout(name: str, text: str) -> Layout:
    kind, fields = "I", []
    for word in text.split():
        if word.endswith(":"):
            kind = word[:-1]
        else:
            fields.append((word, kind))
    codes = "".join(kind for _name, kind in fields)
    plain = not codes.strip("IQ")
    size = 4 * codes.count("I") + 8 * codes.count("Q") if plain else 0
    return Layout(
        name, tuple(fields), tuple(field for field, _kind in fields), size, trusted_unpacker(codes if plain else "")
    )


_NET = "Q: InOctets I: InPackets InErrors InDrops Q: OutOctets I: OutPackets OutErrors OutDrops"

COUNTER_RECORDS: Mapping[int, Layout] = {
    1: _layout(
        "Interface",
        "I: Index Type Q: Speed I: Direction Status Q: InOctets I: InUcastPkts InMulticastPkts InBroadcastPkts"
        " InDiscards InErrors InUnknownProtos Q: OutOctets I: OutUcastPkts OutMulticastPkts OutBroadcastPkts"
        " OutDiscards OutErrors PromiscuousMode",
    ),
    2: _layout(
        "Ethernet",
        "AlignmentErrors FCSErrors SingleCollisionFrames MultipleCollisionFrames SQETestErrors DeferredTransmissions"
        " LateCollisions ExcessiveCollisions InternalMacTransmitErrors CarrierSenseErrors FrameTooLongs"
        " InternalMacReceiveErrors SymbolErrors",
    ),
    5: _layout("Vlan", "I: VlanID Q: Octets I: UcastPkts MulticastPkts BroadcastPkts Discards"),
    6: _layout(
        "Wireless",
        "TransmittedFragmentCount MulticastTransmittedFrameCount FailedCount RetryCount MultipleRetryCount"
        " FrameDuplicateCount RTSSuccessCount RTSFailureCount ACKFailureCount ReceivedFragmentCount"
        " MulticastReceivedFrameCount FCSErrorCount TransmittedFrameCount WEPUndecryptableCount"
        " QoSDiscardedFragmentCount AssociatedStationCount QoSCFPollsReceivedCount QoSCFPollsUnusedCount"
        " QoSCFPollsUnusableCount QoSCFPollsLostCount",
    ),
    7: _layout(
        "LagPort",
        "m: ActorSystemID PartnerOperSystemID I: AttachedAggID b: PortState I: LACPDUsRx MarkerPDUsRx"
        " MarkerResponsePDUsRx UnknownRx IllegalRx LACPDUsTx MarkerPDUsTx MarkerResponsePDUsTx",
    ),
    1001: _layout("Processor", "I: Cpu5s Cpu1m Cpu5m Q: TotalMemory FreeMemory"),
    1002: _layout("Radio", "ElapsedTime OnChannelTime OnChannelBusyTime"),
    1004: _layout("OpenFlowPort", "Q: DatapathID I: Port"),
    1005: _layout("PortName", "s: Name"),
    2000: _layout("HostDescription", "s: Hostname u: UUID I: MachineType OSName s: OSRelease"),
    2002: _layout("HostParent", "ContainerType ContainerIndex"),
    2003: _layout(
        "HostCpu",
        "f: LoadOne LoadFive LoadFifteen I: ProcRun ProcTotal CpuNum CpuSpeed Uptime CpuUser CpuNice CpuSystem CpuIdle"
        " CpuWio CpuIntr CpuSoftIntr Interrupts Contexts CpuSteal CpuGuest CpuGuestNice",
    ),
    2004: _layout(
        "HostMemory",
        "Q: MemTotal MemFree MemShared MemBuffers MemCached SwapTotal SwapFree I: PageIn PageOut SwapIn SwapOut",
    ),
    2005: _layout(
        "HostDisk",
        "Q: DiskTotal DiskFree I: PartMaxUsed Reads Q: BytesRead I: ReadTime Writes Q: BytesWritten I: WriteTime",
    ),
    2006: _layout("HostNet", _NET),
    2100: _layout("VirtualNode", "MHz Cpus Q: Memory MemoryFree I: NumDomains"),
    2101: _layout("VirtualCpu", "State CpuTime NrVirtCpu"),
    2102: _layout("VirtualMemory", "Q: Memory MaxMemory"),
    2103: _layout(
        "VirtualDisk",
        "Q: Capacity Allocation Available I: ReadRequests Q: BytesRead I: WriteRequests Q: BytesWritten I: Errors",
    ),
    2104: _layout("VirtualNet", _NET),
    2207: _layout("OpenVSwitch", "Hits Misses Lost MaskHits Flows Masks"),
}
"""By kind; others are stepped over."""


def read_counters(sample: CounterSample) -> dict[str, Record]:
    """Its records by name; of two of a kind the first. What is cut off or unknown is left out: nothing is raised."""
    records, position = sample.records, 0
    found: dict[str, Record] = {}
    for _ in range(MAX_RECORDS):
        start = position + 8
        if start > len(records):
            break
        kind, size = _PREFIX(records, position)
        if start + size > len(records):
            break
        position = start + size + -size % 4
        layout = COUNTER_RECORDS.get(kind)
        if layout is None or layout.name in found:
            continue
        if layout.size and size >= layout.size:
            found[layout.name] = _read_integers(layout, records, start)
        else:
            found[layout.name] = _read(layout, Reader(records, start, start + size))
    return found


def _read_integers(layout: Layout, records: bytes, start: int) -> Record:
    """The common case."""
    values = layout.unpack(records, start)
    if ALL_BITS.isdisjoint(values):
        return dict(zip(layout.names, values, strict=True))
    return {name: value for (name, kind), value in zip(layout.fields, values, strict=True) if value != UNKNOWN[kind]}


def _read(layout: Layout, reader: Reader) -> Record:
    """Newer versions of a record have more fields at the end, older ones fewer."""
    values: dict[str, Counter] = {}
    for name, kind in layout.fields:
        try:
            value = READERS[kind](reader)
        except MalformedInput:
            break
        if value != UNKNOWN.get(kind):
            values[name] = value
    return values


def _text(reader: Reader) -> str:
    size = reader.u32()
    text = reader.take(size)
    reader.skip(min(-size % 4, reader.remaining))
    return text[:MAX_TEXT].decode("utf-8", "replace").replace("\x00", "")


def _float(reader: Reader) -> float:
    value = reader.f32()
    return round(value, 3) if abs(value) < 1e12 else 0.0  # not a number and infinity fail the comparison


def _mac(reader: Reader) -> str:
    return reader.take(8)[:6].hex(":")


READERS: Mapping[str, Callable[[Reader], Counter]] = {
    "I": Reader.u32,
    "Q": Reader.u64,
    "f": _float,
    "s": _text,
    "u": lambda reader: reader.take(16).hex(),
    "m": _mac,
    "b": lambda reader: reader.take(4).hex(),
}
