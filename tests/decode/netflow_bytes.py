"""Datagrams of NetFlow v5, v9 and IPFIX, put together byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence

NOW = 1_700_000_000
"""A time in seconds since 1970 for exporters and receivers."""

NOW_NS = NOW * 10**9

Fields = Sequence[tuple[int, ...]]
"""(element, length), or (element, length, enterprise)."""


def v5_record(
    *,
    src: bytes = b"\x0a\0\0\1",
    dst: bytes = b"\x0a\0\0\2",
    next_hop: bytes = b"\x0a\0\0\3",
    ports: tuple[int, int] = (1024, 80),
    interfaces: tuple[int, int] = (1, 2),
    packets: int = 3,
    octets: int = 180,
    first: int = 0,
    last: int = 0,
    flags: int = 0x12,
    protocol: int = 6,
    tos: int = 0,
    systems: tuple[int, int] = (64500, 64501),
    masks: tuple[int, int] = (24, 16),
) -> bytes:
    """One NetFlow v5 record of 48 bytes."""
    return (
        src
        + dst
        + next_hop
        + struct.pack("!HHIIIIHH", *interfaces, packets, octets, first, last, *ports)
        + struct.pack("!BBBBHHBBH", 0, flags, protocol, tos, *systems, *masks, 0)
    )


def v5(
    *records: bytes,
    count: int | None = None,
    uptime: int = 0,
    seconds: int = NOW,
    nanoseconds: int = 0,
    sequence: int = 0,
    engine_type: int = 0,
    engine_id: int = 0,
    sampling: int = 0,
) -> bytes:
    """A NetFlow v5 datagram."""
    told = len(records) if count is None else count
    header = (5, told, uptime, seconds, nanoseconds, sequence, engine_type, engine_id, sampling)
    return struct.pack("!HHIIIIBBH", *header) + b"".join(records)


def v9(*sets: bytes, count: int = 1, uptime: int = 0, seconds: int = NOW, sequence: int = 0, source: int = 1) -> bytes:
    """A NetFlow v9 datagram."""
    return struct.pack("!HHIIII", 9, count, uptime, seconds, sequence, source) + b"".join(sets)


def ipfix(*sets: bytes, length: int | None = None, seconds: int = NOW, sequence: int = 0, domain: int = 1) -> bytes:
    """An IPFIX message."""
    body = b"".join(sets)
    return struct.pack("!HHIII", 10, 16 + len(body) if length is None else length, seconds, sequence, domain) + body


def a_set(set_id: int, *parts: bytes, length: int | None = None) -> bytes:
    """A set of templates or records with its header."""
    body = b"".join(parts)
    return struct.pack("!HH", set_id, 4 + len(body) if length is None else length) + body


def specifiers(fields: Fields) -> bytes:
    """Field specifiers; those with an enterprise get the enterprise bit."""
    return b"".join(
        struct.pack("!HH", *field) if len(field) == 2 else struct.pack("!HHI", field[0] | 0x8000, *field[1:])
        for field in fields
    )


def template(template_id: int, *fields: tuple[int, ...]) -> bytes:
    """A template record."""
    return struct.pack("!HH", template_id, len(fields)) + specifiers(fields)


def v9_options(template_id: int, scopes: Fields, fields: Fields) -> bytes:
    """An options template record of NetFlow v9."""
    head = struct.pack("!HHH", template_id, 4 * len(scopes), 4 * len(fields))
    return head + specifiers([*scopes, *fields])


def ipfix_options(template_id: int, scopes: Fields, fields: Fields) -> bytes:
    """An options template record of IPFIX."""
    head = struct.pack("!HHH", template_id, len(scopes) + len(fields), len(scopes))
    return head + specifiers([*scopes, *fields])


def number(value: int, length: int) -> bytes:
    """A field of ``length`` bytes."""
    return value.to_bytes(length, "big")
