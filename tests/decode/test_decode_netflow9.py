"""NetFlow v9: sets, templates, options, and what is counted when something is missing."""

from __future__ import annotations

import struct

import pytest

from kproxy_tw.decode import netflow9
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from tests.decode.netflow_bytes import NOW_NS, a_set, number, template, v9, v9_options

PAIR = template(256, (8, 4), (1, 2))
"""A source address and 2 bytes of octets: records of 6 bytes."""


def record(octets: int) -> bytes:
    """A record of ``PAIR``."""
    return b"\x0a\0\0\1" + number(octets, 2)


def taken(data: bytes, templates: TemplateCache | None = None) -> Walk:
    """The walk of a datagram."""
    return netflow9.walk(data, TemplateCache() if templates is None else templates, NOW_NS)


def octets(found: Walk) -> list[int]:
    """The bytes of all flows."""
    return [int(n) for each in found.sets for n in each.layout.columns([each], None).column("in_bytes")]


@pytest.mark.parametrize("padding", [b"", b"\0\0", b"\0" * 5])
def test_records_are_counted_and_padding_is_not(padding: bytes) -> None:
    """A data set holds as many records as fit; what is left is padding."""
    found = taken(v9(a_set(0, PAIR), a_set(256, record(7), record(9), padding)))
    assert (found.flow_type, found.records, found.malformed, found.no_template) == ("netflow9", 2, 0, 0)
    assert octets(found) == [7, 9]


def test_templates_last_for_later_datagrams() -> None:
    """A template of an earlier datagram decodes records of a later one, for its source id only."""
    templates = TemplateCache()
    taken(v9(a_set(0, PAIR), source=1), templates)
    assert octets(taken(v9(a_set(256, record(5)), source=1), templates)) == [5]
    assert taken(v9(a_set(256, record(5)), source=2), templates).held == 1


def test_padding_behind_templates() -> None:
    """Zeros up to the end of a set of templates are no template."""
    templates = TemplateCache()
    found = taken(v9(a_set(0, PAIR, b"\0" * 6), a_set(1, v9_options(257, [(1, 4)], [(34, 4)]), b"\0" * 7)), templates)
    assert (len(templates), templates.refused, found.malformed) == (2, 0, 0)


def test_records_before_their_template_in_one_datagram() -> None:
    """The order of sets in a datagram does not matter."""
    assert octets(taken(v9(a_set(256, record(5)), a_set(0, PAIR)))) == [5]


def test_a_template_rules_what_follows_it() -> None:
    """Records before a changed template are read with the old one, those behind it with the new one."""
    swapped = template(256, (1, 2), (8, 4))
    found = taken(v9(a_set(0, PAIR), a_set(256, record(1)), a_set(0, swapped), a_set(256, number(2, 2), b"\x0a\0\0\1")))
    assert octets(found) == [1, 2]


def test_options_records_are_no_flows() -> None:
    """Options templates are remembered, their records stepped over."""
    templates = TemplateCache()
    options = v9_options(257, [(1, 4)], [(34, 4), (35, 1)])
    found = taken(
        v9(a_set(1, options, b"\0\0"), a_set(257, b"\1" * 18), a_set(0, PAIR), a_set(256, record(3))), templates
    )
    assert (found.records, octets(found)) == (1, [3])
    (described,) = [each for each in templates.describe() if each["kind"] == "options"]
    assert described["fields"] == [
        {"name": "System", "id": 1, "pen": 0, "length": 4, "scope": True},
        {"name": "samplingInterval", "id": 34, "pen": 0, "length": 4, "scope": False},
        {"name": "samplingAlgorithm", "id": 35, "pen": 0, "length": 1, "scope": False},
    ]


def test_unknown_records_are_counted_by_the_header() -> None:
    """The header counts 1 template and 1 record that are known: the other 4 are in the set without template."""
    found = taken(v9(a_set(0, PAIR), a_set(256, record(1)), a_set(300, b"\1" * 48), count=6))
    assert (found.records, found.held) == (5, 4)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 60_000])
def test_unknown_records_with_an_implausible_header(count: int) -> None:
    """Where the header's count cannot be true, each of the 2 unknown sets counts 1."""
    found = taken(v9(a_set(0, PAIR), a_set(256, record(1)), a_set(300, b"\1" * 8), a_set(301, b"\1" * 8), count=count))
    assert found.held == 2


def test_unknown_records_beside_a_bad_set() -> None:
    """Where a set is broken nobody knows its records, so the header's count says nothing of the unknown set."""
    found = taken(v9(a_set(300, b"\1" * 48), a_set(7, b"bad!"), count=6))
    assert (found.held, found.malformed, found.records) == (1, 1, 2)


@pytest.mark.parametrize(
    "bad", [a_set(256, record(1), length=3), a_set(256, record(1), length=11), a_set(7, b"abcd"), a_set(256, b"\1\1\1")]
)
def test_a_bad_set_behind_good_ones(bad: bytes) -> None:
    """Impossible lengths, reserved ids, less than one record: the good sets stay, the bad one is counted."""
    found = taken(v9(a_set(0, PAIR), a_set(256, record(6)), bad))
    assert (octets(found), found.malformed, found.records) == ([6], 1, 2)


def test_a_datagram_filled_up_with_zeros() -> None:
    """Zeros behind the last set are padding, as some firewalls send them."""
    found = taken(v9(a_set(0, PAIR), a_set(256, record(6)), b"\0" * 900))
    assert (octets(found), found.malformed) == ([6], 0)


def test_variable_length_fields() -> None:
    """Some exporters use IPFIX's variable length in v9."""
    named = template(300, (236, 65535), (1, 4))
    found = taken(v9(a_set(0, named), a_set(300, b"\3vrf", number(500, 4), b"\0", number(600, 4))))
    assert octets(found) == [500, 600]


def test_element_numbers_with_the_upper_bit() -> None:
    """In v9 there are no enterprise numbers: the upper bit belongs to the element's number."""
    acl = struct.pack("!HHHHHH", 300, 2, 33000, 12, 1, 4)
    assert octets(taken(v9(a_set(0, acl), a_set(300, b"\xff" * 12, number(70, 4))))) == [70]


@pytest.mark.parametrize("body", [struct.pack("!HHHH", 300, 2, 1, 4), struct.pack("!HHH", 300, 1, 1)])
def test_a_cut_template(body: bytes) -> None:
    """A template that ends before its last field counts as a set that breaks the format."""
    assert taken(v9(a_set(0, body))).malformed == 1


@pytest.mark.parametrize(("scope_bytes", "option_bytes"), [(3, 4), (4, 5), (0, 8)])
def test_options_templates_with_impossible_lengths(scope_bytes: int, option_bytes: int) -> None:
    """Lengths that are not whole specifiers, or no scope at all: refused and counted."""
    templates = TemplateCache()
    body = struct.pack("!HHH", 300, scope_bytes, option_bytes) + struct.pack("!HHHH", 1, 4, 34, 4) + b"\0"
    taken(v9(a_set(1, body)), templates)
    assert (templates.refused, len(templates)) == (1, 0)


def test_a_cut_header() -> None:
    """A datagram shorter than its header is malformed."""
    with pytest.raises(MalformedInput):
        taken(v9()[:19])
