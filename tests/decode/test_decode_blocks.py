"""Memory for what is joined: the right bytes, used again, and never by two at once."""

from __future__ import annotations

import gc
import mmap
from pathlib import Path
from threading import Thread

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.blocks import DROP_EACH, LEAST_BYTES, MAX_KEPT_BYTES, TRIM_EACH, Blocks, Joined


def pieces(total: int, first: int) -> list[bytes]:
    """Pieces of 1,000 bytes and less that make ``total`` together."""
    whole = bytes((first + step) % 251 for step in range(251)) * (total // 251 + 1)
    return [whole[start : min(start + 1000, total)] for start in range(0, total, 1000)]


def address(joined: Joined) -> int:
    """Where it stands."""
    return int(np.frombuffer(joined, np.uint8).ctypes.data)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3 * LEAST_BYTES), st.booleans()), max_size=8))
def test_what_is_joined_stays_as_it_is(sizes: list[tuple[int, bool]]) -> None:
    """Whatever is joined and let go meanwhile."""
    blocks, held = Blocks(), list[tuple[Joined, bytes]]()
    for number, (size, keep) in enumerate(sizes):
        parts = pieces(size, number)
        joined = blocks.join(parts)
        assert bytes(joined) == b"".join(parts)
        if keep:
            held.append((joined, b"".join(parts)))
    for joined, expected in held:
        assert bytes(joined) == expected


def test_a_block_is_used_again_when_nobody_holds_it() -> None:
    """A part of it that is held keeps it, in whatever thread it is let go."""
    blocks = Blocks()
    first = blocks.join(pieces(LEAST_BYTES, 1))
    where, part = address(first), np.frombuffer(first, np.uint8)[100:200]
    del first
    second = blocks.join(pieces(LEAST_BYTES, 2))
    assert address(second) != where
    held = [part]
    del part
    letting_go = Thread(target=held.clear)
    letting_go.start()
    letting_go.join()
    gc.collect()
    assert address(blocks.join(pieces(LEAST_BYTES - 1 + LEAST_BYTES // 2, 3))) not in {where, address(second)}
    assert address(blocks.join(pieces(LEAST_BYTES, 4))) == where


def test_what_is_small_and_what_is_too_much_is_not_kept() -> None:
    """Small pieces come from the heap, and what a rush needed is given back."""
    blocks = Blocks()
    assert isinstance(blocks.join(pieces(LEAST_BYTES - 1, 1)), bytes)
    many = [blocks.join([bytes(MAX_KEPT_BYTES // 8)]) for _block in range(12)]
    many.clear()
    assert sum(size * len(free) for size, free in blocks._free.items()) == MAX_KEPT_BYTES


def test_a_block_does_not_stay_as_full_as_it_once_was() -> None:
    """Of what an unusually large one filled, only what is needed now keeps memory."""
    blocks = Blocks()
    size = 4 * LEAST_BYTES
    where = address(blocks.join([bytes(size)]))
    assert pages(where, size) == size // mmap.PAGESIZE
    used = size // 2 + 1
    for _join in range(TRIM_EACH):
        assert bytes(blocks.join([b"x" * used])) == b"x" * used
    assert pages(where, size) == used // mmap.PAGESIZE + 1
    assert address(blocks.join([bytes(used)])) == where


def test_blocks_of_a_rush_go() -> None:
    """When one at a time is enough again, one is kept, and of a size that is not needed at all, none."""
    blocks = Blocks()
    rush = [blocks.join([bytes(size)]) for size in (LEAST_BYTES, 2 * LEAST_BYTES) for _block in range(5)]
    rush.clear()
    for _join in range(6 * DROP_EACH):
        blocks.join([bytes(LEAST_BYTES)])
    assert {size: len(free) for size, free in blocks._free.items()} == {LEAST_BYTES: 1, 2 * LEAST_BYTES: 0}


def pages(where: int, size: int) -> int:
    """How many pages of memory are behind so many bytes (proc_pid_pagemap(5): bit 63)."""
    with Path("/proc/self/pagemap").open("rb", buffering=0) as file:
        file.seek(where // mmap.PAGESIZE * 8)
        entries = np.frombuffer(file.read(size // mmap.PAGESIZE * 8), np.uint64)
    return int((entries >> np.uint64(63)).sum())
