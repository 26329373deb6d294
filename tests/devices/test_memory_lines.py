"""The exporters' state as a file, and back: the same, or refused as damaged, whatever the bytes."""

from __future__ import annotations

import contextlib
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.optiondata.samplers import Sampler
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.table import TemplateLimits
from kproxy_tw.devices.memory.lines import enclosed, line_of, lines_in, parse_line, snapshot
from kproxy_tw.devices.memory.takeover import MAX_AGE_SECONDS, take_over
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.errors import MalformedInput
from tests.decode.netflow_bytes import NOW, NOW_NS, a_set, number, specifiers, template, v9, v9_options

FIELDS = ((8, 4), (1, 4))


def new_session(limits: TemplateLimits | None = None) -> ExporterSession:
    """A session that has heard nothing yet."""
    return ExporterSession(address="192.0.2.1", templates=TemplateCache(limits), first_seen=float(NOW))


def taught() -> ExporterSession:
    """A session with templates, split ports, and every kind of option row."""
    session = new_session()
    session.templates.begin(5000, float(NOW))
    options = v9_options(300, [(1, 4)], [(48, 2), (34, 4)])
    walk(v9(a_set(0, template(256, *FIELDS)), a_set(1, options)), session.templates, NOW_NS)
    walk(v9(a_set(300, number(1, 4), number(3, 2), number(100, 4))), session.templates, NOW_NS)
    tables = session.templates.store.domains[9, 1]
    tables.put_explicit(Sampler(7.5, "core", "random", float(NOW)))
    tables.put_selection(12, (3, 3))
    tables.put_interface_rate(4, 20.0)
    tables.put_names("interfaces", 4, ("Gi0/4", "über"))
    tables.put_names("applications", 50331728, ("http", ""))
    tables.put_names("vrfs", 0, ("RED", ""))
    session.templates.begin(5001, float(NOW) + 1)
    walk(v9(a_set(0, template(256, (1, 4), (8, 4)))), session.templates, NOW_NS)
    return session


def again(session: ExporterSession, age: float = 60.0) -> ExporterSession:
    """A new session that takes over what was saved of ``session``, through a file."""
    body = enclosed([line_of(snapshot(session, float(NOW)))], float(NOW))
    (saved,) = lines_in(body).values()
    fresh = new_session()
    fresh.templates.now = NOW + age
    assert take_over(fresh, parse_line(saved.line), NOW + age)
    return fresh


def test_everything_comes_back() -> None:
    """Templates with their times and ports, ports kept apart, and every row of the tables."""
    before = taught()
    after = again(before)
    assert snapshot(after, 0.0) | {"sequences": 0} == snapshot(before, 0.0) | {"sequences": 0}
    assert after.restored_age == 60.0
    assert all(known.restored for known in after.templates.store.templates.values())
    assert after.templates.store.domains[9, 1].sampling.ids.tolist() == [3]


def test_ports_are_still_told_apart() -> None:
    """Each port's records are read with its own template from the first one on."""
    after = again(taught())
    data = v9(a_set(256, number(1, 4), number(2, 4)), count=1)
    found = []
    for port in (5000, 5001):
        after.templates.begin(port, NOW + 70.0)
        (records,) = walk(data, after.templates, NOW_NS).sets
        found += records.layout.columns([records], None).column("in_bytes").tolist()
    assert found == [2, 1]


def test_what_was_learned_since_stays() -> None:
    """The file is loaded while datagrams come in already; the newer knowledge wins."""
    saved = parse_line(line_of(snapshot(taught(), float(NOW))))
    fresh = new_session()
    fresh.templates.begin(5000, NOW + 5.0)
    newer = v9_options(300, [(1, 4)], [(48, 2), (34, 4)])
    walk(v9(a_set(0, template(256, (1, 4), (8, 4))), a_set(1, newer)), fresh.templates, NOW_NS)
    walk(v9(a_set(300, number(1, 4), number(3, 2), number(999, 4))), fresh.templates, NOW_NS)
    take_over(fresh, saved, NOW + 6.0)
    known = fresh.templates.store.templates[9, 1, 256]
    assert (known.content, known.restored) == (specifiers([(1, 4), (8, 4)]), False)
    assert fresh.templates.store.domains[9, 1].samplers[3].rate == 999


def test_state_that_is_too_old_is_left_out() -> None:
    """After a day the address may belong to another router."""
    fresh = new_session()
    saved = parse_line(line_of(snapshot(taught(), float(NOW))))
    assert not take_over(fresh, saved, NOW + MAX_AGE_SECONDS + 1)
    assert len(fresh.templates) == 0


def test_limits_hold_for_what_comes_back_too() -> None:
    """A file with more templates than are allowed now fills no more than the limits."""
    session = new_session()
    session.templates.begin(5000, float(NOW))
    for template_id in range(256, 300):
        session.templates.learn(9, 1, template_id, specifiers(FIELDS))
    fresh = new_session(TemplateLimits(templates=10))
    take_over(fresh, parse_line(line_of(snapshot(session, float(NOW)))), float(NOW))
    assert len(fresh.templates) == 10


def test_a_bad_template_in_the_file_is_refused() -> None:
    """Templates are checked as if they had been sent."""
    value = snapshot(taught(), float(NOW))
    value["templates"] = [[9, 1, 256, 0, float(NOW), [], specifiers([(8, 3)]).hex()]]
    fresh = new_session()
    take_over(fresh, parse_line(line_of(value)), float(NOW))
    assert (len(fresh.templates), fresh.templates.refused) == (0, 1)


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_file_that_was_cut_is_damaged(cut: int) -> None:
    """The foot is missing, or its check sum is another one."""
    body = enclosed([line_of(snapshot(taught(), float(NOW)))], float(NOW))
    with pytest.raises(MalformedInput):
        lines_in(body[:-cut])
    with pytest.raises(MalformedInput):
        lines_in(body[:50] + bytes([body[50] ^ 1]) + body[51:])


def test_another_format_is_damaged() -> None:
    """A later release's file is not guessed at."""
    head = line_of({"format": 2, "saved": 0}) + b"\n"
    with pytest.raises(MalformedInput, match="format"):
        lines_in(head + line_of({"sessions": 0, "crc32": zlib.crc32(head)}) + b"\n")


@given(st.binary(max_size=300))
def test_any_bytes_as_a_file(body: bytes) -> None:
    """Sessions, or ``MalformedInput``, and nothing else."""
    with contextlib.suppress(MalformedInput):
        lines_in(body)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("00010004"),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
KEYS = list(snapshot(taught(), 0.0))
DOMAIN_KEYS = list(snapshot(taught(), 0.0)["domains"][0])


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(KEYS + DOMAIN_KEYS), plain, st.integers(0, 6), st.integers(0, 6))
def test_any_value_in_the_place_of_a_good_one(key: str, value: object, row: int, column: int) -> None:
    """One value anywhere in a line is replaced: it is refused, or taken over without harm and saved again."""
    whole = snapshot(taught(), float(NOW))
    place = whole if key in KEYS else whole["domains"][0]
    good = place[key]
    if isinstance(good, list) and good and isinstance(good[row % len(good)], list):
        good[row % len(good)][column % len(good[row % len(good)])] = value
    else:
        place[key] = value
    try:
        saved = parse_line(json.dumps(whole).encode())
    except MalformedInput:
        return
    fresh = new_session()
    take_over(fresh, saved, float(NOW))
    assert parse_line(line_of(snapshot(fresh, float(NOW)))).key == "192.0.2.1"
