"""Walking many datagrams together gives what walking them one by one gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk, walk_all
from kproxy_tw.decode.records import RecordSet, Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.interfaces import RecordLayout
from kproxy_tw.testing.exporters import IpfixExporter, NetFlow5Exporter, NetFlow9Exporter, SflowExporter
from kproxy_tw.testing.traffic import make_flows
from tests.decode.netflow_bytes import a_set, template, v9

NOW = 1_790_000_000.0
NOW_NS = int(NOW * 1e9)
SHOWN = ("timestamp_nano", "in_bytes", "in_pkts", "ipv4_src_addr", "l4_src_port", "l4_dst_port", "protocol")

Found = tuple[int, int, int, int, Counter[tuple[int, ...]]]


def summary(walks: list[Walk], problems: int) -> Found:
    """Counts, and every record's decoded values."""
    sets: dict[RecordLayout, list[RecordSet]] = {}
    for each in walks:
        for records in each.sets:
            sets.setdefault(records.layout, []).append(records)
    rows: Counter[tuple[int, ...]] = Counter()
    for layout, group in sets.items():
        batch = layout.columns(group, None)
        rows.update(zip(*(batch.column(name).tolist() for name in SHOWN), strict=True))
    return (
        sum(each.records for each in walks),
        sum(each.no_template for each in walks),
        sum(each.malformed for each in walks),
        problems,
        rows,
    )


def one_by_one(datagrams: list[bytes], times: list[int]) -> Found:
    """The independent way: the walk of each datagram alone."""
    templates, walks, problems = TemplateCache(), [], 0
    for data, received_ns in zip(datagrams, times, strict=True):
        try:
            walks.append(walk(data, templates, received_ns))
        except MalformedInput:
            problems += 1
    return summary(walks, problems)


def together(datagrams: list[bytes], times: list[int]) -> tuple[Found, int]:
    """What is tested, and into how many walks it went."""
    walks, problems = walk_all(datagrams, TemplateCache(), times)
    return summary(walks, len(problems)), len(walks)


def streams() -> dict[str, list[bytes]]:
    """Datagrams of every kind that may meet in one batch."""
    random = np.random.default_rng(4)
    made: dict[str, list[bytes]] = {}
    for name, exporter in (
        ("v9", NetFlow9Exporter(NOW, source_id=1)),
        ("v9 other domain", NetFlow9Exporter(NOW, source_id=70000)),
        ("ipfix", IpfixExporter(NOW, domain=1)),
        ("v5", NetFlow5Exporter(NOW)),
        ("sflow", SflowExporter(NOW)),
    ):
        made[name] = [exporter.datagram(make_flows(5, random), NOW + index) for index in range(12)]
    made["v9 short"] = [NetFlow9Exporter(NOW, 1).datagram(make_flows(2, random), NOW) for _ in range(2)]
    # The same number now means bytes and packets of other widths, in records of the same length.
    made["v9 new template"] = [
        v9(a_set(0, template(300, (1, 8), (2, 8), (8, 4), (4, 1), (210, 32))), source=1, count=1)
    ]
    made["junk"] = [b"", b"\x00\x09", bytes(300), made["v9"][3][:100], made["v9"][3][:-1], made["v9"][4] + b"\x01"]
    return made


STREAMS = streams()
picks = st.lists(st.tuples(st.sampled_from(sorted(STREAMS)), st.integers(0, 11), st.integers(1, 20)), max_size=12)


@settings(deadline=None, max_examples=150)
@given(picks)
def test_any_mixture_gives_the_same_records(chosen: list[tuple[str, int, int]]) -> None:
    """Whatever comes in whatever order, templates that change between packets included."""
    datagrams = [
        STREAMS[name][(first + step) % len(STREAMS[name])] for name, first, count in chosen for step in range(count)
    ]
    times = [NOW_NS + position for position in range(len(datagrams))]
    assert together(datagrams, times)[0] == one_by_one(datagrams, times)


@pytest.mark.parametrize("name", ["v9", "ipfix"])
def test_packets_that_are_alike_become_one_block(name: str) -> None:
    """One template packet, and eleven of data in a single walk."""
    datagrams = STREAMS[name]
    found, walks = together(datagrams, [NOW_NS] * len(datagrams))
    assert walks == 2
    assert found[0] == 60


def test_each_record_keeps_the_clock_of_its_own_packet() -> None:
    """Packets a second apart have records a second apart, and a wrong clock falls back to each one's own receipt."""
    days = 40 * 86400 * 10**9
    for shift in (0, days):
        times = [NOW_NS + shift + index for index in range(12)]
        walks, _problems = walk_all(STREAMS["v9"], TemplateCache(), times)
        sets = [records for each in walks for records in each.sets]
        stamps = sorted(set(sets[0].layout.columns(sets, None).column("timestamp_nano").tolist()))
        assert stamps == (times if shift else [NOW_NS + index * 10**9 for index in range(12)])


def test_chosen_records_of_a_block_are_the_same_ones() -> None:
    """Choosing before decoding picks the records that decoding all and choosing afterwards picks."""
    walks, _problems = walk_all(STREAMS["v9"], TemplateCache(), [NOW_NS] * 12)
    sets = [records for each in walks for records in each.sets]
    chosen = np.array([0, 4, 5, 17, 33, 59])
    every, some = sets[0].layout.columns(sets, None), sets[0].layout.columns(sets, chosen)
    for name in SHOWN:
        assert some.column(name).tolist() == every.column(name)[chosen].tolist()


@pytest.mark.parametrize("datagrams", [1, 20])
@pytest.mark.parametrize(("told", "records"), [(2, 2), (3, 3), (4, 4), (5, 4), (1, 2)])
def test_records_of_zeros_beyond_the_count_are_padding(datagrams: int, told: int, records: int) -> None:
    """NetFlow v9's header counts the records; what is not all zeros is a record even so."""
    templates = TemplateCache()
    walk(v9(a_set(0, template(256, (8, 4), (12, 4), (1, 4)))), templates, NOW_NS)
    body = b"".join([bytes(range(1, 13)), bytes(range(2, 14)), bytes(24)])
    packets = [v9(a_set(256, body), count=told)] * datagrams
    walks, problems = walk_all(packets, templates, [NOW_NS] * datagrams)
    assert (sum(found.records for found in walks), problems) == (records * datagrams, [])
    assert sum(records.count for found in walks for records in found.sets) == records * datagrams
