"""What answers mean, and how long to stay away."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.deliver.retry import Backoff, Fate, Verdict, verdict

NOW = 1_700_000_000.0


def test_every_status_has_the_fate_of_its_class() -> None:
    """The table of fates, over every status there can be."""
    retry, hold = {408, 429, *range(300, 400), *range(500, 600)}, {401, 403}
    for status in range(100, 600):
        expected = Fate.SPLIT if status == 413 else Fate.REFUSE
        if status in range(200, 300):
            expected = Fate.DELIVERED
        if status in retry:
            expected = Fate.RETRY
        if status in hold:
            expected = Fate.HOLD
        assert verdict(status, None, NOW) == Verdict(expected)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("601", 600),
        ("9" * 40, 600),
        (formatdate(NOW + 90, usegmt=True), 90),
        (formatdate(NOW + 90, usegmt=False), 90),
        (formatdate(NOW - 90, usegmt=True), 0),
        (formatdate(NOW + 86400, usegmt=True), 600),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("", 0),
        ("\N{SUPERSCRIPT TWO}", 0),
        ("Mon, 99 Foo 2023 00:00:00 GMT", 0),
        ("1" * 5000, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(text: str, seconds: float) -> None:
    """Both forms are honoured up to ten minutes; nonsense counts as absent."""
    said = verdict(503, text, NOW)
    assert said.fate is Fate.RETRY
    assert said.wait == pytest.approx(seconds, abs=1)


@given(st.text(max_size=80))
def test_any_retry_after_gives_a_bounded_wait(text: str) -> None:
    """A backend can neither stop us with the header nor send us away for more than ten minutes."""
    assert 0 <= verdict(429, text, NOW).wait <= 600


def test_backoff_ceiling_doubles_to_its_cap() -> None:
    """With the jitter drawn at its upper end the waits are 1, 2, 4 ... 60, 60 seconds."""
    backoff = Backoff(lambda _low, high: high, base=1, cap=60)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_backoff_jitter_is_full() -> None:
    """The draw is from nothing at all up to the ceiling."""
    drawn: list[tuple[float, float]] = []

    def lowest(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    backoff = Backoff(lowest, base=1, cap=60)
    assert (backoff.next(), backoff.next()) == (0, 0)
    assert drawn == [(0, 1), (0, 2)]
