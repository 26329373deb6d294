"""Templates of one session over time: refreshed, expired, withdrawn, told apart by port, and the room all share."""

from __future__ import annotations

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.portsplit import MAX_PORTS, PROOF_SECONDS, PortSplits
from kproxy_tw.decode.templates.room import StateRoom
from kproxy_tw.decode.templates.table import TemplateLimits
from tests.decode.netflow_bytes import NOW_NS, Fields, a_set, ipfix, number, specifiers, template, v9, v9_options

ONE: Fields = ((8, 4), (1, 4))
OTHER: Fields = ((1, 4), (8, 4))
DAY = 24 * 3600.0


def octets(templates: TemplateCache, port: int, now: float, data: bytes) -> list[int]:
    """``in_bytes`` of the records of a datagram from ``port``."""
    templates.begin(port, now)
    sets = walk(data, templates, NOW_NS).sets
    return [int(value) for found in sets for value in found.layout.columns([found], None).column("in_bytes")]


def flows(value: int, other: int) -> bytes:
    """One record of two 4-byte fields."""
    return v9(a_set(256, number(value, 4), number(other, 4)), count=1)


def test_a_template_that_is_not_sent_again_expires() -> None:
    """After 24 hours, and the counter says so; one that is refreshed holds on."""
    templates = TemplateCache()
    templates.begin(5000, 0.0)
    for template_id in (256, 257):
        templates.learn(10, 1, template_id, specifiers(ONE))
    templates.begin(5000, DAY / 2)
    templates.learn(10, 1, 256, specifiers(ONE))
    templates.expire(DAY + 1)
    assert templates.find(10, 1, 256) is not None
    assert templates.find(10, 1, 257) is None
    assert templates.expired == 1


def test_withdrawals_are_ignored_over_udp_and_obeyed_over_tcp() -> None:
    """RFC 7011 sections 8.1 and 8.4: one template, or all of a kind."""
    message = ipfix(a_set(2, template(256, *ONE), template(257, *ONE)))
    for withdrawal, left in ((b"\1\0\0\0", 1), (b"\0\2\0\0", 0)):
        for reliable in (False, True):
            templates = TemplateCache(withdrawable=reliable)
            walk(message, templates, NOW_NS)
            walk(ipfix(a_set(2, withdrawal)), templates, NOW_NS)
            assert len(templates) == (left if reliable else 2)


def test_all_options_templates_are_withdrawn_by_their_own_number() -> None:
    """3 stands for options templates, data templates stay."""
    templates = TemplateCache(withdrawable=True)
    templates.learn(10, 1, 256, specifiers(ONE))
    templates.learn(10, 1, 300, specifiers([(302, 4), (34, 4)]), 1)
    walk(ipfix(a_set(3, b"\0\3\0\0")), templates, NOW_NS)
    assert list(templates.store.templates) == [(10, 1, 256)]


def test_two_routers_behind_one_address_are_told_apart_by_port() -> None:
    """From the first template that differs on, each port's records are read with its own; both heard: a notice."""
    templates = TemplateCache()
    assert octets(templates, 5001, 10.0, v9(a_set(0, template(256, *ONE)))) == []
    assert octets(templates, 5002, 11.0, v9(a_set(0, template(256, *OTHER)))) == []
    assert octets(templates, 5001, 12.0, flows(1, 2)) == [2]
    assert octets(templates, 5002, 13.0, flows(1, 2)) == [1]
    (notice,) = templates.notices.take()
    assert notice.kind == "template_conflict"
    assert "5002" in notice.text
    assert sorted((each["port"], each["id"]) for each in templates.describe()) == [(0, 256), (5002, 256)]


def test_a_router_that_restarts_with_another_port_is_no_conflict() -> None:
    """Its old port is not heard any more, so there is one router."""
    templates = TemplateCache()
    octets(templates, 5001, 10.0, v9(a_set(0, template(256, *ONE))))
    octets(templates, 5002, 20.0, v9(a_set(0, template(256, *OTHER))))
    for second in range(30):
        assert octets(templates, 5002, 21.0 + second, flows(1, 2)) == [1]
    assert templates.notices.take() == []
    assert templates.splits.proved() == []


