"""sFlow records that become custom columns."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.custom import folded
from kproxy_tw.decode.sflow.extras import EXTRAS
from kproxy_tw.decode.sflow.layout import SFLOW
from kproxy_tw.decode.sflow.walk import walk
from kproxy_tw.flowbatch import FlowBatch
from tests.decode import sflow_datagrams as sflow
from tests.decode.packet_bytes import ethernet, ipv4, tcp
from tests.decode.sflow_datagrams import RECEIVED_NS, address, datagram, flow_sample, opaque, raw_header, text, words

FRAME = ethernet(ipv4(tcp(50000, 443), 6), 0x0800)
EVERY_NAME = frozenset(folded(name) for extra in EXTRAS.values() for name in extra.names)


def decode(*samples: bytes, wanted: frozenset[str] = EVERY_NAME) -> FlowBatch:
    """The columns of samples of a datagram."""
    return SFLOW.columns(walk(datagram(*samples), RECEIVED_NS).sets, None, wanted)


def packed(text: str) -> bytes:
    """An address as custom columns have it."""
    found = ip_address(text)
    return bytes([found.version]) + found.packed + bytes(16 - len(found.packed))


IPV4_TUNNEL = words(1500, 17) + ip_address("10.9.9.2").packed + ip_address("10.9.9.1").packed + words(1, 2, 3, 4)
IPV6_TUNNEL = words(1500, 17) + ip_address("fd00::2").packed + ip_address("fd00::1").packed + words(1, 2, 3, 4)

RECORDS: list[tuple[int, bytes, dict[str, int | bytes]]] = [
    (1004, words(106) + text(b"alice") + words(106) + text(b"bob"), {"src_user": b"alice", "dst_user": b"bob"}),
    (1005, words(2) + text(b"/a?b=c") + text(b"example.org"), {"http_url": b"/a?b=c", "http_host": b"example.org"}),
    (
        1006,
        address("192.0.2.7") + words(2, 100 << 12 | 64, 200 << 12 | 0x140) + words(1, 300 << 12),
        {"mpls_label_1": 100, "mpls_label_2": 200},
    ),
    (
        1007,
        address("203.0.113.5") + address("2001:db8::5"),
        {"post_nat_src_addr": packed("203.0.113.5"), "post_nat_dst_addr": packed("2001:db8::5")},
    ),
    (1007, words(0) + address("203.0.113.6"), {"post_nat_dst_addr": packed("203.0.113.6")}),
    (1008, text(b"lsp-1") + words(7, 3), {"mpls_tunnel_name": b"lsp-1"}),
    (1009, text(b"vc-1") + words(77, 3), {"mpls_vc_name": b"vc-1", "mpls_vc_id": 77}),
    (1012, words(2, 0x88A80000 | 100, 0x81000000 | 200), {"stripped_vlan": 100}),
    (1020, words(1024, 8080), {"post_nat_src_port": 1024, "post_nat_dst_port": 8080}),
    (1023, IPV4_TUNNEL, {"tunnel_src_addr": packed("10.9.9.2"), "tunnel_dst_addr": packed("10.9.9.1")}),
    (1024, IPV4_TUNNEL, {"tunnel_src_addr": packed("10.9.9.2"), "tunnel_dst_addr": packed("10.9.9.1")}),
    (1025, IPV6_TUNNEL, {"tunnel_src_addr": packed("fd00::2"), "tunnel_dst_addr": packed("fd00::1")}),
    (1026, IPV6_TUNNEL, {"tunnel_src_addr": packed("fd00::2"), "tunnel_dst_addr": packed("fd00::1")}),
    (1029, words(5000), {"tunnel_id": 5000}),
    (1030, words(16777215), {"tunnel_id": 16777215}),
    (1036, words(4), {"egress_queue": 4}),
    (1037, words(12) + text(b"deny-all") + words(1), {"acl_number": 12, "acl_name": b"deny-all"}),
    (1038, text(b"nf_hook"), {"discard_function": b"nf_hook"}),
    (1039, words(1200), {"transit_delay": 1200}),
    (1040, words(9000), {"queue_depth": 9000}),
    (1041, text(b"l3_drops") + text(b"blackhole_route"), {"discard_detail": b"l3_drops/blackhole_route"}),
    (1042, text(b"NO_SOCKET"), {"discard_detail": b"NO_SOCKET"}),
]


@pytest.mark.parametrize(("kind", "body", "expected"), RECORDS)
def test_records_fill_their_columns(kind: int, body: bytes, expected: dict[str, int | bytes]) -> None:
    """Of the sample that has the record; the other one's values are empty."""
    custom = decode(flow_sample(raw_header(FRAME), opaque(kind, body)), flow_sample(raw_header(FRAME))).custom
    assert custom.keys() == expected.keys()
    for name, value in expected.items():
        first, second = (row.tobytes() if custom[name].ndim == 2 else row.item() for row in custom[name])
        assert (first, any(second) if isinstance(second, bytes) else bool(second)) == (value, False)


def test_only_wanted_columns_are_made() -> None:
    """Of a record with two values, the one that the device has a column for; without any, none."""
    sample = flow_sample(raw_header(FRAME), opaque(*RECORDS[0][:2]))
    assert decode(sample, wanted=frozenset({"dstuser"})).custom.keys() == {"dst_user"}
    assert decode(sample, wanted=frozenset()).custom == {}


def test_texts_are_bounded_and_made_utf8() -> None:
    """384 bytes; bytes that are no UTF-8 are replaced; what is behind the record's end is not read."""
    long, odd = words(106) + text(b"x" * 1000) + words(106) + text(b"y"), words(106) + text(b"\xff\0z") + words(106)
    custom = decode(flow_sample(opaque(1004, long)), flow_sample(opaque(1004, odd))).custom
    assert custom["src_user"].tolist() == [b"x" * 384, b""]
    odd += text(b"")
    assert decode(flow_sample(opaque(1004, odd))).custom["src_user"].tolist() == ["�z".encode()]


def test_802_11_records_are_stepped_over() -> None:
    """By their length; what stands behind them is read."""
    wireless = [opaque(kind, bytes(size)) for kind, size in ((1013, 40), (1014, 44), (1015, 52), (1016, 4))]
    batch = decode(flow_sample(*wireless, raw_header(FRAME), sflow.switch(5, 6)))
    assert (batch.column("l4_dst_port")[0], batch.column("vlan_in")[0]) == (443, 5)


def test_many_different_records() -> None:
    """Each sample has its own, some share one; those longer than any that is kept are told apart too."""
    names = [b"user-%d" % (index // 2) * (1 + 40 * (index % 3)) for index in range(200)]
    samples = [flow_sample(opaque(1004, words(0) + text(name) + words(0) + text(b""))) for name in names]
    found = decode(*samples).custom["src_user"].tolist()
    assert found == [name[:384] for name in names]


@given(st.sampled_from(sorted(EXTRAS)), st.binary(max_size=80), st.lists(st.integers(0, 255), max_size=8))
def test_any_bytes_of_a_record(kind: int, body: bytes, more: list[int]) -> None:
    """Nothing is raised; what cannot be read leaves no value."""
    whole = next((record for number, record, _ in RECORDS if number == kind), b"")
    for data in (body, whole[: len(body)], whole + bytes(more), struct.pack("!I", len(body)) + body):
        assert decode(flow_sample(raw_header(FRAME), sflow.padded(opaque(kind, data)))).length == 1
