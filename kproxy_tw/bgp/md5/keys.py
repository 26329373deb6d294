"""Which key stands for which address or prefix."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import attrs

from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.md5.sockopt import Network
from kproxy_tw.bgp.md5.syn import Address
from kproxy_tw.errors import MalformedInput

MOST_KEYS = 4096
"""Keys held at once; four times what kbgp is made for."""

PREFIX_METADATA = "tcp-md5-prefix"
"""In a reply's metadata: the prefix in whose whole the key is valid, in CIDR form."""


@attrs.define(kw_only=True)
class HeldKey:
    """A key on the listeners. ``used``: when a router last connected with it, or when it was set."""

    network: Network
    key: bytes = attrs.field(repr=False)
    used: float


def host(address: Address) -> Network:
    """The prefix that holds this address only."""
    return ip_network(address)


def shown(network: Network) -> str:
    """A prefix as people write it: a single address without its length."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def plain_address(text: str) -> Address:
    """An address as the session table has it, without its zone: the kernel's keys know none.

    :raises MalformedInput: it is no address.
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        raise MalformedInput(f"{text[:64]!r} is no address") from None
    return getattr(address, "ipv4_mapped", None) or address


def network_of(parameters: Parameters) -> Network:
    """Where the key of a reply is valid: its address, or the prefix that its metadata name.

    :raises MalformedInput: neither can be read, or the prefix does not hold the address.
    """
    address = plain_address(parameters.device_ip)
    named = parameters.metadata.get(PREFIX_METADATA, ())
    if not named:
        return host(address)
    try:
        # Masked: the kernel never finds a prefix whose host bits are set.
        network = ip_network(named[0], strict=False)
    except ValueError:
        raise MalformedInput(f"{PREFIX_METADATA} {named[0][:64]!r} is no prefix") from None
    if address not in network:
        raise MalformedInput(f"{PREFIX_METADATA} {network} does not hold {address}")
    return network


class KeyTable:
    """Keys by prefix; the longest one that holds an address is the address's, as in the kernel."""

    def __init__(self) -> None:
        self._keys: dict[Network, HeldKey] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def full(self) -> bool:
        """One more would be too many."""
        return len(self._keys) >= MOST_KEYS

    def networks(self) -> tuple[Network, ...]:
        """Whose keys there are."""
        return tuple(self._keys)

    def get(self, network: Network) -> HeldKey | None:
        """The key of exactly this prefix."""
        return self._keys.get(network)

    def find(self, address: Address) -> HeldKey | None:
        """The key that the kernel uses for this address."""
        lengths = sorted({network.prefixlen for network in self._keys if network.version == address.version})
        for length in reversed(lengths):
            held = self._keys.get(ip_network((address, length), strict=False))
            if held is not None:
                return held
        return None

    def put(self, network: Network, key: bytes, now: float) -> None:
        """Set or replace a key."""
        self._keys[network] = HeldKey(network=network, key=key, used=now)

    def discard(self, network: Network) -> None:
        """Forget a key, if there is one."""
        self._keys.pop(network, None)

    def least_used(self, before: float) -> HeldKey | None:
        """The key that was unused for longest, when that was ``before``."""
        oldest = min(self._keys.values(), key=lambda held: held.used, default=None)
        return oldest if oldest is not None and oldest.used < before else None
