"""Records that hold a packet: frames and IP packets go through the packet parser."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest

from kproxy_tw.decode import ipfix
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.flowbatch import FlowBatch
from tests.decode.netflow_bytes import NOW_NS, a_set, number, template
from tests.decode.netflow_bytes import ipfix as message

IP4 = bytes.fromhex("45b800640000400040060000") + bytes([10, 0, 0, 1, 192, 0, 2, 2])
TCP = bytes.fromhex("0400005000000000000000005012000000000000")
IP6 = bytes.fromhex("6000000000143a40") + bytes(15) + b"\1" + bytes(15) + b"\2"
PING6 = bytes.fromhex("80000000")
ETHERNET = bytes.fromhex("020000000002020000000001")

FRAME = ETHERNET + b"\x81\x00\x00\x64\x08\x00" + IP4 + TCP

SOURCE, DESTINATION = int(ipaddress.ip_address("10.0.0.1")), int(ipaddress.ip_address("192.0.2.2"))


def decoded(
    fields: Sequence[tuple[int, ...]], *records: list[bytes], wanted: frozenset[str] = frozenset(), decap: bool = False
) -> FlowBatch:
    """The flows of records in these fields; those of variable length get their length byte."""
    body = [
        number(len(value), 1) + value if length == 65535 else value
        for record in records
        for (_, length, *_), value in zip(fields, record, strict=True)
    ]
    data = message(a_set(2, template(256, *fields)), a_set(256, *body))
    (found,) = ipfix.walk(data, TemplateCache(decap=decap), NOW_NS).sets
    return found.layout.columns([found], None, wanted)


def flow(batch: FlowBatch, *names: str) -> list[int]:
    """Columns of the first flow."""
    return [int(batch.column(name)[0]) for name in names]


@pytest.mark.parametrize("length", [len(FRAME), 65535])
@pytest.mark.parametrize("element", [315, 104])
def test_frames(element: int, length: int) -> None:
    """A frame of fixed or variable length gives addresses, ports, flags, VLAN; it is one packet of its IP length."""
    batch = decoded([(10, 4), (element, length)], [number(7, 4), FRAME])
    keys = "ipv4_src_addr", "ipv4_dst_addr", "l4_src_port", "l4_dst_port", "protocol", "tcp_flags", "tos"
    assert flow(batch, *keys) == [SOURCE, DESTINATION, 1024, 80, 6, 0x12, 0xB8]
    names = "vlan_in", "src_eth_mac", "dst_eth_mac", "input_port", "in_bytes", "in_pkts"
    assert flow(batch, *names) == [100, 0x020000000001, 0x020000000002, 7, 100, 1]


def test_ip_packets() -> None:
    """The version in the packet tells IPv4 from IPv6, record by record."""
    batch = decoded([(313, 65535)], [IP4 + TCP], [IP6 + PING6], [b""], [b"\xff"])
    assert batch.column("protocol").tolist() == [6, 58, 0, 0]
    assert batch.column("ipv6_dst_addr")[1].tobytes() == IP6[-16:]
    assert batch.column("l4_dst_port").tolist() == [80, 0x8000, 0, 0]
    assert batch.column("in_bytes").tolist() == [100, 60, 0, 1]


@pytest.mark.parametrize(("decap", "protocol"), [(False, 4), (True, 6)])
def test_packets_in_tunnels(decap: bool, protocol: int) -> None:
    """The outer packet is the flow; with ``-decap`` the inner one."""
    outer = bytes.fromhex("4500007800004000400400000a0a0a0a0b0b0b0b")
    batch = decoded([(313, 65535)], [outer + IP4 + TCP], decap=decap)
    assert flow(batch, "protocol", "ipv4_src_addr") == [protocol, SOURCE if decap else 0x0A0A0A0A]


def test_what_the_record_tells_comes_first() -> None:
    """Elements beside the packet win over what stands in it; the packet fills what they leave open."""
    fields = [(8, 4), (1, 4), (2, 4), (58, 2), (315, 65535)]
    values = [number(9, 4), number(5000, 4), number(4, 4), number(0, 2), FRAME]
    batch = decoded(fields, values)
    names = "ipv4_src_addr", "ipv4_dst_addr", "in_bytes", "in_pkts", "vlan_in"
    assert flow(batch, *names) == [9, DESTINATION, 5000, 4, 100]


def test_sizes() -> None:
    """A frame that is no IP counts with the length that the exporter tells, else with what was captured."""
    arp = ETHERNET + b"\x08\x06" + bytes(28)
    assert flow(decoded([(312, 2), (315, 65535)], [number(64, 2), arp]), "in_bytes", "in_pkts") == [64, 1]
    assert flow(decoded([(315, 65535)], [arp]), "in_bytes", "in_pkts") == [42, 1]


def test_wireless_frames_are_left_alone() -> None:
    """dataLinkFrameType 2 is IEEE 802.11, which is not Ethernet."""
    batch = decoded([(408, 2), (315, 65535)], [number(2, 2), FRAME], [number(1, 2), FRAME])
    assert batch.column("protocol").tolist() == [0, 6]


def test_labels_of_the_packet_are_custom_columns() -> None:
    """MPLS labels in the frame fill the device's columns like those in elements."""
    frame = ETHERNET + b"\x88\x47" + number(1234 << 12 | 0x140, 4) + IP4 + TCP
    batch = decoded([(315, 65535)], [frame], wanted=frozenset({"mplslabel1"}))
    assert flow(batch, "ipv4_src_addr") == [SOURCE]
    assert batch.custom["mpls_label_1"].tolist() == [1234]


def test_inline_monitoring() -> None:
    """Junos: common properties of several kinds beside the frame; property 2 says that the packet was dropped."""
    fields = [(10, 4), (312, 2), (137, 2, 2636), (137, 2, 2636), (137, 4, 2636), (315, 65535)]
    class_and_priority, exception, interface = b"\x04\x03", b"\x08\x42", b"\x18\x00\x00\x07"
    values = [number(7, 4), number(118, 2), class_and_priority, exception, interface, FRAME]
    batch = decoded(fields, values, wanted=frozenset({"forwardingstatus"}))
    assert flow(batch, "ipv4_src_addr", "input_port", "in_bytes") == [SOURCE, 7, 100]
    assert batch.custom["forwardingstatus"].tolist() == [128]
