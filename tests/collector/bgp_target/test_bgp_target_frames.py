"""The guard's count of HTTP/2 frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.collector.bgp_target.guard.frames import COSTLY, PREFACE, WINDOWS, Flood, FrameBudget
from kproxy_tw.errors import MalformedInput
from tests.collector.bgp_target.raw_h2 import DATA, HEADERS, PING, RST_STREAM, WINDOW_UPDATE, frame

ONE_OF_EACH = b"".join(frame(kind, bytes(kind)) for kind in range(12))


def test_ordinary_traffic_costs_nothing() -> None:
    """A gigabyte of DATA with a window update for every 32 KiB is within the budget."""
    budget = FrameBudget(preface=PREFACE, now=0.0)
    budget.feed(PREFACE, 0.0)
    for number in range(32768):
        budget.feed(frame(DATA, bytes(16384), stream=1) * 2 + frame(WINDOW_UPDATE, bytes(4)), number / 3000)


@pytest.mark.parametrize("kind", [HEADERS, RST_STREAM, PING, 0x42])
def test_the_burst_and_no_more(kind: int) -> None:
    """So many at once pass, one more does not, and after a second there is room for those of a second."""
    budget = FrameBudget(preface=b"", now=0.0)
    for _ in range(int(COSTLY.burst)):
        budget.feed(frame(kind, bytes(8)), 0.0)
    for _ in range(int(COSTLY.per_second)):
        budget.feed(frame(kind, bytes(8)), 1.0)
    with pytest.raises(Flood, match="too many"):
        budget.feed(frame(kind, bytes(8)), 1.0)


def test_window_updates_have_a_budget_of_their_own() -> None:
    """They are more, and bounded."""
    budget = FrameBudget(preface=b"", now=0.0)
    budget.feed(frame(WINDOW_UPDATE, bytes(4)) * int(WINDOWS.burst), 0.0)
    with pytest.raises(Flood, match="WINDOW_UPDATE"):
        budget.feed(frame(WINDOW_UPDATE, bytes(4)), 0.0)


def test_the_last_data_frame_may_be_empty() -> None:
    """END_STREAM has to be said somehow; empty DATA without it is counted."""
    budget = FrameBudget(preface=b"", now=0.0)
    budget.feed(frame(DATA, stream=1, flags=1) * 5000, 0.0)
    with pytest.raises(Flood, match="DATA"):
        budget.feed(frame(DATA, stream=1) * 1001, 0.0)


@pytest.mark.parametrize("wrong", [b"GET / HTTP/1.1\r\n", PREFACE[:-1] + b"x", b"\x16\x03\x01"])
def test_another_preface(wrong: bytes) -> None:
    """What does not begin like HTTP/2 is refused at the first wrong byte."""
    with pytest.raises(MalformedInput, match="no HTTP/2"):
        FrameBudget(preface=PREFACE, now=0.0).feed(wrong, 0.0)


def test_a_frame_that_is_too_long() -> None:
    """Longer than any that the server announces."""
    with pytest.raises(MalformedInput, match="bytes"):
        FrameBudget(preface=b"", now=0.0).feed(b"\xff\xff\xff" + bytes(6), 0.0)


@given(st.lists(st.integers(1, 40), max_size=60))
def test_any_cut_of_the_bytes_counts_the_same(sizes: list[int]) -> None:
    """Where reads end makes no difference: the same frame is one too many."""
    rounds = int(COSTLY.burst) // 10 + 1
    stream = PREFACE + ONE_OF_EACH * rounds
    budget, position = FrameBudget(preface=PREFACE, now=0.0), 0
    for size in sizes:
        budget.feed(stream[position : position + size], 0.0)
        position += size
    # 10 of the 12 are counted as costly: not DATA, which has no payload here but is, and not WINDOW_UPDATE.
    with pytest.raises(Flood):
        budget.feed(stream[position:], 0.0)


@given(st.lists(st.binary(max_size=64), max_size=30))
def test_any_bytes(pieces: list[bytes]) -> None:
    """They pass, or are MalformedInput; nothing else comes out."""
    budget = FrameBudget(preface=b"", now=0.0)
    try:
        for number, piece in enumerate(pieces):
            budget.feed(piece, float(number))
    except MalformedInput:
        return
