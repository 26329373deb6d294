"""tshark's sFlow dissector reads the same in our datagrams as we do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kproxy_tw.decode.sflow.layout import SFLOW
from kproxy_tw.decode.sflow.walk import walk
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import CAPTURES, needs_tshark, write_pcap
from tests.decode import sflow_datagrams as sflow
from tests.decode.packet_bytes import ethernet, icmp, ipv4, ipv6, tcp, udp
from tests.decode.sflow_datagrams import RECEIVED_NS, datagram, expanded_sample, flow_sample, raw_header

SFLOW_PORT = 6343
TELEGRAF = CAPTURES / "sflow" / "telegraf_sflow_v5_example.dat"


def _mac(text: str) -> int:
    return int(text.replace(":", ""), 16)


def _any_base(text: str) -> int:
    return int(text, 0)


def _address4(text: str) -> int:
    return int(ip_address(text))


def _address6(text: str) -> bytes:
    return ip_address(text).packed


COMPARED: dict[str, tuple[str, Callable[[str], object]]] = {
    "sflow.flow_sample.sampling_rate": ("sample_rate", _any_base),
    "sflow_245.header.frame_length": ("in_bytes", _any_base),
    "sflow_245.header.sampled_header_length": ("header_len", _any_base),
    "sflow_245.vlan.in": ("vlan_in", _any_base),
    "sflow_245.vlan.out": ("vlan_out", _any_base),
    "sflow_245.nexthop.src_mask": ("src_route_length", _any_base),
    "sflow_245.nexthop.dst_mask": ("dst_route_length", _any_base),
    "sflow_245.nexthop": ("ipv4_next_hop", _address4),
    "sflow_245.nexthop.v6": ("ipv6_dst_next_hop", _address6),
    "sflow_245.srcAS": ("src_as", _any_base),
    "sflow_245.peerAS": ("src_next_hop_as", _any_base),
    "sflow_245.dstAS": ("dst_next_hop_as", _any_base),
    "eth.src": ("src_eth_mac", _mac),
    "eth.dst": ("dst_eth_mac", _mac),
    "ip.src": ("ipv4_src_addr", _address4),
    "ip.dst": ("ipv4_dst_addr", _address4),
    "ip.proto": ("protocol", _any_base),
    "ip.len": ("ip_size", _any_base),
    "ip.dsfield": ("tos", _any_base),
    "ipv6.src": ("ipv6_src_addr", _address6),
    "ipv6.dst": ("ipv6_dst_addr", _address6),
    "ipv6.tclass": ("tos", _any_base),
    "tcp.srcport": ("l4_src_port", _any_base),
    "tcp.dstport": ("l4_dst_port", _any_base),
    "tcp.flags": ("tcp_flags", _any_base),
    "udp.srcport": ("l4_src_port", _any_base),
    "udp.dstport": ("l4_dst_port", _any_base),
}
"""tshark's field, the first of its name in a flow sample: our column, and how its text is read."""

PACKETS = [
    ethernet(ipv4(tcp(50000, 443, 0x12), 6, tos=0xB8, options=bytes([1] * 8)), 0x0800),
    ethernet(ipv4(udp(1000, 53, b"q" * 40), 17), 0x0800),
    ethernet(ipv6(tcp(40000, 22, 0x18), 6, traffic_class=0x28), 0x86DD),
    ethernet(ipv6(bytes([17, 0, 1, 4, 0, 0, 0, 0]) + udp(500, 4500), 0), 0x86DD),
    ethernet(ipv4(tcp(1, 2), 6), 0x0800, tags=[(0x88A8, 30), (0x8100, 40)])[:50],
]

DATAGRAMS = [
    datagram(*(flow_sample(raw_header(packet, 1000 + index), rate=512) for index, packet in enumerate(PACKETS))),
    datagram(
        *(expanded_sample(raw_header(packet), sflow.switch(7, 8), rate=64) for packet in PACKETS),
        sflow.counter_sample(),
        agent="2001:db8::5",
    ),
    datagram(
        flow_sample(
            raw_header(PACKETS[0]),
            sflow.router("203.0.113.1", 24, 16),
            sflow.gateway("203.0.113.1", 64500, 64501, 64502, [(1, [64503]), (2, [64504, 64505])], [1, 2, 3]),
        ),
        flow_sample(raw_header(PACKETS[2]), sflow.router("2001:db8:9::1", 64, 48)),
    ),
]


def tshark_samples(path: Path, datagrams: list[bytes]) -> list[dict[str, str]]:
    """The flow samples in tshark's eyes: the first value of each field by its name."""
    write_pcap(path, datagrams, SFLOW_PORT)
    command = ["tshark", "-r", str(path), "-d", f"udp.port=={SFLOW_PORT},sflow", "-T", "pdml"]
    output = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    found = []
    for field in ElementTree.fromstring(output).iter("field"):  # noqa: S314 - made by our own tshark
        if "low sample, seq" in field.get("show", ""):
            values: dict[str, str] = {}
            for each in field.iter("field"):
                values.setdefault(each.get("name", ""), each.get("show", ""))
            found.append(values)
    return found


def value(batch: FlowBatch, name: str, row: int) -> object:
    """One value; bytes of an address."""
    found = batch.column(name)[row]
    return found.tobytes() if name.startswith("ipv6") else found.item()


@needs_tshark
def test_columns_equal_what_tshark_shows(tmp_path: Path) -> None:
    """Sample headers, extended data and the sampled packets' own headers agree field by field."""
    seen = tshark_samples(tmp_path / "sflow.pcap", DATAGRAMS)
    batch = SFLOW.columns([each for data in DATAGRAMS for each in walk(data, RECEIVED_NS).sets], None)
    assert len(seen) == batch.length == 2 * len(PACKETS) + 2
    compared = set()
    for row, fields in enumerate(seen):
        for name in fields.keys() & COMPARED.keys():
            column, read = COMPARED[name]
            assert value(batch, column, row) == read(fields[name]), (row, name)
            compared.add(name)
    assert compared == COMPARED.keys()


@needs_tshark
def test_icmp_type_and_code_equal_what_tshark_shows(tmp_path: Path) -> None:
    """They are two fields there and one number here."""
    data = datagram(flow_sample(raw_header(ethernet(ipv4(icmp(3, 13), 1), 0x0800))))
    (seen,) = tshark_samples(tmp_path / "icmp.pcap", [data])
    batch = SFLOW.columns(walk(data, RECEIVED_NS).sets, None)
    assert value(batch, "l4_dst_port", 0) == int(seen["icmp.type"]) * 256 + int(seen["icmp.code"])


@needs_tshark
@pytest.mark.skipif(not TELEGRAF.exists(), reason=f"CAPTURE NOT TESTED: {TELEGRAF} is absent")
def test_captured_datagram_has_as_many_flow_samples_as_tshark_finds(tmp_path: Path) -> None:
    """None: it holds counters."""
    data = TELEGRAF.read_bytes()
    assert walk(data, RECEIVED_NS).records == len(tshark_samples(tmp_path / "capture.pcap", [data])) == 0
