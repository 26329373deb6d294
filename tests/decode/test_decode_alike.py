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
from tests.decode.netflow_bytes import a_set, ipfix, template, v9

NOW = 1_790_000_000.0
NOW_NS = int(NOW * 1e9)
SHOWN = ("timestamp_nano", "in_bytes", "in_pkts", "ipv4_src_addr", "l4_src_port", "l4_dst_port", "protocol")

Found = tuple[int, int, int, int, Counter[tuple[int, ...]], int, int]


def summary(walks: list[Walk], problems: int, templates: TemplateCache) -> Found:
    """Counts, every record's decoded values, and how often templates changed or were refused."""
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
        templates.changes,
        templates.refused,
    )


def one_by_one(datagrams: list[bytes], times: list[int]) -> Found:
    """The independent way: the walk of each datagram alone."""
    templates, walks, problems = TemplateCache(), [], 0
    for data, received_ns in zip(datagrams, times, strict=True):
        try:
            walks.append(walk(data, templates, received_ns))
        except MalformedInput:
            problems += 1
    return summary(walks, problems, templates)


def together(datagrams: list[bytes], times: list[int], size: int = 10_000) -> tuple[Found, int]:
    """What is tested, in batches of so many, and into how many walks it went."""
    templates, walks, problems = TemplateCache(), [], 0
    for first in range(0, len(datagrams), size):
        batch = slice(first, first + size)
        found, refused = walk_all(datagrams[batch], templates, times[batch])
        walks += found
        problems += len(refused)
    return summary(walks, problems, templates), len(walks)


BYTES_FIRST = template(300, (1, 8), (2, 8), (8, 4), (4, 1))
PACKETS_FIRST = template(300, (2, 8), (1, 8), (8, 4), (4, 1))
"""Of the same size."""

UNUSABLE = template(7, (1, 8), (2, 8))
"""Its number is that of no template: to be refused."""


def repeating(sets: bytes, *, version: int = 9, records: int = 3, padding: int = 0) -> list[bytes]:
    """Packets that have the same templates before their records, each of which is different."""
    size = 21
    made = []
    for first in range(12):
        body = b"".join(bytes([1 + first, *range(1, size)]) for _ in range(records)) + bytes(padding * size)
        content = a_set(2 if version == 10 else 0, sets) + a_set(300, body)
        made.append(ipfix(content, domain=9) if version == 10 else v9(content, source=9, count=records + 1))
    return made


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
    made["v9 repeats"] = repeating(BYTES_FIRST)
    made["v9 repeats another"] = repeating(PACKETS_FIRST)
    made["v9 repeats two"] = repeating(BYTES_FIRST + template(302, (1, 4)))
    made["v9 repeats a bad one"] = repeating(BYTES_FIRST + UNUSABLE)
    made["v9 repeats, filled up"] = repeating(BYTES_FIRST, padding=1)
    made["v9 repeats, cut"] = repeating(BYTES_FIRST + b"\x01\x2f\x00\x09")
    made["ipfix repeats"] = repeating(BYTES_FIRST, version=10)
    made["ipfix repeats another"] = repeating(PACKETS_FIRST, version=10)
    made["junk"] = [b"", b"\x00\x09", bytes(300), made["v9"][3][:100], made["v9"][3][:-1], made["v9"][4] + b"\x01"]
    return made


STREAMS = streams()
picks = st.lists(st.tuples(st.sampled_from(sorted(STREAMS)), st.integers(0, 11), st.integers(1, 20)), max_size=12)


@settings(deadline=None, max_examples=200)
@given(picks, st.integers(10, 60))
def test_any_mixture_gives_the_same_records(chosen: list[tuple[str, int, int]], size: int) -> None:
    """Whatever comes in whatever order and batches, templates that change between packets included."""
    datagrams = [
        STREAMS[name][(first + step) % len(STREAMS[name])] for name, first, count in chosen for step in range(count)
    ]
    times = [NOW_NS + position for position in range(len(datagrams))]
    assert together(datagrams, times, size)[0] == one_by_one(datagrams, times)


@pytest.mark.parametrize("name", ["v9", "ipfix"])
def test_packets_that_are_alike_become_one_block(name: str) -> None:
    """One template packet, and eleven of data in a single walk."""
    datagrams = STREAMS[name]
    found, walks = together(datagrams, [NOW_NS] * len(datagrams))
    assert walks == 2
    assert found[0] == 60


@pytest.mark.parametrize("name", [name for name in STREAMS if "repeats" in name])
@pytest.mark.parametrize("other", ["ipfix", "v9 repeats another", "ipfix repeats another", "junk"])
def test_packets_that_repeat_templates_are_as_one_by_one(name: str, other: str) -> None:
    """In the second batch their templates are known, until something else comes in the midst of them."""
    alike, others = STREAMS[name], STREAMS[other]
    datagrams = [*alike, *alike, *alike, *others[:3], *alike, *alike]
    times = [NOW_NS + position for position in range(len(datagrams))]
    assert together(datagrams, times, 12)[0] == one_by_one(datagrams, times)
    assert together(datagrams, times, 36)[0] == one_by_one(datagrams, times)
    assert together(datagrams[12:], times[12:], 12)[0] == one_by_one(datagrams[12:], times[12:])


def test_a_template_that_changes_behind_packets_that_cannot_be_walked_together() -> None:
    """They are walked by the one that was in force when they came, and do not bring it back."""
    alike = STREAMS["v9 repeats, filled up"]
    datagrams = [*alike, *alike[1:], STREAMS["v9 repeats another"][0]]
    times = [NOW_NS] * len(datagrams)
    assert together(datagrams, times, 12)[0] == one_by_one(datagrams, times)


@pytest.mark.parametrize("version", [9, 10])
def test_packets_that_repeat_their_template_become_one_block(version: int) -> None:
    """The first of them is walked alone, and all the others are when it has taught something."""
    datagrams = repeating(BYTES_FIRST, version=version) * 2
    times = [NOW_NS] * len(datagrams)
    templates = TemplateCache()
    assert len(walk_all(datagrams, templates, times)[0]) == 24
    walks, problems = walk_all(datagrams, templates, times)
    assert (len(walks), len(problems), sum(found.records for found in walks)) == (2, 0, 72)
    assert templates.changes == 1


def test_repeated_templates_stay_fresh() -> None:
    """One that is only ever repeated in a block does not expire."""
    templates = TemplateCache()
    for now in (0.0, 100_000.0):
        templates.begin(5000, now)
        walk_all(repeating(BYTES_FIRST), templates, [NOW_NS] * 12)
    templates.expire(100_001.0)
    assert len(templates) == 1


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
