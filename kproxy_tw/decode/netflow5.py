"""NetFlow version 5: a header of 24 bytes and records of 48, always the same (Cisco, "NetFlow Export Datagram Format").

The record is written down here as if a template had told it, and is decoded like one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kproxy_tw.decode.layout import Field, TemplateLayout
from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.decode.sequences.book import Counted
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import unpacker

HEADER_LENGTH = 24
RECORD_LENGTH = 48

MOST_RECORDS = 65507 // RECORD_LENGTH
"""More than that fit in no UDP datagram (the format itself says 30; some exporters send more)."""

INTERVAL_BITS = 0x3FFF
"""The lower 14 bits of the sampling word are the interval, the upper 2 the mode (1 deterministic, 2 random).
Many exporters leave the mode 0, so that the interval alone says whether there is sampling."""

LEAST = 8
"""Fewer datagrams than this are walked one by one: NumPy's fixed costs would not pay."""

VERSION_WORD = b"\x00\x05"

_HEADER = unpacker("HHIIIIBBH")
_CLOCKS = np.dtype([("uptime", ">u4"), ("seconds", ">u4"), ("nanoseconds", ">u4")])
"""What stands behind version and count."""

_RECORD = """
    8/4 srcaddr  12/4 dstaddr  15/4 nexthop  10/2 input  14/2 output  2/4 dPkts  1/4 dOctets  22/4 first  21/4 last
    7/2 srcport  11/2 dstport  210/1 pad1  6/1 tcp_flags  4/1 prot  5/1 tos  16/2 src_as  17/2 dst_as
    9/1 src_mask  13/1 dst_mask  210/2 pad2
"""


def fields_of(record: str) -> tuple[Field, ...]:
    """Fields written down as ``element/length name ...``."""
    pairs = [word.split("/") for word in record.split() if "/" in word]
    return tuple(Field(0, int(number), int(length)) for number, length in pairs)


LAYOUT = TemplateLayout("netflow5", fields_of(_RECORD))
"""The layout of every NetFlow v5 record."""


def walk(data: bytes, received_ns: int) -> Walk:
    """Walk one datagram. Bytes behind the records that the header counts are padding.

    :param received_ns: when it came in, nanoseconds since 1970.
    :raises MalformedInput: the header is cut short, or counts more records than a datagram can hold.
    """
    _, told, uptime, seconds, nanoseconds, _, _, _, sampling = _HEADER(data, 0)
    if told > MOST_RECORDS:
        raise MalformedInput(f"the header counts {told} records, a datagram holds at most {MOST_RECORDS}")
    count = min(told, (len(data) - HEADER_LENGTH) // RECORD_LENGTH)
    result = Walk("netflow5", records=told, malformed=told - count)
    if count:
        clock = PacketClock(seconds * 1000 + nanoseconds // 1_000_000, uptime, received_ns)
        body = data[HEADER_LENGTH : HEADER_LENGTH + count * RECORD_LENGTH]
        result.sets.append(RecordSet(LAYOUT, count, body, clock, sampling=sampling & INTERVAL_BITS))
    return result


def walk_all(
    datagrams: Sequence[bytes], received_ns: Sequence[int], counted: Counted | None = None
) -> tuple[list[Walk], list[MalformedInput]]:
    """Walk datagrams of one exporter; those that count equally many records are walked together.

    :param received_ns: when each came in, nanoseconds since 1970.
    :param counted: is told how many records each datagram holds.
    :return: what they hold, and why those that are missing in it could not be walked.
    """
    walks: list[Walk] = []
    problems: list[MalformedInput] = []
    for positions in _alike(datagrams):
        count = int.from_bytes(datagrams[positions[0]][2:4], "big")
        if len(positions) >= LEAST and 0 < count <= MOST_RECORDS and _length(count) <= len(datagrams[positions[0]]):
            walks.append(_block([datagrams[position] for position in positions], positions, received_ns, count))
            if counted is not None:
                counted.flows[positions] = count
            continue
        for position in positions:
            try:
                walked = walk(datagrams[position], received_ns[position])
            except MalformedInput as problem:
                problems.append(problem)
                continue
            walks.append(walked)
            if counted is not None:
                counted.one(position, walked)
    return walks, problems


def _length(count: int) -> int:
    return HEADER_LENGTH + count * RECORD_LENGTH


def _alike(datagrams: Sequence[bytes]) -> Iterator[list[int]]:
    """Positions of datagrams that have size, count and sampling rate in common."""
    found: dict[tuple[int, bytes, bytes], list[int]] = {}
    for position, data in enumerate(datagrams):
        found.setdefault((len(data), data[2:4], data[22:24]), []).append(position)
    yield from found.values()


def _block(same: Sequence[bytes], positions: Sequence[int], received_ns: Sequence[int], count: int) -> Walk:
    heads = np.frombuffer(b"".join([data[4:16] for data in same]), _CLOCKS)
    export_ms = heads["seconds"].astype(np.int64) * 1000 + heads["nanoseconds"].astype(np.int64) // 1_000_000
    clock = PacketClock(
        export_ms,
        heads["uptime"].astype(np.int64),
        np.array([received_ns[position] for position in positions], np.int64),
    )
    body = b"".join([data[HEADER_LENGTH : _length(count)] for data in same])
    sampling = int.from_bytes(same[0][22:24], "big") & INTERVAL_BITS
    total = count * len(same)
    records = RecordSet(LAYOUT, total, body, clock, sampling=sampling, datagrams=len(same))
    return Walk("netflow5", [records], total)
