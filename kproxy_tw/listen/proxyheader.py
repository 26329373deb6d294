"""PROXY protocol headers: what a load balancer writes before the bytes of the peer that it passes on.

Source: "The PROXY protocol", versions 1 and 2 (HAProxy), sections 2.1 and 2.2.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address

import attrs

from kproxy_tw.addresses import plain_address
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""How a header of version 2 begins."""

VERSION_1 = b"PROXY "
"""How one of version 1 begins, which is a line of text."""

LONGEST_LINE = 107
FIXED_LENGTH = 16
LONGEST_REST = 2048
"""Bytes behind the fixed part of version 2: two addresses, and extensions such as a certificate's names."""

VERSION_2 = 0x20
LOCAL, PROXY = 0, 1

FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}
"""The upper half of the byte for family and protocol, to the family and the bytes of an address."""

DATAGRAM = 2
"""The lower half of that byte for UDP."""

MAX_PORT = 65535

Source = tuple[str, int]
"""Address as text, and port."""


@attrs.frozen
class ProxyHeader:
    """A header.

    :ivar length: its bytes.
    :ivar source: whose connection or datagram it is; ``None`` when the balancer speaks for itself, as its checks do.
    """

    length: int
    source: Source | None


def read_header(data: bytes) -> ProxyHeader | None:
    """The header of either version that a stream begins with; ``None`` while more bytes are needed.

    :raises MalformedInput: there is none, or none that can be read.
    """
    if data.startswith(SIGNATURE):
        return _version_2(data)
    if data.startswith(VERSION_1):
        return _version_1(data)
    if SIGNATURE.startswith(data) or VERSION_1.startswith(data):
        return None
    raise MalformedInput(f"{data[:FIXED_LENGTH].hex(' ')} stands where a PROXY protocol header should")


def datagram_header(source: Source, destination: Source) -> bytes:
    """A header of version 2 for a datagram; a destination of the other family stands as zeros."""
    family, size = (2, 16) if ":" in source[0] else (1, 4)
    address = ip_address(source[0].partition("%")[0]).packed
    other = ip_address(destination[0]).packed
    ports = source[1].to_bytes(2, "big") + destination[1].to_bytes(2, "big")
    rest = address + (other if len(other) == size else bytes(size)) + ports
    return SIGNATURE + bytes([VERSION_2 | PROXY, family << 4 | DATAGRAM]) + len(rest).to_bytes(2, "big") + rest


def read_version_2(data: bytes) -> ProxyHeader:
    """The header of a datagram. :raises MalformedInput: there is none of version 2, or it is cut short."""
    header = _version_2(data) if data.startswith(SIGNATURE) else None
    if header is None:
        raise MalformedInput("no PROXY protocol header, or half of one")
    return header


def _version_2(data: bytes) -> ProxyHeader | None:
    reader = Reader(data)
    reader.skip(len(SIGNATURE))
    if len(data) < FIXED_LENGTH:
        return None
    command, family, length = reader.u8(), reader.u8() >> 4, reader.u16()
    if length > LONGEST_REST:
        raise MalformedInput(f"a PROXY protocol header of {length} bytes")
    if len(data) < FIXED_LENGTH + length:
        return None
    if command == VERSION_2 | LOCAL:
        return ProxyHeader(FIXED_LENGTH + length, None)
    if command != VERSION_2 | PROXY or family not in FAMILIES:
        raise MalformedInput(f"a PROXY protocol header with command {command:#x} and address family {family}")
    kind, size = FAMILIES[family]
    rest = reader.part(length)
    source = plain_address(socket.inet_ntop(kind, rest.take(size)))
    rest.skip(size)
    return ProxyHeader(FIXED_LENGTH + length, (source, rest.u16()))


def _version_1(data: bytes) -> ProxyHeader | None:
    line, end, _rest = data[:LONGEST_LINE].partition(b"\r\n")
    if not end:
        if len(data) < LONGEST_LINE:
            return None
        raise MalformedInput("a PROXY protocol line without an end")
    words = line.decode("ascii", "replace").split(" ")
    length = len(line) + len(end)
    if words[1] == "UNKNOWN":
        return ProxyHeader(length, None)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise MalformedInput(f"a PROXY protocol line that cannot be read: {line[:LONGEST_LINE]!r}")
    port = words[4]
    if not (port.isascii() and port.isdecimal() and int(port) <= MAX_PORT):
        raise MalformedInput(f"a PROXY protocol line with port {port!r}")
    return ProxyHeader(length, (plain_address(words[2]), int(port)))
