"""Fractions of rates: spread so that nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.kflow.rates import hundredths
from kproxy_tw.sample.spread import spread


@given(st.integers(1, 2000), st.integers(1, 100_000), st.integers(1, 400), st.floats(0, 1, exclude_max=True))
def test_the_sum_is_exact_in_hundredths(kept: int, more: int, rate: int, start: float) -> None:
    """kept × (rate × seen / kept) is rate × seen to the last hundredth, as kflow carries it, whatever the start."""
    seen = kept + more
    sent = hundredths(spread(np.full(kept, rate * seen / kept), start))
    assert int(sent.astype(np.uint64).sum()) == 100 * rate * seen
    assert (np.abs(sent - 100 * rate * seen / kept) < 1).all()


def test_each_flow_gets_its_rate_on_average() -> None:
    """Rates of 1.005 alternate between 1.00 and 1.01; over 1,000 starts every flow had 1.005 on average."""
    rates = np.array([1.005, 1.005, 2.3333, 1.005])
    starts = (np.arange(1000) + 0.5) / 1000
    mean = np.mean([spread(rates, start) for start in starts], axis=0)
    assert mean == pytest.approx(rates, abs=2e-5)


def test_whole_hundredths_stay_as_they_are() -> None:
    """Nothing to spread."""
    assert spread(np.array([1.0, 0.29, 1000.5]), 0.9).tolist() == [1.0, 0.29, 1000.5]


def test_rates_stay_within_what_kflow_can_carry() -> None:
    """Beyond it they are the nearest possible."""
    assert spread(np.array([1e12, 1e-9]), 0.5).tolist() == [42_949_672.95, 0.01]


def test_large_messages_of_large_rates_are_exact() -> None:
    """65,536 flows that stand for 100,003 × 7,777 each: the error of adding does not reach the sum."""
    rates = np.full(65_536, 7777 * (65_536 * 3 + 1) / 65_536)
    sent = hundredths(spread(rates, 0.999))
    assert int(sent.astype(np.uint64).sum()) == 100 * 7777 * (65_536 * 3 + 1)
