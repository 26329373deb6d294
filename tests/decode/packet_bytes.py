"""Ethernet frames and IP packets, put together byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

SRC_MAC, DST_MAC = 0x0200_0000_0001, 0x0200_0000_0002


def ethernet(payload: bytes, kind: int, tags: Sequence[tuple[int, int]] = ()) -> bytes:
    """A frame; ``tags`` are (Ethernet type, tag control) from the outside in."""
    addresses = DST_MAC.to_bytes(6, "big") + SRC_MAC.to_bytes(6, "big")
    stacked = b"".join(struct.pack("!HH", *tag) for tag in tags)
    return addresses + stacked + struct.pack("!H", kind) + payload


def ipv4(
    payload: bytes,
    protocol: int,
    *,
    src: str = "192.0.2.1",
    dst: str = "198.51.100.2",
    tos: int = 0,
    options: bytes = b"",
    fragment: int = 0,
) -> bytes:
    """An IPv4 packet; ``fragment`` is the word of flags and offset."""
    words = 5 + len(options) // 4
    size = 4 * words + len(payload)
    start = struct.pack("!BBHHHBBH", 0x40 | words, tos, size, 7, fragment, 64, protocol, 0)
    return start + ip_address(src).packed + ip_address(dst).packed + options + payload


def ipv6(
    payload: bytes, upper: int, *, src: str = "2001:db8::1", dst: str = "2001:db8:1::2", traffic_class: int = 0
) -> bytes:
    """An IPv6 packet; extension headers are part of ``payload``."""
    start = struct.pack("!IHBB", 6 << 28 | traffic_class << 20 | 0xABCDE, len(payload), upper, 64)
    return start + ip_address(src).packed + ip_address(dst).packed + payload


def tcp(src: int, dst: int, flags: int = 0) -> bytes:
    """A TCP header without options."""
    return struct.pack("!HHIIBBHHH", src, dst, 0x01020304, 0x05060708, 0x50, flags, 8192, 0, 0)


def udp(src: int, dst: int, payload: bytes = b"") -> bytes:
    """A UDP header and payload."""
    return struct.pack("!HHHH", src, dst, 8 + len(payload), 0) + payload


def icmp(kind: int, code: int) -> bytes:
    """An ICMP or ICMPv6 message."""
    return struct.pack("!BBHI", kind, code, 0, 0)
