"""Records of both directions: two flows, each with its own counters."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest

from kproxy_tw.decode import ipfix, netflow9
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.flowbatch import FlowBatch
from tests.decode.netflow_bytes import NOW_NS, a_set, number, template, v9
from tests.decode.netflow_bytes import ipfix as message

A, B = int(ipaddress.ip_address("10.0.0.1")), int(ipaddress.ip_address("192.0.2.2"))

REVERSE = 29305

Record = tuple[tuple[int, ...], int]
"""((element, length[, enterprise]), value)."""


def decoded(*records: tuple[Record, ...], wanted: frozenset[str] = frozenset(), version: int = 10) -> FlowBatch:
    """The flows of records that share the fields of the first one."""
    shape = template(256, *(field for field, _ in records[0]))
    body = a_set(256, *(number(value, field[1]) for record in records for field, value in record))
    if version == 9:
        (found,) = netflow9.walk(v9(a_set(0, shape), body), TemplateCache(), NOW_NS).sets
    else:
        (found,) = ipfix.walk(message(a_set(2, shape), body), TemplateCache(), NOW_NS).sets
    return found.layout.columns([found], None, wanted)


def flows(batch: FlowBatch, *names: str) -> list[tuple[int, ...]]:
    """Every flow as a tuple of columns."""
    return list(zip(*(batch.column(name).tolist() for name in names), strict=True))


KEY = (((8, 4), A), ((12, 4), B), ((7, 2), 1024), ((11, 2), 80), ((4, 1), 6), ((10, 4), 5), ((14, 4), 7))
SHOWN = ("ipv4_src_addr", "ipv4_dst_addr", "l4_src_port", "l4_dst_port", "input_port", "output_port", "in_bytes")


def test_biflow() -> None:
    """RFC 5103: the reverse counters are a flow of their own, from destination to source."""
    batch = decoded((*KEY, ((1, 8), 1000), ((2, 8), 3), ((1, 8, REVERSE), 70), ((2, 8, REVERSE), 2)))
    assert flows(batch, *SHOWN, "in_pkts") == [(A, B, 1024, 80, 5, 7, 1000, 3), (B, A, 80, 1024, 7, 5, 70, 2)]
    assert "out_bytes" not in batch.columns


def test_an_empty_reverse_is_dropped() -> None:
    """Only records that tell of the other direction become two flows; they stay in order, the others' flows behind."""
    records = [(*KEY[:2], ((1, 8), n), ((1, 8, REVERSE), back)) for n, back in ((10, 0), (20, 5), (30, 0), (40, 6))]
    assert flows(decoded(*records), "ipv4_src_addr", "in_bytes") == [(A, 10), (A, 20), (A, 30), (A, 40), (B, 5), (B, 6)]


def test_reverse_packets_alone_are_a_flow() -> None:
    """A direction is empty only when it has neither bytes nor packets."""
    batch = decoded((*KEY[:2], ((2, 4), 1), ((2, 4, REVERSE), 9)))
    assert flows(batch, "ipv4_src_addr", "in_pkts", "in_bytes") == [(A, 1, 0), (B, 9, 0)]


def test_what_a_biflow_tells_of_the_other_direction() -> None:
    """TCP flags, type of service and interfaces of the other direction are its own; what is not told is not known."""
    told = ((6, 2), 0x12), ((5, 1), 184), ((1, 4), 1), ((1, 4, REVERSE), 1)
    batch = decoded((*KEY, *told, ((6, 2, REVERSE), 0x5010), ((10, 4, REVERSE), 70)))
    assert flows(batch, "tcp_flags", "tos", "input_port", "output_port") == [(0x12, 184, 5, 7), (0x10, 0, 70, 5)]


@pytest.mark.parametrize("version", [9, 10])
def test_initiator_and_responder(version: int) -> None:
    """Octets 231/232 and packets 298/299 make two directed flows; flags of the connection are on both."""
    counters = ((231, 4), 600), ((232, 4), 9000), ((298, 4), 6), ((299, 4), 9), ((6, 1), 0x1B)
    batch = decoded((*KEY, *counters), version=version)
    assert flows(batch, *SHOWN, "in_pkts", "tcp_flags") == [
        (A, B, 1024, 80, 5, 7, 600, 6, 0x1B),
        (B, A, 80, 1024, 7, 5, 9000, 9, 0x1B),
    ]


