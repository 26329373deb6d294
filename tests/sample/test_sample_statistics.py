"""What the estimates from thinned traffic are worth: 200 seeded runs of heavy-tailed traffic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.pipeline import DevicePipeline, convert
from tests.sample.heavy_traffic import RATE, Flows, capped, heavy_flows, walk_of

RUNS = 200
CAP = 200
UNEVEN = (0.5, 1.5)
"""How a run's traffic falls on its two seconds."""


def sent(device: DevicePipeline, flows: Flows, now: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What the backend reads of a tick: source addresses, and per flow rate, rate × bytes, rate × packets."""
    device.take(walk_of(flows))
    job = device.begin(now)
    assert job is not None
    converted = convert(job)
    device.finish(job, converted)
    batch = decode_body(converted.body, gzipped=True).batch
    rates = batch.column("sample_rate")
    values = np.stack([rates, rates * batch.column("in_bytes"), rates * batch.column("in_pkts")])
    return batch.column("ipv4_src_addr"), values


def estimate_over_truth(seed: int, times: int) -> npt.NDArray[np.float64]:
    """Of one run, for flows, bytes and packets: what the messages add up to, through the total of what came in."""
    random = np.random.default_rng([seed, times])
    device = capped(CAP, seed)
    estimate, truth = np.zeros(3), np.zeros(3)
    for second, share in enumerate(UNEVEN):
        flows = heavy_flows(int(times * CAP * share), random)
        estimate += sent(device, flows, float(second))[1].sum(axis=1)
        truth += RATE * np.array([len(flows), flows["bytes"].sum(), flows["packets"].sum()], np.float64)
    # The window has room for an uneven second; the two together stay near twice the cap.
    kept = device.ledger.records_received - device.ledger.records_sampled_out
    assert 1.9 * CAP <= kept <= 2.5 * CAP
    return estimate / truth


@pytest.mark.parametrize("times", [1, 2, 10, 100])
def test_estimates_of_heavy_tailed_traffic_are_unbiased(times: int) -> None:
    """Mean of estimate / truth over 200 runs: within 3 standard errors of 1; flows are exact in each run."""
    ratios = np.array([estimate_over_truth(seed, times) for seed in range(RUNS)])
    assert ratios[:, 0] == pytest.approx(1.0, abs=1e-9)
    error = ratios.std(axis=0, ddof=1) / np.sqrt(RUNS)
    assert (np.abs(ratios.mean(axis=0) - 1) <= 3 * error + 1e-9).all()
    assert times == 1 or (error[1:] > 1e-4).all()


def test_the_largest_sources_keep_their_order() -> None:
    """At 10 times the cap the ten largest of twelve sources are in the right order in 95 % of 200 runs.

    Each sends about three times as much as the next; an active timeout bounds a flow at a thousand times the least.
    """
    right = 0
    for seed in range(RUNS):
        random = np.random.default_rng([seed, 10])
        flows = heavy_flows(40_000, random)
        flows["source"] %= 12
        flows["bytes"] = np.minimum(flows["bytes"], 40_000) * 3 ** (11 - flows["source"].astype(np.uint64))
        sources, values = sent(capped(4000, seed), flows, 0.0)
        true = np.bincount(flows["source"], flows["bytes"], 12)
        estimated = np.bincount(sources, values[1], 12)
        right += np.array_equal(np.argsort(-true)[:10], np.argsort(-estimated)[:10])
    assert right >= 0.95 * RUNS


def test_the_stated_error_is_the_one_that_occurs() -> None:
    """Over 200 runs at 10 times the cap, bounded flows: the mean stated error is within 15 % of the actual spread."""
    flows = heavy_flows(10 * CAP, np.random.default_rng(5))
    flows["bytes"] = np.minimum(flows["bytes"], 4000)
    stated, estimates = [], []
    for seed in range(RUNS):
        device = capped(CAP, seed)
        estimates.append(sent(device, flows, 0.0)[1][1].sum())
        stated.append(device.accuracy.total(0.0).octets.relative_error)
    actual = np.std(estimates) / (RATE * float(flows["bytes"].sum()))
    assert np.mean(stated) == pytest.approx(actual, rel=0.15)
    assert actual > 0.03
