"""What agents say, made harmless: texts, numbers, addresses of every kind. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from kproxy_tw.snmp import ber
from kproxy_tw.web.text import DEVICE_TEXT_LENGTH, safe_text


def text(value: ber.Value) -> str:
    """A text of at most 255 characters, with what acts instead of being seen escaped; empty for anything else."""
    if not isinstance(value, bytes | str):
        return ""
    raw = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    # Many agents fill up with blanks and zeros.
    return safe_text(raw.strip(" \0\r\n\t"))[:DEVICE_TEXT_LENGTH]


def number(value: ber.Value) -> int:
    """A number that is not negative; 0 for anything else."""
    return value if isinstance(value, int) and value > 0 else 0


def mac(value: ber.Value) -> str:
    """``00:11:22:aa:bb:cc``; empty when there is none."""
    if not isinstance(value, bytes) or not 1 <= len(value) <= 20 or not any(value):
        return ""
    return value.hex(":")


def address(octets: Sequence[int]) -> str:
    """An address in its shortest spelling from its 4 or 16 numbers; empty when they are none."""
    if len(octets) not in (4, 16) or any(octet > 255 for octet in octets):
        return ""
    return str(ip_address(bytes(octets)))


def prefix_length(mask: ber.Value) -> int | None:
    """How many bits a netmask like ``255.255.255.0`` has; ``None`` when it is none."""
    try:
        bits = int(ip_address(mask)) if isinstance(mask, str) else -1
    except ValueError:
        return None
    length = bin(bits).count("1") if bits >= 0 else 0
    wanted = (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF
    return length if bits == wanted else None


def identity(kind: ber.Value, value: ber.Value, mac_kind: int, address_kind: int) -> str:
    """A chassis or port id of LLDP: hardware and network addresses are told as such, the rest is text."""
    if kind == mac_kind:
        return mac(value)
    if kind == address_kind and isinstance(value, bytes):
        return address(value[1:]) or text(value)
    return text(value)
