"""From fields to columns: sizes, substitutes, what is derived from several fields."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest

from kproxy_tw.decode import netflow9
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from tests.decode.netflow_bytes import NOW_NS, a_set, number, template, v9


def decoded(*fields: tuple[int, int, int]) -> FlowBatch:
    """A batch of one flow with the given (element, length, value)."""
    shape = template(256, *((element, length) for element, length, _ in fields))
    data = v9(a_set(0, shape), a_set(256, *(number(value, length) for _, length, value in fields)))
    (records,) = netflow9.walk(data, TemplateCache(), NOW_NS).sets
    return records.layout.columns([records], None)


def value(batch: FlowBatch, name: str) -> int:
    """The only value of a column."""
    found = batch.column(name)[0]
    return int.from_bytes(found.tobytes(), "big") if found.ndim else int(found)


def address(text: str) -> int:
    """An address as a number."""
    return int(ipaddress.ip_address(text))


V6 = address("2001:db8:1234:5678:9abc::1")
OTHER_V6 = address("2001:db8:ffff::2")


@pytest.mark.parametrize(
    ("element", "length", "sent", "column"),
    [
        (8, 4, address("192.0.2.1"), "ipv4_src_addr"),
        (12, 4, address("255.255.255.255"), "ipv4_dst_addr"),
        (27, 16, V6, "ipv6_src_addr"),
        (28, 16, OTHER_V6, "ipv6_dst_addr"),
        (15, 4, address("10.0.0.9"), "ipv4_next_hop"),
        (18, 4, address("10.0.0.8"), "ipv4_dst_next_hop"),
        (62, 16, V6, "ipv6_dst_next_hop"),
        (63, 16, V6, "ipv6_dst_next_hop"),
        (7, 2, 65535, "l4_src_port"),
        (11, 2, 53, "l4_dst_port"),
        (4, 1, 17, "protocol"),
        (5, 1, 0xFC, "tos"),
        (6, 1, 0xFF, "tcp_flags"),
        (6, 2, 0x0112, "tcp_flags"),
        (1, 8, 2**64 - 1, "in_bytes"),
        (85, 4, 77, "in_bytes"),
        (231, 8, 78, "in_bytes"),
        (352, 8, 79, "in_bytes"),
        (2, 4, 11, "in_pkts"),
        (86, 4, 12, "in_pkts"),
        (298, 8, 13, "in_pkts"),
        (23, 4, 14, "out_bytes"),
        (24, 4, 16, "out_pkts"),
        (10, 4, 2**32 - 1, "input_port"),
        (14, 2, 9, "output_port"),
        (16, 4, 4_200_000_000, "src_as"),
        (17, 2, 64500, "dst_as"),
        (128, 4, 64501, "dst_next_hop_as"),
        (129, 4, 64502, "src_next_hop_as"),
        (9, 1, 24, "src_route_length"),
        (13, 1, 25, "dst_route_length"),
        (29, 1, 64, "src_route_length"),
        (30, 1, 128, "dst_route_length"),
        (44, 4, address("10.1.0.0"), "src_route_prefix"),
        (45, 4, address("10.2.0.0"), "dst_route_prefix"),
        (170, 16, OTHER_V6, "ipv6_src_route_prefix"),
        (169, 16, OTHER_V6, "ipv6_dst_route_prefix"),
        (56, 6, 0x0123456789AB, "src_eth_mac"),
        (81, 6, 0x0123456789AB, "src_eth_mac"),
        (80, 6, 0xFFEEDDCCBBAA, "dst_eth_mac"),
        (57, 6, 0xFFEEDDCCBBAA, "dst_eth_mac"),
        (58, 2, 4094, "vlan_in"),
        (59, 2, 4093, "vlan_out"),
        (243, 2, 100, "vlan_in"),
        (254, 2, 101, "vlan_out"),
        (46, 1, 5, "mpls_type"),
        (180, 2, 5353, "l4_src_port"),
        (183, 2, 179, "l4_dst_port"),
    ],
)
def test_element_to_column(element: int, length: int, sent: int, column: str) -> None:
    """Each element that CHF has a field for fills it, behind and before fields that mean nothing to us."""
    batch = decoded((999, 3, 0xABCDEF), (element, length, sent), (998, 1, 0xEE))
    assert set(batch.columns) == {column, "timestamp_nano"}
    assert value(batch, column) == sent


@pytest.mark.parametrize("length", range(1, 9))
def test_every_size_of_a_number(length: int) -> None:
    """Reduced-size encoding: a counter of 1 to 8 bytes, none of them zero."""
    sent = int.from_bytes(bytes(range(0xA1, 0xA1 + length)), "big")
    assert value(decoded((4, 1, 6), (1, length, sent)), "in_bytes") == sent


def test_repeated_elements_and_padding() -> None:
    """Of the same element twice the first counts; paddingOctets, as many as there are, are stepped over."""
    batch = decoded((210, 3, 0xFFFFFF), (1, 4, 700), (210, 1, 1), (1, 4, 9), (210, 2, 5), (2, 4, 3))
    assert (value(batch, "in_bytes"), value(batch, "in_pkts"), batch.length) == (700, 3, 1)


def test_zero_length_fields_are_absent() -> None:
    """Some exporters fill templates up with fields of no bytes."""
    batch = decoded((1, 0, 0), (8, 0, 0), (85, 4, 9))
    assert (value(batch, "in_bytes"), "ipv4_src_addr" in batch.columns) == (9, False)


@pytest.mark.parametrize(
    ("fields", "column", "expected"),
    [
        ([(85, 4, 900), (1, 4, 0)], "in_bytes", 0),
        ([(1, 4, 5), (1, 4, 6)], "in_bytes", 5),
        ([(81, 6, 5), (56, 6, 0)], "src_eth_mac", 5),
        ([(81, 6, 5), (56, 6, 6)], "src_eth_mac", 6),
        ([(62, 16, V6), (63, 16, 0)], "ipv6_dst_next_hop", V6),
        ([(62, 16, V6), (63, 16, OTHER_V6)], "ipv6_dst_next_hop", OTHER_V6),
        ([(9, 1, 0), (29, 1, 48)], "src_route_length", 48),
        ([(195, 1, 46)], "tos", 46 << 2),
        ([(6, 2, 0xF012)], "tcp_flags", 0x012),
    ],
)
def test_substitutes(fields: list[tuple[int, int, int]], column: str, expected: int) -> None:
    """The first counter rules even when it is 0; where an address or a number is 0 its substitute stands in."""
    assert value(decoded(*fields), column) == expected


@pytest.mark.parametrize("length", [0, 1, 8, 17, 24, 31, 32])
def test_ipv4_prefixes_are_derived(length: int) -> None:
    """Address and length give the prefix as the ipaddress module has it."""
    network = ipaddress.ip_network(f"203.0.113.213/{length}", strict=False)
    batch = decoded((12, 4, address("203.0.113.213")), (13, 1, length))
    assert value(batch, "dst_route_prefix") == int(network.network_address)


@pytest.mark.parametrize("length", [0, 1, 7, 48, 63, 64, 127, 128])
def test_ipv6_prefixes_are_derived(length: int) -> None:
    """The same for IPv6."""
    network = ipaddress.ip_network((V6, length), strict=False)
    batch = decoded((27, 16, V6), (29, 1, length))
    assert value(batch, "ipv6_src_route_prefix") == int(network.network_address)


def test_impossible_prefix_lengths() -> None:
    """A length beyond the address's bits leaves the address whole and is shown as sent."""
    batch = decoded((8, 4, address("10.1.2.3")), (27, 16, V6), (9, 1, 200))
    names = ("src_route_prefix", "ipv6_src_route_prefix", "src_route_length")
    assert [value(batch, name) for name in names] == [address("10.1.2.3"), V6, 200]


