"""What goes through the pipe from the capturing child."""

from __future__ import annotations

import contextlib
import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.md5.record import RECORD_BYTES, Counts, Problem, Ready, Record, RecordStream, decode, encode
from kproxy_tw.bgp.md5.syn import parse_syn
from kproxy_tw.errors import MalformedInput
from tests.bgp.md5.syn_packets import SIGNED_IPV4, SIGNED_IPV6, packet, unsigned

RECORDS: list[Record] = [
    Ready(),
    parse_syn(SIGNED_IPV4, 7),
    parse_syn(SIGNED_IPV6, 2**31),
    unsigned("10.0.0.1"),
    parse_syn(packet("10.0.0.1", b"\x1d\x10" + bytes(14))),
    Counts(syns=1, shed=2, malformed=3, kernel_drops=2**40),
    Problem(19),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_there_and_back(record: Record) -> None:
    """Each kind of record survives, in the one size that all have."""
    assert len(encode(record)) == RECORD_BYTES
    assert decode(encode(record)) == record


def test_a_record_is_written_whole_or_not_at_all() -> None:
    """POSIX promises it for writes of up to PIPE_BUF bytes."""
    assert RECORD_BYTES <= select.PIPE_BUF


def test_an_ipv4_source_stays_one() -> None:
    """Four bytes come back as four bytes, not as an IPv6 address."""
    stream = RecordStream()
    (syn,) = stream.feed(encode(parse_syn(SIGNED_IPV4)))
    assert str(getattr(syn, "source", "")) == "127.0.0.9"


@given(st.lists(st.integers(0, 200), max_size=12))
def test_any_cuts(cuts: list[int]) -> None:
    """However the pipe cuts the bytes, the same records come out."""
    data, stream, found = b"".join(map(encode, RECORDS)), RecordStream(), []
    for cut in [*cuts, len(data)]:
        part, data = data[:cut], data[cut:]
        found += stream.feed(part)
    assert found == RECORDS


@given(st.binary(max_size=4 * RECORD_BYTES))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are records or malformed."""
    with contextlib.suppress(MalformedInput):
        assert len(RecordStream().feed(data)) == len(data) // RECORD_BYTES
