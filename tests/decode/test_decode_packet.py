"""Packet headers in columns."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.packet.ip import MAX_EXTENSIONS
from kproxy_tw.decode.packet.link import MAX_TAGS
from kproxy_tw.decode.packet.parse import ETHERNET, IPV4, IPV6, parse_headers
from kproxy_tw.flowbatch import FlowBatch
from tests.decode.packet_bytes import DST_MAC, SRC_MAC, ethernet, icmp, ipv4, ipv6, tcp, udp

LINKS = (ETHERNET, IPV4, IPV6)


def parse(packets: Sequence[bytes], links: Sequence[int]) -> FlowBatch:
    """Parse packets that stand in a buffer of 0xFF bytes, each 3 bytes behind the one before."""
    gap = b"\xff" * 3
    lengths = np.array([len(packet) for packet in packets], np.intp)
    starts = np.cumsum(lengths + len(gap)) - lengths
    data = np.frombuffer(b"".join(gap + packet for packet in packets) + gap, np.uint8)
    return parse_headers(data, starts, lengths, np.array(links, np.uint32))


def one(packet: bytes, link: int = ETHERNET) -> dict[str, int | bytes]:
    """The columns of a single packet that are not zero."""
    columns = parse([packet], [link]).columns
    values = {name: column[0].tobytes() if column.ndim == 2 else int(column[0]) for name, column in columns.items()}
    return {name: value for name, value in values.items() if value and value != bytes(16)}


def number(address: str) -> int:
    """The address as a number."""
    return int(ip_address(address))


MACS = {"src_eth_mac": SRC_MAC, "dst_eth_mac": DST_MAC}
FLOW4 = {"ipv4_src_addr": number("192.0.2.1"), "ipv4_dst_addr": number("198.51.100.2")}
FLOW6 = {
    "ipv6_src_addr": ip_address("2001:db8::1").packed,
    "ipv6_dst_addr": ip_address("2001:db8:1::2").packed,
}


def test_tcp_in_ipv4_in_ethernet() -> None:
    """Every field of the three headers stands in its column."""
    packet = ethernet(ipv4(tcp(50000, 443, 0x12), 6, tos=0xB8), 0x0800)
    ports = {"protocol": 6, "l4_src_port": 50000, "l4_dst_port": 443, "tcp_flags": 0x12}
    assert one(packet) == MACS | FLOW4 | ports | {"tos": 0xB8, "ip_size": 40}


def test_udp_in_ipv6_without_a_link_header() -> None:
    """Header protocol 12 begins with IPv6 itself; the traffic class is the TOS."""
    packet = ipv6(udp(5353, 53, b"xyz"), 17, traffic_class=0xB8)
    ports = {"protocol": 17, "l4_src_port": 5353, "l4_dst_port": 53}
    assert one(packet, IPV6) == FLOW6 | ports | {"tos": 0xB8, "ip_size": 40 + 8 + 3}


@pytest.mark.parametrize("kind", [0x8100, 0x88A8, 0x9100])
def test_outer_vlan_tag_is_the_vlan(kind: int) -> None:
    """Of two tags the outer one is taken, without its priority bits, and the packet inside is read."""
    packet = ethernet(ipv4(udp(1, 2), 17), 0x0800, tags=[(kind, 0xE000 | 100), (0x8100, 200)])
    found = one(packet)
    assert found["vlan_in"] == 100
    assert found["l4_dst_port"] == 2


def test_more_vlan_tags_than_the_bound_end_the_parse() -> None:
    """The fifth tag is not looked behind."""
    packet = ethernet(ipv4(udp(1, 2), 17), 0x0800, tags=[(0x8100, 1 + depth) for depth in range(MAX_TAGS + 1)])
    assert one(packet) == MACS | {"vlan_in": 1}


def test_ipv4_options_are_stepped_over() -> None:
    """The ports stand behind the options."""
    found = one(ipv4(udp(7, 9), 17, options=bytes([1] * 12)), IPV4)
    assert (found["l4_src_port"], found["l4_dst_port"]) == (7, 9)


@pytest.mark.parametrize(("link", "protocol", "wrap"), [(IPV4, 1, ipv4), (IPV6, 58, ipv6)])
def test_icmp_type_and_code_are_the_destination_port(link: int, protocol: int, wrap: object) -> None:
    """Type 3, code 4 becomes 772, as in NetFlow."""
    assert callable(wrap)
    found = one(wrap(icmp(3, 4), protocol), link)
    assert (found["protocol"], found["l4_dst_port"]) == (protocol, 3 * 256 + 4)


def test_first_fragment_has_ports_and_later_ones_do_not() -> None:
    """The later fragment's first bytes are data, whatever they look like."""
    first, later = (ipv4(tcp(1, 2, 3), 6, fragment=word) for word in (0x2000, 0x2001))
    batch = parse([first, later], [IPV4, IPV4])
    assert batch.column("l4_src_port").tolist() == [1, 0]
    assert batch.column("tcp_flags").tolist() == [3, 0]
    assert batch.column("protocol").tolist() == [6, 6]


