"""Packets in packets: which one is the flow, and what is told of the tunnel."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.packet.link import MAX_LINKS
from kproxy_tw.decode.packet.mpls import MAX_LABELS
from kproxy_tw.decode.packet.parse import ETHERNET, IPV4, MAX_TUNNELS, MPLS, POS, PPP, guess_links, parse_headers
from kproxy_tw.decode.packet.tunnel import MAX_GTP_EXTENSIONS
from kproxy_tw.decode.spans import Spans
from kproxy_tw.flowbatch import FlowBatch
from tests.decode.packet_bytes import DST_MAC, SRC_MAC, ethernet, ipv4, ipv6, tcp, udp
from tests.decode.tunnel_bytes import (
    INNER4,
    INNER6,
    INNER_FRAME,
    INNER_FRAME6,
    LINK_FRAMES,
    NESTED_FRAMES,
    TUNNEL_FRAMES,
    check_sum,
    label_stack,
    outer4,
    vxlan,
)

WANTED = frozenset({"tunneltype", "tunnelid"})
FRAMES = [*LINK_FRAMES.values(), *(frame for frame, _name, _id in TUNNEL_FRAMES.values()), *NESTED_FRAMES.values()]


def parse(*packets: bytes, link: int = ETHERNET, decap: bool = True) -> FlowBatch:
    """Parse packets that stand in a buffer of 0xFF bytes, each 3 bytes behind the one before."""
    lengths = np.array([len(packet) for packet in packets], np.intp)
    starts = np.cumsum(lengths + 3) - lengths
    data = np.frombuffer(b"".join(b"\xff\xff\xff" + packet for packet in packets) + b"\xff" * 3, np.uint8)
    links = np.full(len(packets), link, np.uint32)
    return parse_headers(data, starts, lengths, links, decap=decap, wanted=WANTED)


def fields(batch: FlowBatch, row: int = 0) -> dict[str, object]:
    """The columns of one packet that are not zero."""
    everything = {**batch.columns, **batch.custom}
    values = {
        name: column[row].tobytes() if column.ndim == 2 else column[row].item() for name, column in everything.items()
    }
    return {name: value for name, value in values.items() if value and value != bytes(16)}


@pytest.mark.parametrize("name", TUNNEL_FRAMES)
def test_the_tunnel_is_told(name: str) -> None:
    """Its name and number, whether the inner packet is taken or not."""
    frame, kind, number = TUNNEL_FRAMES[name]
    for decap in (False, True):
        custom = parse(frame, decap=decap).custom
        assert (custom["tunnel_type"].tolist(), custom["tunnel_id"].tolist()) == ([kind.encode()], [number])


def test_nothing_is_told_of_tunnels_when_nobody_asks() -> None:
    """Without decap and without such custom columns tunnels are not even looked for."""
    data = np.frombuffer(TUNNEL_FRAMES["vxlan"][0], np.uint8)
    batch = parse_headers(data, np.array([0]), np.array([len(data)]), np.array([ETHERNET]))
    assert batch.custom == {}


def test_inner_flow_replaces_the_outer_one() -> None:
    """Addresses, protocol, TOS, ports, flags and MACs are the inner frame's; the VLAN stays that of the interface."""
    inner = ethernet(INNER4, 0x0800, tags=[(0x8100, 77)])
    outer = vxlan(b"\x06" + inner[1:], 5)
    frame = ethernet(check_sum(ipv4(outer, 17, src="203.0.113.1", dst="203.0.113.2", tos=0xB8)), 0x0800, [(0x8100, 9)])
    expected = {
        "ipv4_src_addr": int(ip_address("10.1.1.1")),
        "ipv4_dst_addr": int(ip_address("10.2.2.2")),
        "protocol": 6,
        "tos": 0x20,
        "ip_size": 40,
        "l4_src_port": 1111,
        "l4_dst_port": 2222,
        "tcp_flags": 0x18,
        "vlan_in": 9,
        "src_eth_mac": SRC_MAC,
        "dst_eth_mac": DST_MAC + 0x0400_0000_0000,
        "tunnel_type": b"vxlan",
        "tunnel_id": 5,
    }
    assert fields(parse(frame)) == expected


def test_outer_values_do_not_shine_through() -> None:
    """An inner packet of IPv6 has no IPv4 addresses and no TCP flags, whatever was around it."""
    found = fields(parse(outer4(INNER6, 41)))
    assert not {"ipv4_src_addr", "ipv4_dst_addr", "tcp_flags"} & found.keys()
    assert (found["protocol"], found["tos"], found["l4_src_port"]) == (17, 0x48, 3333)


