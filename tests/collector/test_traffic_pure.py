"""Times, steps and drawings of charts: figures worked out by hand, and properties that hold for all."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.collector.traffic.chart import draw, nice_top
from kproxy_tw.collector.traffic.query import Amounts, Layer, Traffic
from kproxy_tw.collector.traffic.question import read_question
from kproxy_tw.collector.traffic.timerange import MAX_POINTS, read_range, read_time
from kproxy_tw.errors import MalformedInput

NOW = 1_790_000_017.5


@pytest.mark.parametrize(
    ("asked", "start", "stop", "step"),
    [
        ({}, 1_789_996_410, 1_790_000_010, 30),
        ({"range": "15m"}, 1_789_999_110, 1_790_000_010, 10),
        ({"range": "24h"}, 1_789_912_800, 1_789_999_200, 1200),
        ({"from": "1000", "to": "1060"}, 1000, 1060, 1),
        ({"from": "1970-01-01T01:00", "to": "1970-01-01T01:10"}, 3600, 4200, 5),
        ({"from": "1970-01-01T02:00+01:00", "to": "1970-01-01T01:10Z"}, 3600, 4200, 5),
    ],
)
def test_ranges(asked: dict[str, str], start: int, stop: int, step: int) -> None:
    """A span ends with the last whole step; ends that are given are in UTC unless they say otherwise."""
    found = read_range(asked.get, NOW)
    assert (found.start, found.stop, found.step) == (start, stop, step)


@given(st.integers(0, 4_000_000_000), st.integers(10, 90_000_000))
def test_a_range_has_few_whole_steps(start: int, seconds: int) -> None:
    """However long it is; it has all that was asked for, and its own address asks for it again."""
    asked = {"from": str(start), "to": str(start + seconds)}
    found = read_range(asked.get, NOW)
    assert found.start <= start
    assert start + seconds <= found.stop
    assert found.seconds % found.step == 0
    assert 1 <= found.points <= MAX_POINTS + 1
    for moved in (found.moved(-0.5), found.moved(0.5), found.scaled(2), found.scaled(0.5)):
        assert read_range(moved.query().get, NOW).points <= MAX_POINTS + 1


@settings(max_examples=300)
@given(st.text(max_size=50))
def test_any_time_is_read_or_refused(text: str) -> None:
    """Nothing else happens."""
    with suppress(MalformedInput):
        assert 0 <= read_time("from", text) <= 253_402_300_799


@given(st.floats(0, 1e15))
def test_the_top_of_an_axis(largest: float) -> None:
    """It is not less than what is drawn, and not more than two and a half times as much."""
    top, parts = nice_top(largest)
    assert top >= largest
    assert largest <= 1 or top <= 2.5 * largest
    assert 1 <= parts <= 5


def test_areas_are_stacked_stairs() -> None:
    """Two layers of 1, 3 and 1, 1 under a top of 4: heights of 300 units, widths of half a thousand."""
    question = read_question({"from": "0", "to": "10"}.get, NOW)
    values = [(1.0,) * 5 + (3.0,) * 5, (1.0,) * 10]
    layers = tuple(Layer(name, points) for name, points in zip("ab", values, strict=True))
    chart = draw(Traffic(question=question, whole=Amounts(), rows=(), layers=layers))
    assert chart.heights[0] == "4 bit/s"
    assert chart.heights[-1] == "0 bit/s"
    first, second = (re.findall(r"[MVH][\d.]+", area.path) for area in chart.areas)
    assert first[:4] == ["M0", "V225", "H100.00", "V225"]
    assert "V75" in first
    assert ("V150" in second, "V0" in second) == (True, True)
    assert chart.times[0] == "00:00:00"
