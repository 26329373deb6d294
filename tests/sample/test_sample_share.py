"""The share of a window that each second gets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.sample.devicecap import DeviceCap

RATE, SECONDS = 1000, 15


def run(arrivals: list[int], rate: float = RATE) -> list[int]:
    """What a device may send that ticks every second; what goes out and what is left out, waits no longer."""
    cap = DeviceCap(rate, float(SECONDS), 0.0)
    sent = []
    waiting = 0
    for second, count in enumerate(arrivals):
        waiting += count
        allowed = cap.allowance(waiting, float(second))
        sent.append(min(waiting, allowed))
        if allowed:
            cap.spend(sent[-1], waiting, float(second))
            waiting = 0
    return sent


def shares(arrivals: list[int], rate: float = RATE) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The probability to stay, second by second, where anything came."""
    pairs = [(sent, count) for sent, count in zip(run(arrivals, rate), arrivals, strict=True) if count]
    return np.array([sent / count for sent, count in pairs])


@pytest.mark.parametrize("times", [2, 10, 100])
def test_steady_traffic_is_treated_alike_from_the_first_second_on(times: int) -> None:
    """Every second of three windows keeps the same part, and each window its allowance."""
    found = shares([times * RATE] * 45)
    assert found == pytest.approx(np.full(45, 1 / times), rel=0.01)


def test_traffic_below_the_cap_is_all_kept() -> None:
    """However it falls, as long as no window has more than its allowance in sight."""
    assert run([900, 0, 1500, 300, 1200] * 9) == [900, 0, 1500, 300, 1200] * 9


def test_a_burst_after_quiet_is_kept_whole() -> None:
    """Seven seconds' worth in one second at the begin of a window; and the whole allowance at its end."""
    assert run([1] * 45 + [7 * RATE])[-1] == 7 * RATE
    quiet_to_the_end = [1] * 44 + [14 * RATE]
    assert run(quiet_to_the_end)[-1] == 14 * RATE


def test_ups_and_downs_within_a_window_are_treated_alike() -> None:
    """2 and 20 times the cap in turn: a second's share would be 1/2 and 1/20; the window's is 1/11 in every second."""
    found = shares([2 * RATE, 20 * RATE] * 30)[SECONDS:]
    assert found.max() / found.min() < 1.5
    assert found.mean() == pytest.approx(1 / 11, rel=0.1)


def test_bursts_within_a_window_are_treated_alike() -> None:
    """One second in five with ten times the cap: of the half that would fit more than a third stays of each burst."""
    found = shares([10 * RATE, 0, 0, 0, 0] * 12)[3:]
    assert found.max() / found.min() < 1.5
    assert found.min() > 0.3


@pytest.mark.parametrize("times", [10, 20, 100])
def test_a_flood_after_quiet_is_thinned_evenly_behind_its_first_second(times: int) -> None:
    """That cannot be told from a burst; the window's cap holds, all other seconds are alike, and the next windows."""
    arrivals = [1] * 45 + [times * RATE] * 30
    sent = run(arrivals)
    assert sum(sent[45:60]) == pytest.approx(SECONDS * RATE, rel=0.01)
    assert max(sent[46:60]) - min(sent[46:60]) <= 2
    assert min(sent[46:60]) > RATE / 3
    assert sent[61:] == pytest.approx([RATE] * 14, rel=0.3)


def test_a_flood_that_grows_is_thinned_evenly() -> None:
    """By a thousand a second more in each second, up to 20: no second is left with less than a fifth of the cap."""
    sent = run([1] * 45 + [min(20, second + 1) * RATE for second in range(30)])
    assert sum(sent[45:60]) <= SECONDS * RATE
    assert min(sent[45:]) > RATE / 5


def test_a_burst_in_each_window_is_kept_whole() -> None:
    """14 seconds' worth at once and then nothing: the window allows that."""
    assert run(([14 * RATE] + [0] * 14) * 6)[SECONDS:] == ([14 * RATE] + [0] * 14) * 5


def test_random_traffic_keeps_the_same_part_wherever_it_falls() -> None:
    """Poisson bursts at 3 times the cap over 200 windows: the mean share of light and heavy seconds is the same."""
    random = np.random.default_rng(4)
    arrivals = (random.poisson(3.0, 200 * SECONDS) * RATE + 1).tolist()
    found, counts = shares(arrivals), np.array(arrivals)
    light, heavy = found[counts < 2 * RATE].mean(), found[counts > 4 * RATE].mean()
    assert light / heavy < 1.35
    assert sum(run(arrivals)) == pytest.approx(200 * SECONDS * RATE, rel=0.06)


def test_slow_rates_add_up_until_a_flow_may_go() -> None:
    """At one flow in four seconds and ten a second, a window keeps three or four, and what waits is not lost."""
    assert 9 <= sum(run([10] * 45, rate=0.25)) <= 12


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=90), st.floats(0.5, 5000))
def test_no_window_exceeds_its_cap(arrivals: list[int], rate: float) -> None:
    """Whatever comes, and never more goes out than is there."""
    sent = run(arrivals, rate)
    for first in range(0, len(sent), SECONDS):
        assert sum(sent[first : first + SECONDS]) <= rate * SECONDS
    assert sum(sent) <= sum(arrivals)