def test_an_inner_frame_without_ip_leaves_the_outer_flow() -> None:
    """ARP in VXLAN is a flow between the tunnel's ends."""
    arp = ethernet(struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + bytes(20), 0x0806)
    found = fields(parse(outer4(vxlan(arp, 5), 17)))
    assert found["ipv4_src_addr"] == int(ip_address("203.0.113.1"))
    assert found["l4_dst_port"] == 4789


def test_tunnels_in_tunnels_are_bounded() -> None:
    """One more than the bound: the flow is the innermost that was reached."""
    packet = INNER4
    for depth in range(MAX_TUNNELS + 1):
        packet = check_sum(ipv4(packet, 4, src=f"192.0.2.{depth + 1}"))
    assert parse(packet, link=IPV4).column("ipv4_src_addr").tolist() == [int(ip_address("192.0.2.1"))]


@pytest.mark.parametrize(
    ("port", "header"),
    [
        (4789, bytes(8)),
        (4790, bytes(8)),
        (6081, b"\xc0" + bytes(7)),
        (6081, struct.pack("!BBHI", 0, 0, 0x1234, 0)),
        (2152, struct.pack("!BBHI", 0x10, 0xFF, 0, 0)),
        (2152, struct.pack("!BBHI", 0x30, 0x01, 0, 0)),
    ],
)
def test_a_header_that_is_no_tunnels_is_none(port: int, header: bytes) -> None:
    """The port alone does not make a tunnel: VNI flag, version, type have to fit."""
    found = fields(parse(outer4(udp(50505, port, header + INNER_FRAME), 17)))
    assert found["ipv4_src_addr"] == int(ip_address("203.0.113.1"))
    assert "tunnel_type" not in found


@pytest.mark.parametrize("flags", [0x0001, 0x0002, 0x4000])
def test_unknown_versions_of_gre_are_not_opened(flags: int) -> None:
    """Version 1 without PPP, version 2, and source routing."""
    found = fields(parse(outer4(struct.pack("!HH", flags, 0x0800) + bytes(8) + INNER4, 47)))
    assert found["protocol"] == 47


def test_later_fragments_of_a_tunnel_are_not_opened() -> None:
    """What they begin with is no header."""
    packet = ipv4(INNER4, 4, fragment=0x00B9, src="203.0.113.1")
    assert parse(packet, link=IPV4).column("ipv4_src_addr").tolist() == [int(ip_address("203.0.113.1"))]


def test_gtp_extension_headers_are_bounded() -> None:
    """A chain that is too long, and one of length 0, are not followed."""
    for count, size, opened in ((MAX_GTP_EXTENSIONS, 1, True), (MAX_GTP_EXTENSIONS + 1, 1, False), (1, 0, False)):
        kinds = [0x85] * (count - 1) + [0]
        chain = b"".join(bytes([size, 0, 0, kind]) for kind in kinds)
        packet = struct.pack("!BBHIHBB", 0x34, 0xFF, 0, 3, 0, 0, 0x85) + chain + INNER4
        found = parse(outer4(udp(2152, 2152, packet), 17)).column("ipv4_src_addr").tolist()
        assert (found == [int(ip_address("10.1.1.1"))]) is opened


# links


@pytest.mark.parametrize("head", [b"\xff\x03\x00\x21", b"\x00\x21", b"\x21", b"\xff\x03\x21"])
@pytest.mark.parametrize("link", [PPP, POS])
def test_ppp_with_and_without_its_options(head: bytes, link: int) -> None:
    """Address and control may be left out, and so may the first byte of the protocol."""
    assert fields(parse(head + INNER4, link=link))["l4_src_port"] == 1111


@pytest.mark.parametrize("head", [b"\x0f\x00\x08\x00", b"\x8f\x00\x08\x00"])
def test_cisco_hdlc(head: bytes) -> None:
    """Its protocol is an Ethernet type."""
    assert fields(parse(head + INNER4, link=POS))["l4_src_port"] == 1111


def test_a_capture_may_begin_with_labels() -> None:
    """Header protocol 13; three labels are kept."""
    found = fields(parse(label_stack([1, 2, 3, 4], INNER4), link=MPLS))
    assert [found[f"mpls_label_{depth}"] for depth in (1, 2, 3)] == [1, 2, 3]
    assert found["l4_src_port"] == 1111


def test_endless_label_stacks_are_given_up() -> None:
    """One more label than the bound; a stack without a bottom."""
    assert "protocol" in fields(parse(label_stack([5] * MAX_LABELS, INNER4), link=MPLS))
    assert "protocol" not in fields(parse(label_stack([5] * (MAX_LABELS + 1), INNER4), link=MPLS))
    assert "protocol" not in fields(parse(struct.pack("!II", 5 << 12, 6 << 12), link=MPLS))


