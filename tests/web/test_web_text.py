"""Words for people: numbers, times, and harmless strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.web.text import duration, percent, safe_text, si_number, utc_clock, utc_time


@given(st.text(alphabet=st.characters(), max_size=400))
def test_safe_text_is_visible_and_bounded(text: str) -> None:
    """Whatever a device sends, nothing invisible and no more than 255 characters of it come through."""
    import unicodedata

    safe = safe_text(text)
    assert not [c for c in safe if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert len(safe) <= 255 * 10 + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain näme", "plain näme"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a" * 256, "a" * 255 + "…"),
        ("a" * 255, "a" * 255),
    ],
)
def test_safe_text(text: str, expected: str) -> None:
    """C0, C1, bidi, separators, surrogates and tags become visible escapes; long text is cut."""
    assert safe_text(text) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, "", "0"),
        (9999, "", "9999"),
        (10_000, "", "10 k"),
        (1_234_567, "", "1.23 M"),
        (999_950, "", "1 M"),
        (-12_345, "", "-12.3 k"),
        (1500, "B", "1.5 kB"),
        (12, "B", "12 B"),
        (0.25, "s", "0.25 s"),
        (3 * 10**21, "", "3e+03 E"),
    ],
)
def test_si_number(value: float, unit: str, expected: str) -> None:
    """Short enough to read at a glance, exact while that is short."""
    assert si_number(value, unit) == expected


def test_percent() -> None:
    """A loss that is there never reads as none."""
    assert [percent(*pair) for pair in ((0, 10), (1, 100_000), (1, 8), (10, 10), (0, 0))] == [
        "0 %",
        "< 0.1 %",
        "12.5 %",
        "100 %",
        "-",
    ]


def test_times() -> None:
    """Times are UTC, in the form of RFC 3339 for programs."""
    assert utc_time(0.25) == "1970-01-01T00:00:00.250Z"
    assert utc_time(951_782_400) == "2000-02-29T00:00:00.000Z"
    assert utc_clock(951_782_400) == "2000-02-29 00:00:00"


def test_duration() -> None:
    """The two largest units."""
    assert [duration(s) for s in (-1, 0.9, 61, 3600, 90_061, 864_000)] == [
        "0 s",
        "0 s",
        "1 min 1 s",
        "1 h",
        "1 d 1 h",
        "10 d",
    ]