def test_options_from_another_port_are_shared() -> None:
    """Many routers send options from a port of its own; without contradiction an address is one session."""
    templates = TemplateCache()
    octets(templates, 5001, 10.0, v9(a_set(0, template(256, *ONE))))
    options = v9_options(300, [(1, 4)], [(34, 4)])
    octets(templates, 5002, 11.0, v9(a_set(1, options), a_set(300, number(1, 4), number(250, 4))))
    templates.begin(5001, 12.0)
    (found,) = walk(flows(1, 2), templates, NOW_NS).sets
    assert found.domain is not None
    assert found.domain.sampling.domain_rate == 250


def test_the_same_port_may_change_its_template() -> None:
    """That is an ordinary change, and both ports that taught the old one follow it alone."""
    templates = TemplateCache()
    octets(templates, 5001, 10.0, v9(a_set(0, template(256, *ONE))))
    octets(templates, 5001, 11.0, v9(a_set(0, template(256, *OTHER))))
    assert octets(templates, 5001, 12.0, flows(1, 2)) == [1]
    assert not templates.splits


def test_what_both_ports_had_taught_alike_holds_for_both() -> None:
    """The port that is split off takes along the templates that it has sent itself."""
    templates = TemplateCache()
    for port in (5001, 5002):
        octets(templates, port, 10.0, v9(a_set(0, template(257, *ONE))))
    octets(templates, 5001, 11.0, v9(a_set(0, template(256, *ONE))))
    octets(templates, 5002, 12.0, v9(a_set(0, template(256, *OTHER))))
    assert octets(templates, 5002, 13.0, v9(a_set(257, number(1, 4), number(2, 4)), count=1)) == [2]


def test_a_refused_template_splits_nothing() -> None:
    """Only a valid template can contradict."""
    templates = TemplateCache()
    octets(templates, 5001, 10.0, v9(a_set(0, template(256, *ONE))))
    octets(templates, 5002, 11.0, v9(a_set(0, template(256, (8, 3)))))
    assert (templates.refused, bool(templates.splits)) == (1, False)


def test_ports_apart_are_bounded() -> None:
    """Beyond 8 ports the others share the common state."""
    splits = PortSplits()
    keys = [splits.split(9, 1, port, 0.0) for port in range(1, MAX_PORTS + 3)]
    assert len(set(keys)) == MAX_PORTS + 1
    assert keys[-1] == 1


def test_proof_needs_both_sides_in_time() -> None:
    """A port heard once long after is no second router at the same time."""
    splits = PortSplits()
    splits.split(9, 1, 5002, 10.0)
    assert list(splits.heard(5002, 11.0)) == []
    assert list(splits.heard(5001, 12.0 + PROOF_SECONDS)) == []
    assert list(splits.heard(5002, 13.0 + PROOF_SECONDS)) == [(9, 1)]
    assert list(splits.heard(5001, 14.0 + PROOF_SECONDS)) == []


def test_all_exporters_share_a_limit() -> None:
    """The exporter that was heard of longest ago makes room, whichever exporter needs it."""
    room = StateRoom(templates=3)
    old, new = TemplateCache(room=room), TemplateCache(room=room)
    for cache, numbers in ((old, (256, 257)), (new, (256, 257))):
        cache.begin(1, 0.0)
        for template_id in numbers:
            cache.learn(10, 1, template_id, specifiers(ONE))
    assert (len(old), len(new), room.templates) == (1, 2, 3)
    assert old.evicted == 1


def test_a_closed_session_gives_its_room_back() -> None:
    """Templates, fields, option rows, and what waited."""
    room = StateRoom()
    cache = TemplateCache(room=room)
    cache.begin(1, 0.0)
    options = v9_options(300, [(1, 4)], [(48, 2), (34, 4)])
    walk(v9(a_set(1, options), a_set(300, number(1, 4), number(5, 2), number(10, 4))), cache, NOW_NS)
    walk(v9(a_set(999, b"abcd")), cache, NOW_NS)
    assert (room.templates, room.fields, room.options.used) == (1, 3, 1)
    assert cache.close() == 1
    assert (room.templates, room.fields, room.options.used, room.held.used) == (0, 0, 0, 0)


def test_the_last_template_of_a_domain_may_change_without_losing_the_tables() -> None:
    """Option data stays when the only template of its domain is replaced."""
    cache = TemplateCache(TemplateLimits(templates=1))
    options = v9_options(300, [(1, 4)], [(34, 4)])
    walk(v9(a_set(1, options), a_set(300, number(1, 4), number(10, 4))), cache, NOW_NS)
    walk(v9(a_set(1, v9_options(300, [(1, 4)], [(34, 4), (35, 1)]))), cache, NOW_NS)
    assert cache.store.domains[9, 1].sampling.domain_rate == 10