def extension(upper: int, size: int) -> bytes:
    """An IPv6 extension header of ``8 + 8 * size`` bytes."""
    return bytes([upper, size]) + bytes(6 + 8 * size)


def test_ipv6_extension_headers_are_stepped_over() -> None:
    """Hop by hop, routing, destination options, first fragment and authentication each count in their own units."""
    authentication = bytes([6, 4]) + bytes(22)
    fragment = struct.pack("!BBHI", 51, 0, 1, 0)
    chain = extension(43, 0) + extension(60, 2) + extension(44, 1) + fragment + authentication
    found = one(ipv6(chain + tcp(1000, 2000, 0x10), 0), IPV6)
    assert (found["protocol"], found["l4_src_port"], found["l4_dst_port"]) == (6, 1000, 2000)


def test_later_ipv6_fragment_has_a_protocol_but_no_ports() -> None:
    """Its fragment header names the protocol; offset 8 says that no header follows."""
    found = one(ipv6(struct.pack("!BBHI", 17, 0, 8, 0) + udp(1, 2), 44), IPV6)
    assert found["protocol"] == 17
    assert "l4_src_port" not in found


def test_endless_ipv6_extension_chain_is_given_up() -> None:
    """One more extension header than the bound: no protocol, no ports."""
    found = one(ipv6(extension(60, 0) * MAX_EXTENSIONS + extension(6, 0) + tcp(1, 2), 60), IPV6)
    assert not {"protocol", "l4_src_port"} & found.keys()


@pytest.mark.parametrize(
    "packet",
    [
        ipv4(udp(1, 2), 17)[:19],
        b"\x65" + ipv4(udp(1, 2), 17)[1:],
        b"\x44" + ipv4(udp(1, 2), 17)[1:],
    ],
    ids=["cut", "version 6", "header of 16 bytes"],
)
def test_what_is_no_ipv4_header_leaves_zeros(packet: bytes) -> None:
    """A header that cannot be one tells nothing."""
    assert one(packet, IPV4) == {}


def test_unknown_links_leave_zeros() -> None:
    """Token ring (3) is not parsed, whatever its bytes look like; nor is a number beyond all."""
    for link in (3, 0xFFFFFFFF):
        assert one(ipv4(udp(1, 2), 17), link) == {}


FULL = [
    (ethernet(ipv4(tcp(1, 2, 3), 6, options=bytes(4)), 0x0800, tags=[(0x8100, 5)]), ETHERNET),
    (ethernet(ipv6(extension(17, 1) + udp(1, 2), 0), 0x86DD), ETHERNET),
    (ipv6(icmp(128, 1), 58), IPV6),
]


@pytest.mark.parametrize(("packet", "link"), FULL)
def test_each_truncation_gives_whole_fields_or_none(packet: bytes, link: int) -> None:
    """At every length, a field is either the full packet's or zero: nothing behind the end is read."""
    full = one(packet, link)
    for length in range(len(packet)):
        found = one(packet[:length], link)
        assert found.items() <= full.items(), length


@given(st.lists(st.tuples(st.binary(max_size=120), st.sampled_from(LINKS)), max_size=6), st.data())
def test_any_bytes_parse_and_packets_do_not_disturb_each_other(
    packets: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    """Alone or among others, with damage or without, a packet gives the same columns."""
    good, link = data.draw(st.sampled_from(FULL))
    position = data.draw(st.integers(0, len(good) - 1))
    damaged = good[:position] + data.draw(st.binary(min_size=1, max_size=4)) + good[position + 1 :]
    packets = [*packets, (damaged, link), (good, link)]
    batch = parse([packet for packet, _ in packets], [link for _, link in packets])
    for index, (packet, kind) in enumerate(packets):
        alone = parse([packet], [kind])
        for name in batch.columns.keys() | alone.columns.keys():
            assert np.array_equal(batch.column(name)[index], alone.column(name)[0]), name
