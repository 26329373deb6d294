"""The signature that a SYN must carry under a key (RFC 2385 section 2.0)."""

from __future__ import annotations

import hashlib
import hmac
import struct
from ipaddress import IPv4Address

from kproxy_tw.bgp.md5.syn import PROTOCOL_TCP, Syn

CHECKSUM = slice(16, 18)
"""Where the checksum stands in the TCP header; it counts as zero."""


def syn_digest(syn: Syn, key: bytes) -> bytes:
    """MD5 over pseudo-header, TCP header without options and with checksum zero, and key."""
    header = bytearray(syn.header)
    header[CHECKSUM] = b"\0\0"
    # RFC 2385 prescribes this algorithm; nothing here chooses it.
    return hashlib.md5(_pseudo_header(syn) + header + key, usedforsecurity=False).digest()


def proves(syn: Syn, key: bytes) -> bool:
    """Whether the SYN is signed with ``key``."""
    return hmac.compare_digest(syn_digest(syn, key), syn.digest)


def _pseudo_header(syn: Syn) -> bytes:
    # RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6.
    layout = "!BBH" if isinstance(syn.source, IPv4Address) else "!IxxxB"
    numbers = (0, PROTOCOL_TCP, syn.length) if layout == "!BBH" else (syn.length, PROTOCOL_TCP)
    return syn.source.packed + syn.destination.packed + struct.pack(layout, *numbers)
