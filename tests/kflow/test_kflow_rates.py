"""Sample rates in hundredths."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.kflow.rates import hundredths


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=200))
def test_the_sum_is_exact_to_half_a_hundredth(rates: list[float]) -> None:
    """However odd the rates, rounding neither adds nor loses weight, and no flow is off by a hundredth or more."""
    result = hundredths(np.array(rates)).astype(float)
    exact = [rate * 100 for rate in rates]
    assert abs(result.sum() - math.fsum(exact)) <= 0.5 + 1e-6 * len(rates)
    assert np.all(np.abs(result - exact) < 1 + 1e-6)


def test_a_fraction_is_spread_evenly() -> None:
    """A third of a hundredth in each of 3,000 flows gives every third flow one more."""
    result = hundredths(np.full(3000, 1 + 1 / 300))
    assert sorted(set(result.tolist())) == [100, 101]
    assert int(result.sum()) == 301_000


def test_whole_hundredths_stay_as_they_are() -> None:
    """Nothing is carried from one flow to the next when nothing is rounded."""
    assert hundredths(np.array([1.0, 1000.0, 0.25, 12.5])).tolist() == [100, 100_000, 25, 1250]


def test_unknown_and_impossible_rates() -> None:
    """Unknown is 1, tiny is at least a hundredth, too large is the largest that 32 bits hold."""
    rates = np.array([0.0, np.nan, -5.0, 1e-9, 1e12, np.inf])
    assert hundredths(rates).tolist() == [100, 100, 100, 1, 2**32 - 1, 2**32 - 1]


def test_no_flows() -> None:
    """An empty batch has no rates."""
    assert hundredths(np.zeros(0)).tolist() == []
