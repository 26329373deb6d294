"""Sums of flows are exact, and are what arithmetic says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.collector.totals import Sums, exact_sum, message_sums, unscaled, weighted_sum
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch

U64 = st.integers(0, 2**64 - 1)
WEIGHT = st.integers(0, 2**32 - 1)


def batch(**columns: list[float]) -> FlowBatch:
    """A batch of the given columns."""
    length = len(next(iter(columns.values())))
    dtypes = {"sample_rate": "f8", "big": "?", "is_metric": "?"}
    return FlowBatch(length, {name: np.array(values, dtypes.get(name, "u8")) for name, values in columns.items()})


def test_hand_computed_sums() -> None:
    """Estimates are Σ value × rate over both directions, in hundredths."""
    sums = message_sums(
        batch(in_bytes=[100, 200], out_bytes=[0, 50], in_pkts=[1, 2], out_pkts=[0, 1], sample_rate=[10, 2.5])
    )
    assert sums == Sums(
        flows=2,
        in_bytes=300,
        in_pkts=3,
        out_bytes=50,
        out_pkts=1,
        estimated_bytes=100 * 1000 + 250 * 250,
        estimated_packets=1 * 1000 + 3 * 250,
    )


def test_copies_and_metrics_are_not_counted() -> None:
    """Low-resolution copies and metrics records are no traffic."""
    sums = message_sums(batch(in_bytes=[1, 10, 100], big=[0, 1, 0], is_metric=[0, 0, 1]))
    assert (sums.flows, sums.in_bytes) == (1, 1)


def test_flow_without_rate_counts_once() -> None:
    """A flow whose sender stated no rate counts as it is."""
    sums = message_sums(batch(in_bytes=[7, 7], sample_rate=[0, 2]))
    assert unscaled(sums.estimated_bytes) == 21


def test_impossible_sum_is_malformed() -> None:
    """A message that claims more than 2^96 hundredths of bytes is refused, so that stored sums cannot overflow."""
    with pytest.raises(MalformedInput, match="more traffic"):
        message_sums(batch(in_bytes=[2**64 - 1] * 3, sample_rate=[2**32 - 1] * 3))


def test_empty_message_has_zero_sums() -> None:
    """No flows, no sums."""
    assert message_sums(FlowBatch(0)) == Sums()


@given(st.lists(U64, max_size=50))
def test_exact_sum_never_overflows(values: list[int]) -> None:
    """The sum of 64-bit values is that of Python's integers."""
    assert exact_sum(np.array(values, np.uint64)) == sum(values)


@given(st.lists(st.tuples(U64, WEIGHT), max_size=50))
def test_weighted_sum_never_overflows(pairs: list[tuple[int, int]]) -> None:
    """Σ value × weight is that of Python's integers."""
    values = np.array([value for value, _ in pairs], np.uint64)
    weights = np.array([weight for _, weight in pairs], np.uint64)
    assert weighted_sum(values, weights) == sum(value * weight for value, weight in pairs)


@pytest.mark.parametrize(("hundredths", "number"), [(0, 0), (1000, 10), (250, 2.5), (2**100 * 100, 2**100)])
def test_unscaled(hundredths: int, number: float) -> None:
    """Whole numbers stay integers of any size."""
    assert unscaled(hundredths) == number
    assert isinstance(unscaled(hundredths), int) == (number == int(number))
