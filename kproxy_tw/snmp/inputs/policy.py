"""Where SNMP may go: the local policy that no setting of the backend can talk us out of.

A device's address comes from the API. Whoever can write there must not be able to point kproxy, and a community with
it, at this machine, at its link, or at the service that hands out a cloud machine's credentials.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp.settings import DEFAULT_PORT

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_PORT = 65535
MAX_TEXT = 128
MAX_ALLOWED = 4096
"""Prefixes in ``-snmp_allow``."""

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ),
    )
)
"""Where clouds hand out a machine's credentials: AWS, Azure, Google, Alibaba, Oracle, ..."""

NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 inside IPv6 (RFC 6052 section 2.1)."""


def endpoint(text: str) -> tuple[str, int]:
    """``address`` or ``address:port``; an IPv6 address in brackets where a port follows.

    :raises MalformedInput: it is not that; names are not looked up, since whoever answers for them could change them.
    """
    text = text.strip()
    if not 0 < len(text) <= MAX_TEXT:
        raise MalformedInput("is no address" if text else "is empty")
    host, port = text, str(DEFAULT_PORT)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise MalformedInput("is no address: [IPv6]:port is expected")
        port = rest[1:] if rest else port
    elif text.count(":") == 1:
        host, _colon, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= MAX_PORT):
        raise MalformedInput(f"has no port from 1 to {MAX_PORT} behind its address")
    try:
        return str(_plain(ip_address(host))), int(port)
    except ValueError:
        raise MalformedInput("is no IP address; names are not looked up") from None


def allowed(text: str) -> tuple[Network, ...]:
    """Addresses and prefixes, separated by commas. :raises MalformedInput: one of them is neither."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MAX_ALLOWED:
        raise MalformedInput(f"has {len(parts)} prefixes, at most {MAX_ALLOWED} are taken")
    found = []
    for part in parts:
        try:
            found.append(ip_network(part, strict=False))
        except ValueError:
            raise MalformedInput(f"{part[:MAX_TEXT]!r} is no address and no prefix") from None
    return tuple(found)


@attrs.frozen
class TargetPolicy:
    """Refuses addresses that are no router's.

    :ivar allow: exceptions, told by the operator of this machine.
    """

    allow: tuple[Network, ...] = ()

    def refusal(self, address: str) -> str:
        """Why ``address``, as :func:`endpoint` gives it, must not be polled; empty when it may be."""
        found = ip_address(address)
        if _within(found, self.allow):
            return ""
        reason = next((why for one in _forms(found) if (why := _why_not(one))), "")
        return f"{address} is {reason}; -snmp_allow={address} would let it pass" if reason else ""


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _forms(address: Address) -> Iterable[Address]:
    """The address, and the IPv4 address inside of it."""
    yield address
    if isinstance(address, IPv6Address):
        if address in NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour is not None:
            yield address.sixtofour


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _why_not(address: Address) -> str:
    if address in METADATA:
        return "where a cloud hands out this machine's credentials"
    if address.is_loopback or address.is_unspecified:
        return "this machine itself"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        return "the address of many"
    return ""
