"""NetFlow v5: every field of the record, the header's clocks and sampling word."""

from __future__ import annotations

import pytest

from kproxy_tw.decode import netflow5
from kproxy_tw.decode.records import Walk
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from tests.decode.netflow_bytes import NOW, NOW_NS, v5, v5_record


def decoded(data: bytes) -> FlowBatch:
    """All records of a datagram with one set."""
    (records,) = netflow5.walk(data, NOW_NS).sets
    return records.layout.columns([records], None)


def test_every_field_has_its_column() -> None:
    """Each field of a record comes out under its column."""
    record = v5_record(
        src=bytes([192, 0, 2, 130]),
        dst=bytes([198, 51, 100, 7]),
        next_hop=bytes([203, 0, 113, 1]),
        ports=(50123, 443),
        interfaces=(17, 65535),
        packets=3_000_000_000,
        octets=4_000_000_000,
        flags=0x1B,
        protocol=6,
        tos=0xB8,
        systems=(65001, 15169),
        masks=(25, 22),
    )
    batch = decoded(v5(record))
    expected = {
        "ipv4_src_addr": 0xC0000282,
        "ipv4_dst_addr": 0xC6336407,
        "ipv4_next_hop": 0xCB007101,
        "l4_src_port": 50123,
        "l4_dst_port": 443,
        "input_port": 17,
        "output_port": 65535,
        "in_pkts": 3_000_000_000,
        "in_bytes": 4_000_000_000,
        "tcp_flags": 0x1B,
        "protocol": 6,
        "tos": 0xB8,
        "src_as": 65001,
        "dst_as": 15169,
        "src_route_length": 25,
        "dst_route_length": 22,
        "src_route_prefix": 0xC0000280,
        "dst_route_prefix": 0xC6336400,
    }
    assert {name: int(batch.column(name)[0]) for name in expected} == expected


def test_icmp_type_and_code_stay_in_the_destination_port() -> None:
    """NetFlow v5 has them there already."""
    assert decoded(v5(v5_record(protocol=1, ports=(0, 0x0301)))).column("l4_dst_port")[0] == 0x0301


def test_time_is_the_end_of_the_flow_on_the_exporters_clock() -> None:
    """Export time with its nanoseconds, less the uptime that has passed since the last packet."""
    data = v5(v5_record(first=1_000, last=5_000), uptime=65_000, nanoseconds=250_000_000)
    assert decoded(data).column("timestamp_nano")[0] == (NOW - 60) * 10**9 + 250_000_000


@pytest.mark.parametrize(
    ("word", "rate"), [(0x0064, 100), (0x4064, 100), (0x8064, 100), (0xC064, 100), (0xFFFF, 16383)]
)
def test_sampling_word_holds_mode_and_interval(word: int, rate: int) -> None:
    """The upper 2 bits are the mode whatever it is, the lower 14 the rate; its origin is the header."""
    batch = decoded(v5(v5_record(), sampling=word))
    assert batch.column("sample_rate").tolist() == [rate]
    assert batch.rate_origin == "header"


def test_without_sampling_there_is_no_rate() -> None:
    """An interval of 0 tells nothing, so the column stays absent and the origin unknown."""
    batch = decoded(v5(v5_record(), sampling=0x4000))
    assert "sample_rate" not in batch.columns
    assert batch.rate_origin == "unknown"


def test_rates_of_two_datagrams_stay_apart() -> None:
    """Record sets with different header rates are decoded together and keep their own."""
    sets = [netflow5.walk(v5(v5_record(), sampling=rate), NOW_NS).sets[0] for rate in (10, 0, 30)]
    assert netflow5.LAYOUT.columns(sets, None).column("sample_rate").tolist() == [10, 0, 30]


def test_missing_records_are_malformed() -> None:
    """Two of five counted records are there whole: they stay, three are counted as lost."""
    found = netflow5.walk(v5(v5_record(), v5_record(), b"\0" * 47, count=5), NOW_NS)
    assert (found.records, found.malformed, [records.count for records in found.sets]) == (5, 3, [2])


def test_bytes_behind_the_records_are_padding() -> None:
    """The count in the header rules, not the datagram's length."""
    found = netflow5.walk(v5(v5_record(), b"\1" * 100, count=1), NOW_NS)
    assert (found.records, found.malformed, len(found.sets)) == (1, 0, 1)


@pytest.mark.parametrize("data", [v5()[:23], v5(v5_record(), count=1365)])
def test_unusable_headers(data: bytes) -> None:
    """A cut header, or a count that no datagram can hold, spoils the datagram."""
    with pytest.raises(MalformedInput):
        netflow5.walk(data, NOW_NS)


def test_many_datagrams_are_walked_as_one_by_one() -> None:
    """Together or alone: the same records, times and rates; what is cut short is counted as malformed, as ever."""
    datagrams = [
        v5(
            *[v5_record(octets=100 * index + n, last=n) for n in range(index % 3 + 1)],
            uptime=9 + index,
            sampling=index % 2,
        )
        for index in range(60)
    ]
    datagrams += [v5(v5_record(), v5_record(), count=3)] * 9 + [v5(count=0), v5(count=60_000), b"\0\5\0"]
    received = [NOW_NS + index for index in range(len(datagrams))]
    together, problems = netflow5.walk_all(datagrams, received)
    alone, refused = [], 0
    for data, when in zip(datagrams, received, strict=True):
        try:
            alone.append(netflow5.walk(data, when))
        except MalformedInput:
            refused += 1
    assert len(problems) == refused == 2
    assert len(together) < len(alone)
    for name in ("records", "malformed"):
        assert sum(getattr(found, name) for found in together) == sum(getattr(found, name) for found in alone)
    assert flows(together) == flows(alone)


def flows(walks: list[Walk]) -> list[tuple[int, int, float]]:
    """Octets, time and rate of every flow, sorted."""
    sets = [records for found in walks for records in found.sets]
    batch = netflow5.LAYOUT.columns(sets, None)
    names = ("in_bytes", "timestamp_nano", "sample_rate")
    return sorted(zip(*(batch.column(name).tolist() for name in names), strict=True))
