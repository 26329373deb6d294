"""Data before its template: kept, bounded, released, given up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.records import PacketClock, Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.held import SET_OVERHEAD_BYTES, HeldLimits, HeldRoom, HeldSets
from kproxy_tw.decode.templates.released import released
from kproxy_tw.decode.templates.room import StateRoom
from tests.decode.netflow_bytes import NOW_NS, a_set, ipfix, ipfix_options, number, template, v9, v9_options

CLOCK = PacketClock(0, 0, NOW_NS)
KEY = (9, 1, 256)
PAIR = template(256, (8, 4), (1, 4))


def record(octets: int) -> bytes:
    """A record of ``PAIR``."""
    return b"\x0a\0\0\1" + number(octets, 4)


def octets(walks: list[Walk]) -> list[int]:
    """Decoded ``in_bytes`` of all records."""
    sets = [records for found in walks for records in found.sets]
    return [int(value) for records in sets for value in records.layout.columns([records], None).column("in_bytes")]


def test_room_is_bounded_per_exporter_and_in_total() -> None:
    """What finds no room is refused; taking and giving up make room again."""
    cost = 100 + SET_OVERHEAD_BYTES
    room = HeldRoom(HeldLimits(each=2 * cost, total=3 * cost))
    one, other = HeldSets(room), HeldSets(room)
    assert [one.keep(KEY, bytes(100), CLOCK, 1, 0.0) for _ in range(3)] == [True, True, False]
    assert [other.keep(KEY, bytes(100), CLOCK, 1, 0.0) for _ in range(2)] == [True, False]
    assert (one.bytes, one.records, room.used) == (2 * cost, 2, 3 * cost)
    assert len(one.take(KEY)) == 2
    assert (one.bytes, one.records, room.used) == (0, 0, cost)
    assert other.clear() == 1
    assert room.used == 0


def test_what_waits_too_long_is_given_up() -> None:
    """Each set for itself, after the time that is set."""
    sets = HeldSets(HeldRoom(HeldLimits(seconds=300)))
    sets.keep(KEY, b"a", CLOCK, 3, 1000.0)
    sets.keep(KEY, b"b", CLOCK, 4, 1200.0)
    assert sets.expire(1299.0) == 0
    assert sets.expire(1300.0) == 3
    assert [held.body for held in sets.take(KEY)] == [b"b"]


def test_records_are_decoded_when_their_template_comes() -> None:
    """With the clock of their own datagram; the header's count had said how many they are."""
    templates = TemplateCache()
    early = walk(v9(a_set(256, record(1), record(2)), count=2), templates, NOW_NS)
    assert (early.records, early.held, early.sets) == (2, 2, [])
    assert released(templates) == []
    walk(v9(a_set(0, PAIR)), templates, NOW_NS + 60 * 10**9)
    late = released(templates)
    assert octets(late) == [1, 2]
    assert [found.records for found in late] == [0]
    assert late[0].sets[0].clock.received_ns == NOW_NS
    assert templates.held.records == 0
    assert released(templates) == []


def test_more_records_than_were_counted_add_up() -> None:
    """IPFIX does not tell how many records a set has: it counts 1 until it is known."""
    templates = TemplateCache()
    early = walk(ipfix(a_set(256, *map(record, range(5)))), templates, NOW_NS)
    assert (early.records, early.held) == (1, 1)
    walk(ipfix(a_set(2, PAIR)), templates, NOW_NS)
    (late,) = released(templates)
    assert (late.records, octets([late])) == (4, [0, 1, 2, 3, 4])


def test_option_data_that_waited_fills_tables() -> None:
    """It was no flow, so the count goes back by what it was taken for."""
    templates = TemplateCache()
    walk(ipfix(a_set(400, number(7, 4), number(100, 4))), templates, NOW_NS)
    walk(ipfix(a_set(3, ipfix_options(400, [(302, 4)], [(34, 4)]))), templates, NOW_NS)
    (late,) = released(templates)
    assert (late.records, late.options) == (-1, 1)
    assert templates.store.domains[10, 1].samplers[7].rate == 100


def test_without_room_records_have_no_template() -> None:
    """The books close: what cannot be kept is counted as lost at once."""
    templates = TemplateCache(room=StateRoom(held=HeldLimits(each=0)))
    found = walk(v9(a_set(256, record(1)), count=1), templates, NOW_NS)
    assert (found.records, found.held, found.no_template) == (1, 0, 1)


def test_a_template_of_another_domain_does_not_fit() -> None:
    """What waits for domain 1 is not read with domain 2's template."""
    templates = TemplateCache()
    walk(v9(a_set(256, record(1)), count=1, source=1), templates, NOW_NS)
    walk(v9(a_set(0, PAIR), source=2), templates, NOW_NS)
    assert released(templates) == []
    assert [key for key, _sets in templates.held.waiting()] == [(9, 1, 256)]


field = st.tuples(st.sampled_from([1, 2, 8, 27, 48, 82, 210, 302]), st.one_of(st.integers(0, 20), st.just(65535)))


@settings(max_examples=300, deadline=None)
@given(st.lists(field, min_size=1, max_size=6), st.binary(min_size=1, max_size=200), st.booleans(), st.booleans())
def test_any_bytes_before_any_template(shape: list[tuple[int, int]], body: bytes, newer: bool, options: bool) -> None:
    """What waited is decoded, or counted as malformed; the sum of both counts is what the set holds."""
    templates = TemplateCache()
    early = walk((ipfix if newer else v9)(a_set(300, body)), templates, NOW_NS)
    assert (early.records, early.held) == (1, 1)
    if newer:
        described = a_set(3, ipfix_options(300, shape[:1], shape[1:])) if options else a_set(2, template(300, *shape))
        walk(ipfix(described), templates, NOW_NS)
    else:
        described = a_set(1, v9_options(300, shape[:1], shape[1:])) if options else a_set(0, template(300, *shape))
        walk(v9(described), templates, NOW_NS)
    for late in released(templates):
        assert late.records + 1 == sum(records.count for records in late.sets) + late.malformed
        for records in late.sets:
            assert records.layout.columns([records], None).length >= records.count
