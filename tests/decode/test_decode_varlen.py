"""Records of variable length: where they begin, what is padding, and that nothing is read beyond them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode import ipfix, netflow9
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.varlen import gather, record_starts
from kproxy_tw.errors import MalformedInput
from tests.decode.netflow_bytes import NOW_NS, a_set, number, template, v9
from tests.decode.netflow_bytes import ipfix as message

SEGMENTS = (2, 1, 3)


def encoded(texts: list[bytes], *, long: bool = False) -> bytes:
    """A record of SEGMENTS with these bytes between them."""
    parts = [b"\x01\x02"]
    for text, fixed in zip(texts, (b"\x03", b"\x04\x05\x06"), strict=True):
        wide = long or len(text) > 254
        parts += [b"\xff" + number(len(text), 2) if wide else number(len(text), 1), text, fixed]
    return b"".join(parts)


PAIRS = st.lists(st.binary(max_size=300), min_size=2, max_size=2)


@given(st.lists(st.tuples(PAIRS, st.booleans()), min_size=1, max_size=8))
def test_both_forms_of_length(records: list[tuple[list[bytes], bool]]) -> None:
    """Every record is found and every field comes out, whichever form its length has (also the long one for short)."""
    body = b"".join(encoded(texts, long=long) for texts, long in records)
    starts, end = record_starts(SEGMENTS, body, 0, len(body))
    assert (len(starts), end) == (len(records), len(body))
    rows = gather(SEGMENTS, np.frombuffer(body, np.uint8), np.array(starts, np.intp))
    assert rows.matrix.tolist() == [[1, 2, 3, 4, 5, 6]] * len(records)
    for field in range(2):
        found = [
            rows.data[start : start + size].tobytes()
            for start, size in zip(rows.starts[field].tolist(), rows.sizes[field].tolist(), strict=True)
        ]
        assert found == [texts[field] for texts, _ in records]


@given(st.binary(max_size=400))
def test_any_bytes(body: bytes) -> None:
    """Whatever stands there, records lie one behind the other inside of the body, and all of them can be gathered."""
    starts, end = record_starts(SEGMENTS, body, 0, len(body))
    assert end <= len(body)
    assert starts == sorted(set(starts))
    assert len(gather(SEGMENTS, np.frombuffer(body[:end], np.uint8), np.array(starts, np.intp))) == len(starts)


@given(st.binary(max_size=60), st.lists(st.integers(0, 70), max_size=4))
def test_positions_that_are_none(body: bytes, positions: list[int]) -> None:
    """Positions that no walk gave lead to rows or to MalformedInput, and nothing else."""
    try:
        gather(SEGMENTS, np.frombuffer(body, np.uint8), np.array(positions, np.intp))
    except MalformedInput:
        return


@pytest.mark.parametrize("padding", range(8))
def test_padding(padding: int) -> None:
    """0 to 7 zeros at the end of a set are padding, even where they could be an empty record."""
    data = message(a_set(2, template(300, (96, 65535), (94, 65535))), a_set(300, b"\2ab\1c", bytes(padding)))
    found = ipfix.walk(data, TemplateCache(), NOW_NS)
    assert (found.records, found.malformed) == (1, 0)


@pytest.mark.parametrize("padding", range(8))
def test_padding_of_small_fixed_records(padding: int) -> None:
    """The same behind records of a fixed length that are shorter than the padding."""
    data = message(a_set(2, template(300, (4, 1), (7, 2))), a_set(300, b"\6\0\x50", bytes(padding)))
    found = ipfix.walk(data, TemplateCache(), NOW_NS)
    assert (found.records, found.malformed) == (1, 0)


def names(found: Walk) -> list[bytes]:
    """The application names of the records."""
    (records,) = found.sets
    batch = records.layout.columns([records], None, frozenset({"applicationname"}))
    return list(batch.custom["applicationname"].tolist())


def test_variable_length_in_netflow_v9() -> None:
    """H3C and others use IPFIX's form in NetFlow v9."""
    shape = template(300, (8, 4), (96, 65535), (1, 4))
    data = a_set(300, *(number(1, 4) + number(len(name), 1) + name + number(5, 4) for name in (b"ssh", b"", b"https")))
    assert names(netflow9.walk(v9(a_set(0, shape), data), TemplateCache(), NOW_NS)) == [b"ssh", b"", b"https"]


@pytest.mark.parametrize("element", [291, 292, 293])
@pytest.mark.parametrize("size", [0, 3, 254, 255, 1000])
def test_structured_data_is_stepped_over(element: int, size: int) -> None:
    """Lists are skipped by their length; what stands behind them in the record is read."""
    told = number(size, 1) if size < 255 else b"\xff" + number(size, 2)
    record = number(7, 4) + told + b"\xee" * size + number(99, 4)
    data = message(a_set(2, template(300, (8, 4), (element, 65535), (1, 4))), a_set(300, record, record))
    (records,) = ipfix.walk(data, TemplateCache(), NOW_NS).sets
    batch = records.layout.columns([records], None)
    assert (batch.column("ipv4_src_addr").tolist(), batch.column("in_bytes").tolist()) == ([7, 7], [99, 99])


def test_structured_data_of_a_fixed_length() -> None:
    """A list may have a fixed length too."""
    data = message(a_set(2, template(300, (292, 5), (1, 2))), a_set(300, b"\xee" * 5 + b"\0\x09"))
    (records,) = ipfix.walk(data, TemplateCache(), NOW_NS).sets
    assert records.layout.columns([records], None).column("in_bytes").tolist() == [9]


def test_a_number_of_variable_length() -> None:
    """applicationId may have any length; up to 8 bytes it is a number."""
    shape = template(300, (95, 65535), (8, 4))
    records = [b"\4\x0d\0\0\1" + number(1, 4), b"\0" + number(2, 4), b"\x09" + b"\7" * 9 + number(3, 4)]
    (found,) = ipfix.walk(message(a_set(2, shape), a_set(300, *records)), TemplateCache(), NOW_NS).sets
    batch = found.layout.columns([found], None, frozenset({"applicationid"}))
    assert batch.column("ipv4_src_addr").tolist() == [1, 2, 3]
    assert batch.custom["applicationid"].tolist() == [0x0D000001, 0, 0x0707070707070707]
