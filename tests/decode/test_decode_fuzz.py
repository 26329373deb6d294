"""Any bytes are walked and decoded, or are malformed; nothing else happens."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.custom import field_names
from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.elements import ELEMENTS
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.kflow.encode import flatten
from tests.decode.netflow_bytes import NOW_NS, a_set, ipfix, ipfix_options, template, v5, v5_record, v9, v9_options

VERSIONS = (b"\0\5", b"\0\x09", b"\0\x0a")

numbers = st.one_of(st.sampled_from([number for pen, number in ELEMENTS if pen == 0]), st.integers(0, 0x7FFF))
lengths = st.one_of(st.integers(0, 20), st.just(65535), st.integers(0, 65535))
fields = st.lists(
    st.one_of(
        st.tuples(numbers, lengths),
        st.tuples(numbers, lengths, st.sampled_from([29305, 5951, 9, 637, 2636, 6871, 15397])),
    ),
    max_size=20,
)


WANTED = frozenset(name for key in ELEMENTS for name in field_names(*key))
"""A device that has a custom column for everything."""


def consume(data: bytes, templates: TemplateCache) -> None:
    """Walk, and decode all and some of what was found; the counts must agree."""
    try:
        found = walk(data, templates, NOW_NS)
    except MalformedInput:
        return
    assert found.records == sum(each.count for each in found.sets) + found.held + found.no_template + found.malformed
    for records in found.sets:
        whole = records.layout.columns([records], None, WANTED)
        assert records.count <= whole.length <= records.count * records.layout.flows_per_record
        assert all(len(column) == whole.length for column in (*whole.columns.values(), *whole.custom.values()))
        flatten(whole, device_id=1, column_ids=dict.fromkeys(whole.custom, 1))
        some = np.arange(0, records.count, 2)
        assert records.layout.columns([records], some).length >= len(some)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VERSIONS), st.binary(max_size=400))
def test_any_bytes(version: bytes, rest: bytes) -> None:
    """Random bytes behind a known version word."""
    consume(version + rest, TemplateCache())


@settings(max_examples=300, deadline=None)
@given(fields, st.binary(max_size=300), st.booleans())
def test_any_template_and_records(shape: list[tuple[int, ...]], body: bytes, options: bool) -> None:
    """Random templates, and random records under them, in both protocols."""
    plain = [field[:2] for field in shape]
    described = v9_options(256, plain[:1], plain[1:]) if options else template(256, *plain)
    consume(v9(a_set(1 if options else 0, described), a_set(256, body), count=2), TemplateCache())
    described = ipfix_options(256, shape[:1], shape[1:]) if options else template(256, *shape)
    consume(ipfix(a_set(3 if options else 2, described), a_set(256, body)), TemplateCache())


COMMON = template(256, (8, 4), (12, 4), (1, 8), (2, 3), (21, 4), (22, 4), (96, 65535), (4, 1), (29, 1), (27, 16))
RECORD = bytes(range(27)) + b"\5hello" + bytes(range(18))
WHOLE = (
    v5(v5_record(), v5_record(), sampling=100),
    v9(a_set(0, COMMON), a_set(1, v9_options(257, [(1, 4)], [(34, 4)])), a_set(256, RECORD * 3), a_set(257, b"\0" * 8)),
    ipfix(a_set(2, COMMON), a_set(256, RECORD * 3), a_set(3, ipfix_options(257, [(149, 4)], [(305, 4)]))),
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(2, 400), st.integers(0, 255)), max_size=6), st.integers(2)
)
def test_damaged_datagrams(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    """Valid datagrams with some bytes changed and the end cut off, and then a valid one on the same session."""
    damaged = bytearray(data)
    for position, byte in changes:
        damaged[position % len(data)] = byte
    damaged[:2] = data[:2]
    templates = TemplateCache()
    consume(bytes(damaged[:length]), templates)
    consume(data, templates)


def test_the_valid_datagrams_are_valid() -> None:
    """The damage above begins with datagrams that decode whole."""
    for data, expected in zip(WHOLE, (2, 3, 3), strict=True):
        found = walk(data, TemplateCache(), NOW_NS)
        assert (found.records, found.malformed, struct.unpack_from("!H", data)[0] in (5, 9, 10)) == (expected, 0, True)
