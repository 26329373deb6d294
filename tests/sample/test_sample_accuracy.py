"""The expected error, against all samples that there could have been."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.sample.accuracy import WINDOW_SECONDS, Accuracy, Estimate, RecentAccuracy, accuracy_of, estimated

POPULATION = np.array([40.0, 1500.0, 900.0, 64.0, 77.0, 12_000.0])


@pytest.mark.parametrize("kept", [2, 3, 5])
def test_the_variance_is_right_on_average(kept: int) -> None:
    """Over all samples of a population of six: mean estimate is the total, mean stated variance the true variance."""
    samples = [POPULATION[list(chosen)] * 6 / kept for chosen in combinations(range(6), kept)]
    estimates = [estimated(sample, 1 - kept / 6) for sample in samples]
    totals = np.array([estimate.total for estimate in estimates])
    assert totals.mean() == pytest.approx(POPULATION.sum())
    assert np.mean([estimate.variance for estimate in estimates]) == pytest.approx(totals.var())


def test_nothing_left_out_is_no_error() -> None:
    """All records kept: the total is the truth. An empty batch says nothing."""
    assert estimated(POPULATION, 0.0) == Estimate(POPULATION.sum())
    assert estimated(np.zeros(0), 0.5) == Estimate()


def test_one_kept_record_is_all_that_is_known() -> None:
    """A single value has no spread: its error is about as large as itself."""
    assert estimated(np.array([100.0]), 0.75) == Estimate(100.0, 7500.0)


def test_both_directions_count_with_their_rates() -> None:
    """Bytes in and out of each flow × its final rate; absent columns are nothing."""
    flows = FlowBatch(
        2, {"in_bytes": np.array([1, 2]), "out_bytes": np.array([10, 20]), "sample_rate": np.full(2, 5.0)}
    )
    accuracy = accuracy_of(flows, 2, 2)
    assert (accuracy.octets.total, accuracy.packets.total) == (165.0, 0.0)
    assert accuracy.packets.relative_error == 0


def test_only_the_last_minute_counts() -> None:
    """Variances of ticks add up, errors do not; what is older is forgotten."""
    recent = RecentAccuracy()
    recent.add(Accuracy(seen=100, kept=1, octets=Estimate(1e9, 1e9)), 0.0)
    for second in range(4):
        recent.add(Accuracy(seen=30, kept=10, octets=Estimate(100.0, 100.0)), WINDOW_SECONDS + second)
    total = recent.total(WINDOW_SECONDS + 3)
    assert (total.seen, total.kept, total.seen_per_kept) == (120, 40, 3.0)
    assert total.octets.relative_error == pytest.approx(20 / 400)
    assert recent.total(2 * WINDOW_SECONDS + 10) == Accuracy()
    assert Accuracy().seen_per_kept == 1.0
