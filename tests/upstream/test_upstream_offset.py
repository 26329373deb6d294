"""ClockOffset: the date of answers against this machine's clock."""

from __future__ import annotations

from email.utils import formatdate

from twisted.logger import capturedLogs

import pytest

from kproxy_tw.upstream.offset import ANSWERS, ClockOffset

NOW = 1_700_000_000.0


def after(*offsets: float) -> ClockOffset:
    """What is known after answers from a backend whose clock is so far behind."""
    clock = ClockOffset(lambda: NOW)
    for offset in offsets:
        clock.note(formatdate(NOW - offset, usegmt=True))
    return clock


@pytest.mark.parametrize(("offset", "status"), [(0, "ok"), (60, "ok"), (-60, "ok"), (75, "failing"), (-75, "failing")])
def test_more_than_a_minute_is_too_much(offset: float, status: str) -> None:
    """On either side; up to a minute nothing is said."""
    assert after(*[offset] * ANSWERS).check().status == status


def test_the_detail_tells_side_and_size() -> None:
    """And what to do."""
    assert "90 s ahead of the backend's" in after(*[90] * ANSWERS).check().detail
    assert "90 s behind the backend's" in after(*[-90] * ANSWERS).check().detail


def test_slow_answers_do_not_count_against_the_clock() -> None:
    """Four were held up on the way, one was not."""
    assert after(80, 90, 2, 100, 110).check().status == "ok"


@pytest.mark.parametrize("date", [None, "", "soon", "x" * 1000, "Mon, 99 Foo 2023 00:00:00 GMT"])
def test_what_is_no_date_is_ignored(date: str | None) -> None:
    """A backend may send anything."""
    clock = ClockOffset(lambda: NOW)
    clock.note(date)
    assert clock.check().status == "ok"


def test_it_is_told_once_and_when_it_is_over() -> None:
    """One warning, not one with every answer."""
    with capturedLogs() as events:
        clock = after(*[90] * 20)
        clock.note(formatdate(NOW, usegmt=True))
    assert [event["log_level"].name for event in events] == ["warn", "info"]


def test_since_when_the_clock_is_wrong() -> None:
    """From the answer that settled it, by the clock that nobody sets; a second time it begins anew."""
    now = 0.0
    clock = ClockOffset(lambda: NOW, lambda: now)

    def answers(offset: float) -> None:
        for _ in range(ANSWERS):
            clock.note(formatdate(NOW - offset, usegmt=True))

    answers(0)
    assert clock.check().seconds is None
    now = 100.0
    answers(90)
    now = 160.0
    answers(95)
    assert clock.check().seconds == 60.0
    answers(0)
    assert clock.check().seconds is None
    now = 200.0
    answers(90)
    now = 230.0
    assert clock.check().seconds == 30.0
