"""What the capturing child tells its parent: records of one fixed size, so that a bad one cannot make it read more.

A record is smaller than ``PIPE_BUF``: the kernel writes it whole or not at all.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import attrs

from kproxy_tw.bgp.md5.syn import DIGEST_BYTES, HEADER_BYTES, Syn
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Buffer, Reader

RECORD_BYTES = 80

READY, SYN, COUNTS, PROBLEM = 1, 2, 3, 4
SIGNED, AUTHENTICATION = 1, 2

COUNT_BYTES = 8
ADDRESS_BYTES = 16

SYN_LAYOUT = f"!BBBIH16s16s{HEADER_BYTES}s{DIGEST_BYTES}s"
"""Kind, IP version, flags, interface, segment length, source, destination, TCP header, digest."""


@attrs.frozen
class Ready:
    """The socket is open, the filter in force, all privileges given up."""


@attrs.frozen(kw_only=True)
class Counts:
    """Since the child's start.

    :ivar syns: SYNs handed to the parent.
    :ivar shed: SYNs left out because too many came.
    :ivar malformed: packets that are no whole SYN.
    :ivar kernel_drops: packets that the kernel had no room for.
    """

    syns: int = 0
    shed: int = 0
    malformed: int = 0
    kernel_drops: int = 0


@attrs.frozen
class Problem:
    """The child cannot go on and ends. ``error``: an ``errno`` value."""

    error: int


Record = Ready | Syn | Counts | Problem


def encode(record: Record) -> bytes:
    """The record as it goes through the pipe."""
    if isinstance(record, Syn):
        body = _syn_body(record)
    elif isinstance(record, Counts):
        body = struct.pack("!B4Q", COUNTS, *attrs.astuple(record))
    elif isinstance(record, Problem):
        body = struct.pack("!BI", PROBLEM, record.error)
    else:
        body = bytes([READY])
    return body.ljust(RECORD_BYTES, b"\0")


def decode(data: Buffer) -> Record:
    """Read one record. :raises MalformedInput: it is none; the child is broken or not ours."""
    reader = Reader(data)
    kind = reader.u8()
    if kind == SYN:
        return _syn(reader)
    if kind == COUNTS:
        syns, shed, malformed, drops = (reader.u64() for _ in range(4))
        return Counts(syns=syns, shed=shed, malformed=malformed, kernel_drops=drops)
    if kind == PROBLEM:
        return Problem(reader.u32())
    if kind == READY:
        return Ready()
    raise MalformedInput(f"record of kind {kind}")


def _syn_body(syn: Syn) -> bytes:
    flags = (SIGNED if syn.digest else 0) | (AUTHENTICATION if syn.authentication_option else 0)
    return struct.pack(
        SYN_LAYOUT,
        SYN,
        syn.source.version,
        flags,
        syn.interface,
        syn.length,
        syn.source.packed,
        syn.destination.packed,
        syn.header,
        syn.digest,
    )


def _syn(reader: Reader) -> Syn:
    version, flags, interface, length = reader.u8(), reader.u8(), reader.u32(), reader.u16()
    source, destination = reader.take(ADDRESS_BYTES), reader.take(ADDRESS_BYTES)
    header, digest = reader.take(HEADER_BYTES), reader.take(DIGEST_BYTES)
    if version not in (4, 6):
        raise MalformedInput(f"SYN of IP version {version}")
    return Syn(
        source=IPv4Address(source[:4]) if version == 4 else IPv6Address(source),
        destination=IPv4Address(destination[:4]) if version == 4 else IPv6Address(destination),
        interface=interface,
        header=header,
        length=length,
        digest=digest if flags & SIGNED else b"",
        authentication_option=bool(flags & AUTHENTICATION),
    )


class RecordStream:
    """Cuts what comes out of a pipe into records; holds less than one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Record]:
        """The records that are complete now. :raises MalformedInput: one of them is none."""
        data = self._rest + data
        whole = len(data) - len(data) % RECORD_BYTES
        self._rest = data[whole:]
        return [decode(data[start : start + RECORD_BYTES]) for start in range(0, whole, RECORD_BYTES)]