def test_a_prefix_that_is_sent_wins() -> None:
    """Where the exporter sends a prefix it is kept; a zero one is computed."""
    fields = (8, 4, address("10.1.2.3")), (9, 1, 24)
    assert value(decoded(*fields, (44, 4, address("10.0.0.0"))), "src_route_prefix") == address("10.0.0.0")
    assert value(decoded(*fields, (44, 4, 0)), "src_route_prefix") == address("10.1.2.0")


@pytest.mark.parametrize(
    ("fields", "port"),
    [
        ([(4, 1, 1), (11, 2, 0), (32, 2, 0x0303)], 0x0303),
        ([(4, 1, 1), (11, 2, 0x0800), (32, 2, 0)], 0x0800),
        ([(4, 1, 1), (176, 1, 3), (177, 1, 1)], 0x0301),
        ([(4, 1, 1), (176, 1, 11)], 0x0B00),
        ([(4, 1, 58), (11, 2, 0), (139, 2, 0x8000)], 0x8000),
        ([(4, 1, 58), (178, 1, 1), (179, 1, 4)], 0x0104),
        ([(4, 1, 58), (11, 2, 0), (32, 2, 0x8700)], 0x8700),
        ([(4, 1, 58), (32, 2, 0x0303), (139, 2, 0x8000)], 0x8000),
        ([(4, 1, 6), (11, 2, 443), (32, 2, 0x0303)], 443),
        ([(4, 1, 17), (11, 2, 53), (176, 1, 3), (177, 1, 1)], 53),
    ],
)
def test_icmp_in_the_destination_port(fields: list[tuple[int, int, int]], port: int) -> None:
    """Type × 256 + code of ICMP and ICMPv6 flows stand in the destination port; other flows keep theirs."""
    assert value(decoded(*fields), "l4_dst_port") == port


