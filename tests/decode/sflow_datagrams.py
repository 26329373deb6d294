"""sFlow version 5 datagrams, put together word by word."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

RECEIVED_NS = 1_700_000_000_123_456_789
"""When the datagrams of the tests come in."""


def words(*numbers: int) -> bytes:
    """Unsigned 32-bit numbers."""
    return struct.pack(f"!{len(numbers)}I", *numbers)


def padded(data: bytes) -> bytes:
    """Data filled up with zeros to whole words."""
    return data + bytes(-len(data) % 4)


def address(text: str) -> bytes:
    """Address type and address."""
    packed = ip_address(text).packed
    return words(1 if len(packed) == 4 else 2) + packed


def opaque(kind: int, body: bytes) -> bytes:
    """Kind, length and body: a sample or a record."""
    return words(kind, len(body)) + body


def datagram(*samples: bytes, agent: str = "192.0.2.9", announced: int | None = None, version: int = 5) -> bytes:
    """A datagram of sub-agent 7, sequence number 42, uptime 99 s."""
    count = len(samples) if announced is None else announced
    return words(version) + address(agent) + words(7, 42, 99_000, count) + b"".join(samples)


def flow_sample(
    *records: bytes,
    rate: int = 100,
    interfaces: tuple[int, int] = (3, 4),
    announced: int | None = None,
    source: int = 3,
    drops: int = 0,
) -> bytes:
    """A compact flow sample of pool 1000; interfaces are input and output."""
    count = len(records) if announced is None else announced
    return opaque(1, words(11, source, rate, 1000, drops, *interfaces, count) + b"".join(records))


def expanded_sample(*records: bytes, rate: int = 100, interfaces: tuple[int, int, int, int] = (0, 3, 0, 4)) -> bytes:
    """An expanded flow sample; interfaces are format and value of the input, and of the output."""
    return opaque(3, words(11, 0, 3, rate, 1000, 0, *interfaces, len(records)) + b"".join(records))


def counter_sample() -> bytes:
    """A counter sample with one record of an enterprise."""
    return opaque(2, words(5, 3, 1) + opaque(4413 << 12 | 1, words(1, 2, 3, 4)))


def raw_header(header: bytes, frame: int | None = None, link: int = 1) -> bytes:
    """The header of a sampled packet; the frame has 4 bytes of check sum unless its length is given."""
    length = len(header) + 4 if frame is None else frame
    return opaque(1, words(link, length, 4, len(header)) + padded(header))


def switch(vlan_in: int, vlan_out: int) -> bytes:
    """Extended switch data."""
    return opaque(1001, words(vlan_in, 1, vlan_out, 2))


def router(next_hop: str, src_mask: int, dst_mask: int) -> bytes:
    """Extended router data."""
    return opaque(1002, address(next_hop) + words(src_mask, dst_mask))


def gateway(
    next_hop: str,
    own: int,
    source: int,
    source_peer: int,
    segments: Sequence[tuple[int, Sequence[int]]],
    communities: Sequence[int] = (),
) -> bytes:
    """Extended gateway data; segments are (1 set or 2 sequence, AS numbers)."""
    path = b"".join(words(kind, len(numbers), *numbers) for kind, numbers in segments)
    ases = words(own, source, source_peer, len(segments))
    return opaque(1003, address(next_hop) + ases + path + words(len(communities), *communities) + words(100))


def discarded_sample(*records: bytes, reason: int = 256, drops: int = 0, announced: int | None = None) -> bytes:
    """A discarded packet of source 3, from interface 3."""
    count = len(records) if announced is None else announced
    return opaque(5, words(21, 0, 3, drops, 3, 0, reason, count) + b"".join(records))


def text(value: bytes) -> bytes:
    """A string with its length in front."""
    return words(len(value)) + padded(value)


def counters(*records: bytes, number: int = 5, source: int = 3, expanded: bool = False) -> bytes:
    """A counter sample."""
    if expanded:
        return opaque(4, words(number, 0, source, len(records)) + b"".join(records))
    return opaque(2, words(number, source, len(records)) + b"".join(records))
