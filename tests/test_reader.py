"""The bounded cursor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader, unpacker


def test_reads_network_order_integers_one_after_the_other() -> None:
    """Integers are big-endian and each read moves the position."""
    reader = Reader(bytes(range(1, 16)))
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (
        0x01,
        0x0203,
        0x04050607,
        0x08090A0B0C0D0E0F,
    )
    assert reader.remaining == 0


def test_a_part_ends_where_it_was_told_to() -> None:
    """A reader for a length-prefixed part cannot leave it, and the outer one stands behind it."""
    reader = Reader(b"\x01\x02\x03\x04")
    part = reader.part(2)
    assert part.take(2) == b"\x01\x02"
    with pytest.raises(MalformedInput):
        part.u8()
    assert reader.u8() == 3


@pytest.mark.parametrize("size", [-1, 5, 1 << 40])
def test_impossible_sizes_are_malformed(size: int) -> None:
    """A negative or too large size is the peer's fault, never a slice that is silently short."""
    with pytest.raises(MalformedInput):
        Reader(b"1234").take(size)


def test_bounds_outside_of_the_data_are_malformed() -> None:
    """A reader cannot be opened over bytes that are not there."""
    with pytest.raises(MalformedInput):
        Reader(b"1234", 2, 5)


def test_an_unpacker_tells_what_is_missing() -> None:
    """Precompiled layouts raise the same error, with figures."""
    with pytest.raises(MalformedInput, match="4 bytes wanted at offset 2, 1 are there"):
        unpacker("HH")(b"123", 2)


@given(st.binary(max_size=40), st.lists(st.integers(min_value=-2, max_value=20)))
def test_any_sequence_of_reads_gives_bytes_or_malformed(data: bytes, sizes: list[int]) -> None:
    """What was read, joined, is a prefix of the data whatever is asked for."""
    reader = Reader(data)
    taken = b""
    for size in sizes:
        try:
            taken += reader.take(size)
        except MalformedInput:
            break
    assert data.startswith(taken)
    assert reader.remaining == len(data) - len(taken)