def test_plain_counters_stand_in_for_the_initiator() -> None:
    """A record may have 1/2 beside 231/232: they count where the connection's counters say nothing."""
    fields = ((1, 4), (2, 4), (231, 4), (232, 4))
    records = [tuple(zip(fields, values, strict=True)) for values in ((500, 5, 0, 0), (500, 5, 300, 200), (9, 1, 0, 4))]
    batch = decoded(*((*KEY[:2], *record) for record in records))
    assert flows(batch, "ipv4_src_addr", "in_bytes", "in_pkts") == [
        (A, 500, 5),
        (A, 300, 5),
        (A, 0, 1),
        (B, 200, 0),
        (B, 4, 0),
    ]


@pytest.mark.parametrize(
    ("protocol", "sent", "answer"),
    [(1, 8 << 8, 0), (1, 0, 8 << 8), (1, 0x0301, 0x0301), (58, 128 << 8, 129 << 8), (58, 129 << 8, 128 << 8)],
)
def test_icmp_both_ways(protocol: int, sent: int, answer: int) -> None:
    """Type and code stay in the destination port; the answer to an echo request is a reply."""
    fields = ((4, 1), protocol), ((7, 2), 0), ((11, 2), sent), ((231, 4), 60), ((232, 4), 60)
    assert flows(decoded(fields), "l4_src_port", "l4_dst_port") == [(0, sent), (0, answer)]


def test_next_hops_and_prefixes() -> None:
    """Prefixes, AS numbers and MAC addresses change sides; the next hop is the first direction's only."""
    fields = (
        *KEY[:2],
        ((9, 1), 24),
        ((13, 1), 16),
        ((16, 4), 64500),
        ((17, 4), 64501),
        ((56, 6), 0xA),
        ((80, 6), 0xB),
        ((15, 4), 77),
        ((58, 2), 100),
        ((231, 4), 1),
        ((232, 4), 1),
    )
    names = ("src_route_length", "dst_route_length", "src_as", "dst_as", "src_eth_mac", "dst_eth_mac")
    batch = decoded(fields)
    assert flows(batch, *names) == [(24, 16, 64500, 64501, 10, 11), (16, 24, 64501, 64500, 11, 10)]
    assert flows(batch, "src_route_prefix", "dst_route_prefix")[1] == (B >> 16 << 16, A >> 8 << 8)
    assert flows(batch, "ipv4_next_hop", "vlan_in", "vlan_out") == [(77, 100, 0), (0, 0, 100)]


def test_rates_and_times_are_those_of_the_record() -> None:
    """Both flows have the record's sample rate and time."""
    batch = decoded((((231, 4), 1), ((232, 4), 1), ((34, 4), 100)))
    assert batch.column("sample_rate").tolist() == [100, 100]
    assert len(set(batch.column("timestamp_nano").tolist())) == 1
    assert {name: len(column) for name, column in batch.side.items()} == dict.fromkeys(batch.side, 2)


def test_addresses_after_translation_change_sides() -> None:
    """What the source was translated to is the destination of the answer."""
    fields = (*KEY[:2], ((225, 4), 11), ((226, 4), 12), ((227, 2), 21), ((228, 2), 22), ((231, 4), 1), ((232, 4), 1))
    names = ("postnatsrcaddr", "postnatdstaddr", "postnatsrcport", "postnatdstport")
    batch = decoded(fields, wanted=frozenset(names))
    last = [[int(row[4]) if row.ndim else int(row) for row in batch.custom[name]] for name in names]
    assert last == [[11, 12], [12, 11], [21, 22], [22, 21]]


def test_chosen_records_only() -> None:
    """A record that the sampler left out has neither of its flows."""
    shape = template(256, (231, 4), (232, 4))
    body = a_set(256, *(number(value, 4) for value in (1, 2, 3, 4, 5, 6)))
    (found,) = ipfix.walk(message(a_set(2, shape), body), TemplateCache(), NOW_NS).sets
    batch = found.layout.columns([found], np.array([1], np.intp))
    assert (batch.column("in_bytes").tolist(), found.layout.flows_per_record) == ([3, 4], 2)
