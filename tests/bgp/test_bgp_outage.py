"""How long a session may go without a stream."""

from __future__ import annotations

import pytest

from kproxy_tw.bgp.outage import MAX_HOLD_SECONDS, MAX_SHORT_STREAMS, STEADY_SECONDS, Outage


@pytest.mark.parametrize(
    ("hold_seconds", "left"), [(None, 15.0), (90.0, 105.0), (0.0, 15.0 + MAX_HOLD_SECONDS), (65535.0, 315.0)]
)
def test_limit(hold_seconds: float | None, left: float) -> None:
    """15 s before the hold time is known, then that much longer; a session without one is bounded, too."""
    outage = Outage(100.0, 15.0)
    if hold_seconds is not None:
        outage.allow(hold_seconds)
    assert outage.left(100.0) == left
    assert outage.left(110.0) == left - 10.0


def test_counts_from_the_break() -> None:
    """Attempts in between do not extend the time."""
    outage = Outage(0.0, 15.0)
    outage.up(1.0)
    assert outage.broke(50.0, restart=False)
    assert not outage.broke(55.0, restart=False)
    assert (outage.lasting(60.0), outage.left(60.0)) == (10.0, 5.0)


def test_failures_in_a_row() -> None:
    """Attempts and short streams add up; a steady stream begins anew, its restart counts nothing."""
    outage = Outage(0.0, 15.0)
    steady = STEADY_SECONDS + 1
    seen = []
    for lived, restart in [(None, False), (1.0, False), (steady, False), (None, False), (1.0, True), (steady, True)]:
        if lived is not None:
            outage.up(0.0)
        outage.broke(lived or 0.0, restart=restart)
        seen.append(outage.failures)
    assert seen == [1, 2, 1, 2, 3, 0]


def test_streams_that_break_at_once_have_an_end() -> None:
    """A backend that takes the session and drops it again and again does not do so for ever."""
    outage = Outage(0.0, 15.0)
    for _ in range(MAX_SHORT_STREAMS):
        assert outage.left(0.0) > 0
        outage.up(0.0)
        outage.broke(0.5, restart=False)
    assert outage.left(0.5) == 0


def test_streams_are_counted() -> None:
    """The second stream is the first resume."""
    outage = Outage(0.0, 15.0)
    for _ in range(2):
        outage.up(0.0)
        outage.broke(1.0, restart=False)
    assert outage.streams == 2
