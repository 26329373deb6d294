"""What encode writes, decode_body reads."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.kflow.decode import DecodedFlows, decode_body
from kproxy_tw.kflow.encode import encode
from tests.kflow import flow_batches


def assert_same_columns(sent: FlowBatch, received: DecodedFlows) -> None:
    """Every column that was sent came back, and no other; columns of zeros count as absent."""
    for name in {*sent.columns, *received.batch.columns} - {"app_protocol"}:
        assert np.array_equal(received.batch.column(name), sent.column(name)), name
    if "app_protocol" in received.batch.columns:
        assert np.array_equal(received.batch.column("app_protocol"), sent.column("app_protocol"))
    elif "app_protocol" in sent.columns:
        assert np.all(sent.columns["app_protocol"] == 0xFFFFFFFF)


@settings(max_examples=150, deadline=None)
@given(flow_batches.batches())
def test_any_batch_comes_back(batch: FlowBatch) -> None:
    """All columns, texts, addresses and custom columns survive encoding and decoding."""
    received = decode_body(encode(batch, device_id=77, column_ids=flow_batches.COLUMN_IDS), gzipped=True)
    if "sample_rate" not in batch.columns:
        batch.columns["sample_rate"] = np.ones(batch.length)
    assert received.batch.length == batch.length
    assert received.device_ids.tolist() == [77] * batch.length
    assert_same_columns(batch, received)
    filled = {flow_batches.COLUMN_IDS[name]: column for name, column in batch.custom.items() if column.any()}
    assert received.custom.keys() == filled.keys()
    for number, column in filled.items():
        assert np.array_equal(received.custom[number], column)


def test_an_absent_app_protocol_stays_absent_and_zero_stays_zero() -> None:
    """Zero is a protocol number of its own, not the same as none."""
    plain = FlowBatch(length=2)
    zero = FlowBatch(length=2, columns={"app_protocol": np.array([0, 10], np.uint32)})
    bodies = [encode(batch, device_id=1, column_ids={}) for batch in (plain, zero)]
    assert "app_protocol" not in decode_body(bodies[0], gzipped=True).batch.columns
    assert decode_body(bodies[1], gzipped=True).batch.columns["app_protocol"].tolist() == [0, 10]
