"""SYNs for tests: two that a Linux kernel signed with a known key, and packets with a fault each."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from kproxy_tw.bgp.md5.syn import Syn, parse_syn

KEY = b"correct horse"

SIGNED_IPV4 = bytes.fromhex(
    "450000481dbd400040061ee97f0000097f000001b71145ec9ba2255400000000d002ffd7fe440000"
    "0101131220081d7a0ef8b7abaef98f43450a0d780204ffd7010104020103030a"
)
"""127.0.0.9:46865 to 127.0.0.1:17900, TCP-MD5 with ``KEY``, as Linux 6.18 put it on the wire."""

SIGNED_IPV6 = bytes.fromhex(
    "600d3d1c003406400000000000000000000000000000000100000000000000000000000000000001a91f45ec1c3c621900000000"
    "d002ffc4003c000001011312853e2aadc026cc492f29682171110d4f0204ffc4010104020103030a"
)
"""[::1]:43295 to [::1]:17900, the same way."""


def packet(source: str, options: bytes = b"", *, flags: int = 0x02, port: int = 179) -> bytes:
    """An IPv4 packet with a SYN (RFC 791, RFC 9293), checksums left at zero."""
    options = options.ljust(-(-len(options) // 4) * 4, b"\0")
    size = 20 + len(options)
    tcp = struct.pack("!HHIIBBHHH", 40000, port, 7, 0, size // 4 << 4, flags, 65535, 0, 0) + options
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 1, 0, 64, 6, 0)
    return ip + ip_address(source).packed + ip_address("192.0.2.1").packed + tcp


def unsigned(source: str) -> Syn:
    """A SYN without signature."""
    return parse_syn(packet(source))


def signed(source: str, key: bytes) -> Syn:
    """A SYN with the signature of ``key``, made as RFC 2385 section 2.0 says, by hand."""
    from hashlib import md5

    bare = packet(source, b"\x13\x12" + bytes(16))
    tcp = bytearray(bare[20:40])
    pseudo = bare[12:20] + bytes([0, 6]) + struct.pack("!H", len(bare) - 20)
    digest = md5(pseudo + tcp + key, usedforsecurity=False).digest()
    return parse_syn(packet(source, b"\x13\x12" + digest))