@pytest.mark.parametrize(
    ("fields", "rate", "origin"),
    [
        ([(34, 4, 1000)], 1000, "record"),
        ([(305, 4, 1), (306, 4, 999)], 1000, "record"),
        ([(305, 4, 2), (306, 4, 5)], 3.5, "record"),
        ([(305, 4, 0), (306, 4, 5)], 0, "unknown"),
        ([(305, 4, 7)], 7, "record"),
        ([(309, 4, 10), (310, 4, 2500)], 250, "record"),
        ([(34, 4, 0)], 0, "unknown"),
        ([(50, 4, 100)], 100, "record"),
        ([(34, 4, 0), (50, 4, 64)], 64, "record"),
    ],
)
def test_sample_rate_in_the_record(fields: list[tuple[int, int, int]], rate: float, origin: str) -> None:
    """One in n, as interval or as packets taken and left out; nothing told means no column."""
    batch = decoded((1, 4, 1), *fields)
    assert batch.column("sample_rate").tolist() == [rate]
    assert ("sample_rate" in batch.columns, batch.rate_origin) == (rate > 0, origin)


def test_chosen_records() -> None:
    """Indices count through all sets in order."""
    templates = TemplateCache()
    shape = a_set(0, template(256, (1, 4), (4, 1)))
    sets = [
        netflow9.walk(v9(shape, a_set(256, *(number(n, 4) + b"\6" for n in numbers))), templates, NOW_NS).sets[0]
        for numbers in ([0, 1, 2], [3], [4, 5, 6, 7])
    ]
    batch = sets[0].layout.columns(sets, np.array([1, 3, 4, 7], np.intp))
    assert (batch.length, batch.column("in_bytes").tolist()) == (4, [1, 3, 4, 7])


def test_columns_are_those_of_the_batch() -> None:
    """Dtypes are the native ones that every later stage expects, and columns own their memory."""
    batch = decoded((8, 4, 1), (27, 16, V6), (7, 2, 5), (56, 6, 3), (1, 3, 9), (9, 1, 8), (34, 2, 10))
    empty = FlowBatch(1)
    for name, column in batch.columns.items():
        assert (column.dtype, column.shape) == (empty.column(name).dtype, empty.column(name).shape), name
        assert column.flags.writeable, name


def test_a_template_of_unknown_elements() -> None:
    """Records that tell nothing we know are flows nevertheless, with a time."""
    batch = decoded((999, 5, 1))
    assert (batch.length, list(batch.columns)) == (1, ["timestamp_nano"])


def test_bodies_that_do_not_fit_their_count() -> None:
    """A record set whose bytes are not count records long cannot be decoded."""
    data = v9(a_set(0, template(256, (1, 4))), a_set(256, b"\1" * 8))
    (records,) = netflow9.walk(data, TemplateCache(), NOW_NS).sets
    wrong = type(records)(records.layout, 3, records.body, records.clock)
    with pytest.raises(MalformedInput):
        records.layout.columns([wrong], None)
