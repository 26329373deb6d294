"""IPFIX: message framing, enterprise elements, variable lengths, withdrawals."""

from __future__ import annotations

import numpy as np
import pytest

from kproxy_tw.decode import ipfix
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from tests.decode.netflow_bytes import NOW_NS, a_set, ipfix_options, number, template
from tests.decode.netflow_bytes import ipfix as message

PAIR = template(256, (8, 4), (1, 8))


def record(octets: int) -> bytes:
    """A record of ``PAIR``."""
    return b"\x0a\0\0\1" + number(octets, 8)


def taken(data: bytes, templates: TemplateCache | None = None) -> Walk:
    """The walk of a datagram."""
    return ipfix.walk(data, TemplateCache() if templates is None else templates, NOW_NS)


def octets(found: Walk) -> list[int]:
    """The bytes of all flows."""
    return [int(n) for each in found.sets for n in each.layout.columns([each], None).column("in_bytes")]


def test_records() -> None:
    """Template and records of one message."""
    found = taken(message(a_set(2, PAIR), a_set(256, record(2**40), record(1))))
    assert (found.flow_type, found.records, octets(found)) == ("ipfix", 2, [2**40, 1])


def test_several_messages_in_one_datagram() -> None:
    """Each message has its own domain; all are walked."""
    first = message(a_set(2, PAIR), a_set(256, record(1)), domain=1)
    second = message(a_set(2, PAIR), a_set(256, record(2)), domain=2)
    found = taken(first + second + b"\0" * 8)
    assert (octets(found), found.malformed) == ([1, 2], 0)


def test_rubbish_behind_a_message() -> None:
    """The message stays, the rest is counted as one malformed record."""
    found = taken(message(a_set(2, PAIR), a_set(256, record(1))) + b"rubbish")
    assert (octets(found), found.malformed, found.records) == ([1], 1, 2)


@pytest.mark.parametrize("data", [message()[:15], message(length=15), message(length=17), message(a_set(2, PAIR))[:-1]])
def test_unusable_lengths(data: bytes) -> None:
    """A message shorter than its header, or longer than the datagram, is malformed."""
    with pytest.raises(MalformedInput):
        taken(data)


def test_enterprise_elements_are_stepped_over() -> None:
    """An unknown enterprise's element 1 is not the octets of IANA's element 1."""
    vendor = template(300, (1, 4, 9999), (1, 4), (5000, 3, 9999))
    assert octets(taken(message(a_set(2, vendor), a_set(300, number(7, 4), number(8, 4), b"abc")))) == [8]


def varying(*, octets: int, name: bytes, packets: int) -> bytes:
    """A record of octets, a name of variable length in its shortest form, and packets."""
    length = number(len(name), 1) if len(name) < 255 else b"\xff" + number(len(name), 2)
    return number(octets, 4) + length + name + number(packets, 3)


VARYING = template(300, (1, 4), (96, 65535), (2, 3))


@pytest.mark.parametrize("chosen", [None, [0, 2, 3], [1], []])
def test_variable_lengths(chosen: list[int] | None) -> None:
    """Short, empty, long (3-byte form) names: the numbers on both sides come out, also for chosen records."""
    names = [b"a", b"", b"x" * 254, b"y" * 300]
    rows = [varying(octets=100 + i, name=name, packets=2**20 + i) for i, name in enumerate(names)]
    first = taken(message(a_set(2, VARYING), a_set(300, *rows[:2])), templates := TemplateCache())
    second = taken(message(a_set(300, *rows[2:])), templates)
    sets = first.sets + second.sets
    batch = sets[0].layout.columns(sets, None if chosen is None else np.array(chosen, np.intp))
    expected = range(4) if chosen is None else chosen
    assert batch.column("in_bytes").tolist() == [100 + i for i in expected]
    assert batch.column("in_pkts").tolist() == [2**20 + i for i in expected]


def test_the_long_form_for_short_contents() -> None:
    """RFC 7011 allows the 3-byte length for any content."""
    row = number(5, 4) + b"\xff\0\2hi" + number(6, 3)
    assert octets(taken(message(a_set(2, VARYING), a_set(300, row, row)))) == [5, 5]


def test_a_variable_record_beyond_its_set() -> None:
    """The whole record before stays, the one that reaches out of the set is counted."""
    rows = varying(octets=1, name=b"ok", packets=1) + number(2, 4) + b"\xc8" + b"short"
    found = taken(message(a_set(2, VARYING), a_set(300, rows)))
    assert (octets(found), found.malformed, found.records) == ([1], 1, 2)


@pytest.mark.parametrize("cut", [b"\3abc", b"\3ab", b"\2ab\xff", b"\1a\xff\0", b"\0\xff\0\1"])
def test_a_variable_record_that_ends_in_its_lengths(cut: bytes) -> None:
    """The set ends where a length, its long form, or the contents should stand."""
    names = template(300, (96, 65535), (82, 65535))
    found = taken(message(a_set(2, names), a_set(300, b"\1a\1b", cut)))
    assert ([records.count for records in found.sets], found.malformed) == ([1], 1)


def test_only_variable_fields() -> None:
    """A template without any fixed field has records too."""
    names = template(300, (96, 65535), (82, 65535))
    (records,) = taken(message(a_set(2, names), a_set(300, b"\1a\1b\1c\1d"))).sets
    assert records.layout.columns([records], None).length == 2


def test_padding_behind_templates() -> None:
    """Zeros up to the end of a set of templates are no template."""
    templates = TemplateCache()
    options = ipfix_options(400, [(149, 4)], [(305, 4)])
    found = taken(message(a_set(2, PAIR, b"\0" * 6), a_set(3, options, b"\0" * 7)), templates)
    assert (len(templates), templates.refused, found.malformed) == (2, 0, 0)


def test_withdrawals_are_ignored() -> None:
    """Over UDP a withdrawal does nothing (RFC 7011 section 8.4), and is no bad template."""
    templates = TemplateCache()
    taken(message(a_set(2, PAIR)), templates)
    taken(message(a_set(2, number(256, 2), number(0, 2)), a_set(3, number(257, 2), number(0, 2))), templates)
    assert octets(taken(message(a_set(256, record(4))), templates)) == [4]
    assert templates.refused == 0


def test_options_with_scope_and_enterprise() -> None:
    """Options templates: enterprise scope fields keep specifiers in step, records are no flows."""
    templates = TemplateCache()
    options = ipfix_options(400, [(10, 4, 6871), (149, 4)], [(305, 4), (6, 2, 6871)])
    found = taken(message(a_set(3, options), a_set(400, b"\1" * 28), a_set(500, b"\1" * 9)), templates)
    assert (found.records, found.held) == (1, 1)
    (described,) = templates.describe()
    fields = described["fields"]
    assert isinstance(fields, list)
    assert [(each["id"], each["pen"], each["length"], each["scope"]) for each in fields] == [
        (10, 6871, 4, True),
        (149, 0, 4, True),
        (305, 0, 4, False),
        (6, 6871, 2, False),
    ]


def test_options_without_scope_are_refused() -> None:
    """RFC 7011 section 3.4.2.2: the scope count must not be zero."""
    templates = TemplateCache()
    taken(message(a_set(3, ipfix_options(400, [], [(305, 4)]))), templates)
    assert (templates.refused, len(templates)) == (1, 0)
