"""Halves of a message hold what the whole held, and no more."""

from __future__ import annotations

from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.split import split
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.flowbatch import Column, FlowBatch
from kproxy_tw.kflow.decode import DecodedFlows, decode_body
from kproxy_tw.kflow.encode import encode
from tests.kflow.flow_batches import COLUMN_IDS, batches

BATCH = BatchId(UUID(int=5), 7, 3)


def message(batch: FlowBatch, records: int) -> Message:
    """Flows of device 7 as they are sent."""
    return Message(encode(batch, device_id=7, column_ids=COLUMN_IDS), records, 1.5, BATCH, refusals=2)


def rows(decoded: DecodedFlows) -> list[dict[str, object]]:
    """Every flow as what it has that is not zero."""
    named: list[tuple[str, Column]] = [
        *decoded.batch.columns.items(),
        *((f"custom {number}", column) for number, column in decoded.custom.items()),
        ("device_id", decoded.device_ids),
    ]
    return [
        {name: column[row].tolist() for name, column in named if np.any(column[row])}
        for row in range(decoded.batch.length)
    ]


@settings(deadline=None)
@given(batches(), st.integers(0, 50))
def test_two_halves_are_the_whole(batch: FlowBatch, records: int) -> None:
    """Any columns with any values; the records are divided without a rest, and the names tell what is what."""
    whole = message(batch, records)
    halves = split(whole)
    if batch.length < 2:
        assert halves == ()
        return
    decoded = [rows(decode_body(each.body, gzipped=True)) for each in (whole, *halves)]
    assert decoded[0] == decoded[1] + decoded[2]
    first, second = halves
    assert first.flows + second.flows == records
    assert min(first.flows, second.flows) >= 0
    assert [half.batch for half in halves] == [BatchId(UUID(int=5), 7, 3, part) for part in (1, 2)]
    assert [(half.created, half.refusals) for half in halves] == [(1.5, 0)] * 2
    assert split(whole) == halves


def test_copies_count_for_no_records() -> None:
    """Of 6 flows and 2 low-resolution copies behind them the first 4 are two thirds of the records."""
    batch = FlowBatch(8, {"in_bytes": np.ones(8, np.uint64), "big": np.arange(8) >= 6})
    assert [half.flows for half in split(message(batch, 6))] == [4, 2]


def test_a_large_message_comes_down_to_single_flows() -> None:
    """Every flow is found in one of the smallest parts, each of which has a name of its own."""
    todo = [message(FlowBatch(13, {"in_bytes": np.arange(13, dtype=np.uint64) + 1}), 13)]
    single = []
    while todo:
        part = todo.pop()
        todo += split(part)
        if not split(part):
            single.append(part)
    found = [decode_body(part.body, gzipped=True).batch.columns["in_bytes"].tolist() for part in single]
    assert sorted(found) == [[octets] for octets in range(1, 14)]
    assert len({part.batch for part in single}) == 13
    assert [part.flows for part in single] == [1] * 13


@given(st.binary(max_size=200))
def test_what_is_no_kflow_has_no_halves(body: bytes) -> None:
    """And raises nothing."""
    assert split(Message(body, 1, 0.0, BATCH)) == ()
