"""Low-resolution copies beside the flows."""

from __future__ import annotations

import numpy as np
import pytest

from kproxy_tw.collector.totals import message_sums
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.kflow.encode import encode
from kproxy_tw.sample.lowres import with_copies


def batch(length: int) -> FlowBatch:
    """Flows of 100, 101, ... bytes at a rate of 2, each with a custom column."""
    octets = np.arange(100, 100 + length).astype(np.uint64)
    columns = {"in_bytes": octets, "sample_rate": np.full(length, 2.0)}
    return FlowBatch(length, columns, {"INDEX": np.arange(length).astype(np.uint32)})


def test_copies_are_marked_and_stand_for_everything() -> None:
    """10 of 50 flows once more: whole rows, marked, and their rates add up to what all flows' do."""
    flows = with_copies(batch(50), 10, np.random.default_rng(1))
    copies = flows.columns["big"]
    assert copies.tolist() == [False] * 50 + [True] * 10
    assert flows.columns["in_bytes"][:50].tolist() == list(range(100, 150))
    assert (flows.columns["in_bytes"][50:] == 100 + flows.custom["INDEX"][50:]).all()
    assert len(set(flows.custom["INDEX"][50:].tolist())) == 10
    assert flows.columns["sample_rate"][50:].sum() == pytest.approx(100)


def test_copies_alone_are_an_unbiased_estimate() -> None:
    """Over 400 draws the copies' bytes × rate are the flows' on average, within 3 standard errors."""
    random = np.random.default_rng(2)
    estimates = []
    for _draw in range(400):
        flows = with_copies(batch(40), 5, random)
        estimates.append(float((flows.columns["in_bytes"] * flows.columns["sample_rate"])[40:].sum()))
    true = 2.0 * sum(range(100, 140))
    assert abs(np.mean(estimates) - true) < 3 * np.std(estimates) / np.sqrt(len(estimates))


def test_receivers_count_what_there_would_be_without_copies() -> None:
    """The collector skips them: flows, bytes and estimates stay the same."""
    plain, copied = (
        message_sums(decode_body(encode(flows, device_id=1, column_ids={}), gzipped=True).batch)
        for flows in (batch(30), with_copies(batch(30), 7, np.random.default_rng(3)))
    )
    assert copied == plain
    assert plain.flows == 30


def test_no_copies_no_cost() -> None:
    """None wanted, or nothing to copy: the batch itself. Fewer flows than copies: each once."""
    flows = batch(3)
    assert with_copies(flows, 0, np.random.default_rng(1)) is flows
    assert with_copies(flows, 30, np.random.default_rng(1)).length == 6
