"""Messages that come twice are stored once, also over a restart."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.collector.batches import MAX_RANGES, BatchName, Ranges, StoredBatches, parse_batch
from kproxy_tw.collector.message import Message, Sender, accept
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch

RUN = UUID("0d1f8f2e-7d3a-4f0e-9a55-5d6c3c0f6e11")


def message(number: int | None, octets: int = 100, part: int = 0) -> Message:
    """One flow of device 7."""
    return accept(
        Sender(1, "x", 7),
        device_name="d7",
        received=1.5,
        batch=FlowBatch(1, {"in_bytes": np.array([octets], np.uint64)}),
        device_ids=np.zeros(1, np.uint32),
        custom={},
        name=None if number is None else BatchName(RUN, 7, number, part),
    )


@given(st.lists(st.integers(0, 40)))
def test_ranges_are_a_set(numbers: list[int]) -> None:
    """In any order; neighbors join."""
    ranges, model = Ranges(), set[int]()
    for number in numbers:
        assert (number in ranges) == (number in model)
        if number not in model:
            ranges.add(number)
            model.add(number)
    assert {number for first, last in ranges for number in range(first, last + 1)} == model
    assert len(ranges) == sum(number - 1 not in model for number in model)
    assert list(Ranges(reversed(list(ranges)))) == list(ranges)


def test_ranges_are_bounded() -> None:
    """With a gap behind each number the lowest are forgotten."""
    ranges = Ranges()
    for number in range(0, 4 * MAX_RANGES, 2):
        ranges.add(number)
    assert len(ranges) == MAX_RANGES
    assert 4 * MAX_RANGES - 2 in ranges
    assert 0 not in ranges


@given(st.text(max_size=100))
def test_any_text_is_a_name_or_malformed(text: str) -> None:
    """Nothing else comes out of it."""
    try:
        assert parse_batch(text).number >= 0
    except MalformedInput:
        return


def test_a_name_is_read_as_kproxy_writes_it() -> None:
    """Run, device, number; and the part, where it is one."""
    assert parse_batch(f"{RUN}:7:12") == BatchName(RUN, 7, 12)
    assert parse_batch(str(BatchId(RUN, 7, 12, 4))) == BatchName(RUN, 7, 12, 4)
    with pytest.raises(MalformedInput):
        parse_batch(f"{RUN}:7:12:{2**32}")


def test_a_message_is_stored_once(tmp_path: Path) -> None:
    """Twice in one commit, again in another, and again after a restart: its flow counts once."""
    store = FlowStore(tmp_path)
    store.open()
    store.write([message(1), message(1), message(2)])
    store.write([message(2), message(3)])
    store.close()
    again = FlowStore(tmp_path)
    again.open()
    again.write([message(3), message(4), message(1)])
    (total,) = again.totals()
    assert (total.sums.flows, total.messages, total.sums.in_bytes) == (4, 4, 400)
    assert (store.duplicates, again.duplicates) == (2, 2)
    again.close()


def test_messages_without_a_name_are_all_stored(tmp_path: Path) -> None:
    """Senders that name nothing may mean it when they send the same twice."""
    store = FlowStore(tmp_path)
    store.open()
    store.write([message(None), message(None)])
    assert store.totals()[0].sums.flows == 2
    store.close()


def test_a_name_of_another_device_is_refused() -> None:
    """Otherwise one device could make another's messages vanish."""
    with pytest.raises(MalformedInput, match="named after device 8"):
        accept(
            Sender(1, "x", 7),
            device_name="d7",
            received=1.5,
            batch=FlowBatch(0, {}),
            device_ids=np.zeros(0, np.uint32),
            custom={},
            name=BatchName(RUN, 8, 1),
        )


def test_runs_and_devices_are_told_apart() -> None:
    """The same number of another run is another message."""
    known = StoredBatches([(RUN, 7, 1, 5)])
    assert BatchName(RUN, 7, 5) in known
    assert BatchName(RUN, 7, 6) not in known
    assert BatchName(RUN, 8, 5) not in known
    assert BatchName(uuid4(), 7, 5) not in known


def leaves(part: int, depth: int) -> set[int]:
    """The parts of ``part`` that lie ``depth`` halvings below the whole."""
    level = (part + 1).bit_length() - 1
    found = {part}
    for _halving in range(depth - level):
        found = {half for each in found for half in (2 * each + 1, 2 * each + 2)}
    return found


@given(st.lists(st.integers(0, 30), max_size=40))
def test_parts_are_stored_once_whatever_comes(parts: list[int]) -> None:
    """Against a model that counts sixteenths: a message adds all that it holds, or nothing."""
    known, sixteenths = StoredBatches(), set[int]()
    for part in parts:
        name, holds = BatchName(RUN, 7, 5, part), leaves(part, 4)
        assert (name in known) == (holds <= sixteenths)
        assert known.has_part_of(name) == bool(holds & sixteenths and not holds <= sixteenths)
        if not holds & sixteenths:
            known.add(name)
            sixteenths |= holds
        known = StoredBatches(
            known.rows(), ((each.instance, each.device_id, each.number, each.part) for each in known.parts())
        )
    assert (BatchName(RUN, 7, 5) in known) == (len(sixteenths) == 16)


def test_a_whole_is_not_stored_beside_its_half(tmp_path: Path) -> None:
    """A sender that was killed between two halves sends the whole again: it is told to split it, as before."""
    store = FlowStore(tmp_path)
    store.open()
    assert store.write([message(1, part=1)]) == []
    store.close()
    again = FlowStore(tmp_path)
    again.open()
    whole, other = message(1), message(2)
    assert again.write([whole, other]) == [whole]
    assert again.write([message(1, part=1), message(1, part=2)]) == []
    assert again.write([whole, message(1, part=5)]) == []
    (total,) = again.totals()
    assert (total.sums.flows, again.duplicates) == (3, 3)
    again.close()
