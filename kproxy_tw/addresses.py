"""How IP addresses are written: one form for each, and networks of them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from kproxy_tw.errors import ConfigError, MalformedInput

Network = IPv4Network | IPv6Network


def plain_address(host: str) -> str:
    """Write an address in its shortest form; ``::ffff:192.0.2.1`` is 192.0.2.1, a link-local one keeps its zone.

    :raises MalformedInput: it is no address.
    """
    try:
        address = ip_address(host)
    except ValueError:
        raise MalformedInput(f"{host[:60]!r} is no IP address") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def configured_networks(flag: str, text: str | None) -> tuple[Network, ...]:
    """The networks that a flag names. :raises ConfigError: one of them is none."""
    try:
        return networks(text or "")
    except ValueError as problem:
        raise ConfigError(flag, f"must look like 192.0.2.0/24,2001:db8::/32: {problem}") from None


def networks(text: str) -> tuple[Network, ...]:
    """Read ``10.0.0.0/8,2001:db8::/32``; a single address is a network of one.

    :raises ValueError: one of them is no network.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def within(host: str, ranges: Sequence[Network]) -> bool:
    """Whether an address, as :func:`plain_address` writes it, is in one of the networks."""
    address = ip_address(host.partition("%")[0])
    return any(address in network for network in ranges)
