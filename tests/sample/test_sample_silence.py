"""The end after a long silence."""

from __future__ import annotations

from kproxy_tw.sample.silence import LOOK_SECONDS, SILENCE_SECONDS, SilenceWatch


def test_fifteen_minutes_without_a_datagram_are_the_end_once() -> None:
    """Datagrams put it off; the silence is told once."""
    counts = iter([0] * 10 + [5] * 200)
    now = 0.0
    ends: list[tuple[float, float]] = []
    watch = SilenceWatch(lambda: next(counts), lambda: now, lambda seconds: ends.append((now, seconds)))
    for _look in range(120):
        watch.look()
        now += LOOK_SECONDS
    assert SILENCE_SECONDS == 15 * 60
    assert ends == [(10 * LOOK_SECONDS + SILENCE_SECONDS, SILENCE_SECONDS)]
