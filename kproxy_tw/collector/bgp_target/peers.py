"""Which routers may have a session: the device list, seen from BGP. Pure.

A device peers when its ``device_bgp_type`` is ``device``; ``device_bgp_neighbor_ip`` and ``device_bgp_neighbor_ip6``
name its address, or a whole network of which each address is a router.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import attrs

from kproxy_tw.collector.devices import Device, parse_address

MAX_KEY = 80
"""Bytes of a TCP MD5 key that Linux takes (TCP_MD5SIG_MAXKEYLEN)."""

MAX_ADDRESS = 64
"""Characters of an address, zone included."""

MOST_UNASKED = 4096
"""Peers that an agent is told of unasked; it keeps as many replies."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@attrs.frozen(kw_only=True)
class Peer:
    """A device that peers.

    :ivar network: its address, or the network of its addresses.
    :ivar zone: of a link-local address, where the device list names one.
    :ivar key: its TCP MD5 key; empty for none.
    """

    device_id: int
    company_id: int
    name: str
    site_id: int
    network: Network
    zone: str = ""
    key: bytes = attrs.field(default=b"", repr=False)

    @property
    def is_prefix(self) -> bool:
        """Whether it stands for more than one router."""
        return self.network.num_addresses > 1

    @property
    def address(self) -> str:
        """Its address as text; the network's first when it is a prefix."""
        address = str(self.network.network_address)
        return f"{address}%{self.zone}" if self.zone else address


class PeerList:
    """Peers by address.

    :param devices: the device list; of two that claim the same address in one site the first has it.
    :ivar problems: devices that cannot peer as they are written, one line each.
    """

    def __init__(self, devices: Iterable[Device]) -> None:
        self.problems: list[str] = []
        self._peers: list[Peer] = []
        self._by_network: dict[Network, list[Peer]] = {}
        for device in devices:
            for peer in self._peers_of(device):
                self._peers.append(peer)
                self._by_network.setdefault(peer.network, []).append(peer)
        self._lengths = sorted({(network.version, network.prefixlen) for network in self._by_network}, reverse=True)

    def __len__(self) -> int:
        return len(self._peers)

    def find(self, text: str, site_id: int = 0) -> Peer | None:
        """The peer of a router's address: the longest prefix that holds it.

        :param site_id: look in this site only; 0: in any.
        """
        address = parse_address(text) if len(text) <= MAX_ADDRESS else None
        if address is None:
            return None
        zone = getattr(address, "scope_id", None) or ""
        plain = ip_address(str(address).partition("%")[0])
        for peer in self._holding(plain):
            if peer.zone in ("", zone) and site_id in (0, peer.site_id):
                return peer
        return None

    def worth_telling(self, site_id: int = 0) -> list[Peer]:
        """The peers that an agent should know of before they connect, at most :data:`MOST_UNASKED`.

        Those that have a TCP MD5 key, for it must be set before the router's SYN; and those that are one router, so
        that a thousand of them that come back at the same time need not wait for as many questions.
        """
        ours = [peer for peer in self._peers if site_id in (0, peer.site_id) and (peer.key or not peer.is_prefix)]
        return sorted(ours, key=lambda peer: not peer.key)[:MOST_UNASKED]

    def _holding(self, address: Address) -> Iterator[Peer]:
        for version, length in self._lengths:
            if version == address.version:
                found = self._by_network.get(ip_network((address, length), strict=False), ())
                yield from sorted(found, key=lambda peer: not peer.zone)

    def _peers_of(self, device: Device) -> Iterator[Peer]:
        document = device.document
        if document.get("device_bgp_type") != "device":
            return
        key = str(document.get("device_bgp_password") or "").encode()
        if len(key) > MAX_KEY:
            self.problems.append(f"device {device.name}: device_bgp_password is longer than {MAX_KEY} bytes")
            return
        for field in ("device_bgp_neighbor_ip", "device_bgp_neighbor_ip6"):
            text = document.get(field)
            if not text:
                continue
            place = _place(text)
            if place is None:
                self.problems.append(f"device {device.name}: {field} is no address and no network")
                continue
            yield Peer(
                device_id=device.id,
                company_id=device.company_id,
                name=device.name,
                site_id=_site_of(document.get("site")),
                network=place[0],
                zone=place[1],
                key=key,
            )


def _place(text: object) -> tuple[Network, str] | None:
    """Network and zone of what the device list says."""
    if not isinstance(text, str) or len(text) > MAX_ADDRESS:
        return None
    address = parse_address(text)
    if address is not None:
        zone = getattr(address, "scope_id", None) or ""
        return ip_network(str(address).partition("%")[0]), zone
    try:
        return ip_network(text, strict=False), ""
    except ValueError:
        return None


def _site_of(site: object) -> int:
    value = site.get("id") if isinstance(site, dict) else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