def test_endless_links_are_given_up() -> None:
    """Frame in frame in frame, as often as the bound."""
    packet = INNER4
    for _ in range(MAX_LINKS + 1):
        packet = ethernet(b"\0\0\x12\x34" + ethernet(packet, 0x0800), 0x88E7)[:18] + packet
        packet = ethernet(b"\0\0\x12\x34" + packet, 0x88E7)
    assert "protocol" not in fields(parse(packet))


def test_the_control_channel_of_a_pseudowire_is_no_traffic() -> None:
    """First bits 0001 (RFC 4385): BFD over an associated channel looks like nothing."""
    channel = b"\x10\0\0\x21" + INNER4
    assert "protocol" not in fields(parse(label_stack([16, 20], channel), link=MPLS))


def test_ip_behind_a_control_word() -> None:
    """Known by its check sum."""
    found = fields(parse(label_stack([16], bytes(4) + INNER4), link=MPLS))
    assert found["l4_src_port"] == 1111


def test_an_ipv4_packet_whose_addresses_look_like_ethernet_is_ipv4() -> None:
    """Its source address 8.0.69.1 stands where an Ethernet type and an IPv4 header would; the check sum decides."""
    packet = check_sum(ipv4(tcp(1, 2), 6, src="8.0.69.1"))
    assert fields(parse(label_stack([99], packet), link=MPLS))["l4_dst_port"] == 2
    wrong = packet[:10] + b"\x12\x34" + packet[12:]
    assert "l4_dst_port" not in fields(parse(label_stack([99], wrong), link=MPLS))


def test_the_kind_of_an_inner_header_is_guessed() -> None:
    """An agent tells where the inner header is, not what."""
    packets = [INNER4, INNER6, INNER_FRAME, b"\x45" + INNER_FRAME[1:], b""]
    starts = np.cumsum([len(packet) for packet in packets]) - [len(packet) for packet in packets]
    data = np.frombuffer(b"".join(packets), np.uint8)
    spans = Spans(np.arange(5), starts, starts + [len(packet) for packet in packets])
    assert guess_links(data, spans).tolist() == [IPV4, 12, ETHERNET, ETHERNET, ETHERNET]


# damage


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_each_truncation_gives_whole_fields_or_none(frame: bytes) -> None:
    """At every length, each field is that of some packet in the frame, outer or inner, or not there."""
    outer, inner = fields(parse(frame, decap=False)), fields(parse(frame))
    for length in range(len(frame)):
        found = fields(parse(frame[:length]))
        for name, value in found.items():
            assert value in (outer.get(name), inner.get(name)) or frame in NESTED_FRAMES.values(), (length, name)


@given(st.data())
def test_any_bytes_parse_and_packets_do_not_disturb_each_other(data: st.DataObject) -> None:
    """Frames with bytes that are wrong, in one batch or alone, give the same columns and raise nothing."""
    frames: list[bytes] = []
    for _ in range(data.draw(st.integers(1, 4))):
        damaged = bytearray(data.draw(st.sampled_from(FRAMES)))
        for _ in range(data.draw(st.integers(0, 4))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        frames.append(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    together = parse(*frames)
    for row, frame in enumerate(frames):
        assert fields(together, row) == fields(parse(frame))


@given(st.binary(max_size=160), st.sampled_from([ETHERNET, PPP, IPV4, 12, MPLS, POS]))
def test_any_bytes_parse(packet: bytes, link: int) -> None:
    """Of every link."""
    assert parse(packet, link=link).length == 1


@given(
    st.binary(min_size=4, max_size=60),
    st.sampled_from([4, 17, 41, 47, 97, 137, 143]),
    st.sampled_from([4789, 2152, 6081]),
)
def test_any_bytes_in_a_tunnel_parse(payload: bytes, protocol: int, port: int) -> None:
    """Behind a sound outer header."""
    body = udp(1, port, payload) if protocol == 17 else payload
    for packet in (ipv4(body, protocol), ipv6(body, protocol)):
        assert parse(ethernet(packet, 0x0800 if packet[0] == 0x45 else 0x86DD)).length == 1


def test_inner_tags_do_not_become_the_interfaces() -> None:
    """A tag in a pseudowire or a tunnel is the customer's."""
    assert "vlan_in" not in fields(parse(LINK_FRAMES["eompls tagged"]))
    assert "vlan_in" not in fields(parse(outer4(vxlan(INNER_FRAME6, 5), 17)))
