"""UDP datagrams in captured packets: Ethernet, Linux cooked, raw IP and loopback frames, VLAN tags, IPv4 and IPv6."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import attrs

from kproxy_tw.capture.packets import Packet

NULL, ETHERNET, LOOP, SLL, SLL2 = 0, 1, 108, 113, 276
RAW = frozenset({12, 14, 101, 228, 229})
"""Link types."""

TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
IPV4, IPV6 = 0x0800, 0x86DD
UDP, TCP = 17, 6
EXTENSIONS = frozenset({0, 43, 60})
"""IPv6 headers that may stand before UDP: hop-by-hop, routing, destination options."""

FRAGMENT = 44
MAX_LAYERS = 8


@attrs.frozen(slots=True)
class Datagram:
    """One UDP datagram. Times in nanoseconds since 1970."""

    time_ns: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes


def datagram(packet: Packet) -> Datagram | str:
    """The UDP datagram in a packet, or why there is none, in a few words that can be counted."""
    if packet.link in RAW:
        return _network(packet, packet.data)
    if packet.link in (NULL, LOOP):
        return _network(packet, packet.data[4:])
    if packet.link in (ETHERNET, SLL, SLL2):
        return _tagged(packet)
    return f"link type {packet.link} is not read"


def _tagged(packet: Packet) -> Datagram | str:
    data = packet.data
    kind_at, place = {ETHERNET: (12, 14), SLL: (14, 16), SLL2: (0, 20)}[packet.link]
    kind = int.from_bytes(data[kind_at : kind_at + 2], "big")
    for _tag in range(MAX_LAYERS):
        if kind not in TAGS:
            break
        kind, place = int.from_bytes(data[place + 2 : place + 4], "big"), place + 4
    return _network(packet, data[place:]) if kind in (IPV4, IPV6) else "not IP"


def _network(packet: Packet, data: bytes) -> Datagram | str:
    version = data[0] >> 4 if data else 0
    if version == 4:
        return _ipv4(packet, data)
    return _ipv6(packet, data) if version == 6 else "not IP"


def _ipv4(packet: Packet, data: bytes) -> Datagram | str:
    head = (data[0] & 0x0F) * 4
    if head < 20 or len(data) < head:
        return "cut off in the IP header"
    if int.from_bytes(data[6:8], "big") & 0x3FFF:
        return "IP fragment: not put together"
    source, destination = str(IPv4Address(data[12:16])), str(IPv4Address(data[16:20]))
    return _transport(packet, data[9], source, destination, data[head : int.from_bytes(data[2:4], "big") or None])


def _ipv6(packet: Packet, data: bytes) -> Datagram | str:
    if len(data) < 40:
        return "cut off in the IP header"
    source, destination = str(IPv6Address(data[8:24])), str(IPv6Address(data[24:40]))
    following, rest = data[6], data[40 : 40 + int.from_bytes(data[4:6], "big")]
    for _header in range(MAX_LAYERS):
        if following == FRAGMENT:
            return "IP fragment: not put together"
        if following not in EXTENSIONS or len(rest) < 8:
            break
        following, rest = rest[0], rest[8 + 8 * rest[1] :]
    return _transport(packet, following, source, destination, rest)


def _transport(packet: Packet, protocol: int, source: str, destination: str, data: bytes) -> Datagram | str:
    if protocol != UDP:
        return "TCP: not put together" if protocol == TCP else "not UDP"
    size = int.from_bytes(data[4:6], "big")
    if len(data) < 8 or size < 8 or size > len(data):
        return "cut off: captured with too small a snapshot length"
    ports = int.from_bytes(data[0:2], "big"), int.from_bytes(data[2:4], "big")
    return Datagram(packet.time_ns, source, ports[0], destination, ports[1], data[8:size])
