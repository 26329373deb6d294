"""Which records stay, and with what weight."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from kproxy_tw.decode.records import PacketClock, RecordSet
from kproxy_tw.flowbatch import RATE_ORIGINS, FlowBatch
from kproxy_tw.sample.pending import SET_OVERHEAD_BYTES, ByteBudget, Groups, PendingRecords
from kproxy_tw.sample.rates import ConfiguredRates, RateInUse, together, weigh
from kproxy_tw.sample.thin import choose

CLOCK = PacketClock(0, 0, 0)


class OneByteRecords:
    """A layout whose records are one byte each: the number of bytes of the flow."""

    flow_type = "netflow9"
    flows_per_record = 1

    def columns(
        self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None, wanted: Collection[str] = ()
    ) -> FlowBatch:
        """The bytes as ``in_bytes``."""
        values = np.frombuffer(b"".join(records.body for records in sets), np.uint8)
        kept = values if chosen is None else values[chosen]
        return FlowBatch(len(kept), {"in_bytes": kept})


def groups_of(*sizes: Sequence[int]) -> Groups:
    """One layout per argument, with record sets of the given sizes, numbered through."""
    groups: Groups = {}
    for sets in sizes:
        layout = OneByteRecords()
        groups[layout, 0.0] = [RecordSet(layout, size, bytes(range(size)), CLOCK) for size in sets]
    return groups


def test_everything_stays_below_the_cap() -> None:
    """No thinning and no index arrays while the allowance is large enough."""
    choices = choose(groups_of([2, 3], [4]), 9, np.random.default_rng(1))
    assert [(choice.kept, choice.chosen) for choice in choices] == [(5, None), (4, None)]


def test_exactly_the_allowance_stays_above_the_cap() -> None:
    """Indices are ascending, distinct and within their own layout's records."""
    choices = choose(groups_of([50, 50], [100]), 30, np.random.default_rng(1))
    assert sum(choice.kept for choice in choices) == 30
    for choice in choices:
        assert choice.chosen is not None
        assert len(choice.chosen) == choice.kept
        assert (np.diff(choice.chosen) > 0).all()
        assert 0 <= choice.chosen[0] <= choice.chosen[-1] < 100


def test_every_record_has_the_same_chance() -> None:
    """Over 4,000 draws of 10 out of 40, each record stays 1,000 times, within 5 standard deviations."""
    random = np.random.default_rng(7)
    groups = groups_of([10, 15], [15])
    first = dict(zip((layout for layout, _rate in groups), (0, 25), strict=True))
    stayed = np.zeros(40)
    for _draw in range(4000):
        for choice in choose(groups, 10, random):
            assert choice.chosen is not None
            stayed[choice.chosen + first[choice.layout]] += 1
    deviation = np.sqrt(4000 * 0.25 * 0.75)
    assert np.abs(stayed - 1000).max() < 5 * deviation


def test_estimates_are_unbiased() -> None:
    """The mean of Σ bytes × rate over 400 draws is within 3 standard errors of the true sum."""
    random = np.random.default_rng(11)
    groups = groups_of([200, 55], [120])
    true = sum(sum(records.body) for sets in groups.values() for records in sets)
    estimates = []
    for _draw in range(400):
        total = 0.0
        for choice in choose(groups, 25, random):
            batch = choice.layout.columns(choice.sets, choice.chosen)
            weigh(batch, ConfiguredRates(device=1), 375 / 25)
            total += float((batch.column("in_bytes") * batch.column("sample_rate")).sum())
        estimates.append(total)
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - true) < 3 * error


@pytest.mark.parametrize(
    ("configured", "rate", "origin"),
    [
        (ConfiguredRates(flag=10, device=20), 10, "flag"),
        (ConfiguredRates(device=20), 20, "device"),
        (ConfiguredRates(), 1, "unknown"),
    ],
)
def test_configured_rates_stand_in_for_what_the_exporter_does_not_tell(
    configured: ConfiguredRates, rate: float, origin: str
) -> None:
    """The flag goes before the device's rate; nobody knowing means 1, and is said so."""
    batch = FlowBatch(2)
    assert weigh(batch, configured, 3.0) == [RateInUse(rate, origin, 2)]
    assert batch.column("sample_rate").tolist() == [rate * 3.0] * 2


def test_a_rate_in_the_record_wins_for_the_records_that_have_one() -> None:
    """Zero in a record means that it tells none."""
    batch = FlowBatch(2, {"sample_rate": np.array([100.0, 0.0])}, rate_origin="record")
    used = weigh(batch, ConfiguredRates(device=20), 1.5)
    assert sorted((one.rate, one.origin, one.flows) for one in used) == [(20, "device", 1), (100, "record", 1)]
    assert batch.column("sample_rate").tolist() == [150.0, 30.0]


def test_the_flag_forces_its_rate() -> None:
    """``-sample_rate`` wins over what the records say."""
    batch = FlowBatch(2, {"sample_rate": np.array([100.0, 0.0])}, rate_origin="record")
    assert weigh(batch, ConfiguredRates(flag=7, device=20), 2.0) == [RateInUse(7, "flag", 2)]
    assert batch.column("sample_rate").tolist() == [14.0, 14.0]


def test_each_flow_keeps_who_told_its_rate() -> None:
    """The side column says it flow by flow; gaps are the device's."""
    origins = np.array([RATE_ORIGINS.index(name) for name in ("sampler", "domain", "unknown")], np.uint8)
    batch = FlowBatch(3, {"sample_rate": np.array([10.0, 50.0, 0.0])}, side={"rate_origin": origins})
    used = weigh(batch, ConfiguredRates(device=20), 1.0)
    assert {(one.rate, one.origin) for one in used} == {(10, "sampler"), (50, "domain"), (20, "device")}


def test_rates_of_several_batches_are_summed_up() -> None:
    """The commonest stands first; equal pairs are one."""
    found = [RateInUse(10, "record", 3), RateInUse(20, "device", 5), RateInUse(10, "record", 4)]
    assert together(found) == (RateInUse(10, "record", 7), RateInUse(20, "device", 5))
    assert [one.flows for one in together(found)] == [7, 5]


def test_an_empty_batch_uses_no_rate() -> None:
    """Nothing to say where no flow is."""
    assert weigh(FlowBatch(0), ConfiguredRates(), 1.0) == []


def test_pending_records_are_bounded_by_their_own_limit_and_the_shared_one() -> None:
    """What finds no room is refused; taking does not give the budget back before the work is done."""
    layout = OneByteRecords()
    first, second, third = (RecordSet(layout, 10, bytes([number] * 10), CLOCK) for number in range(3))
    size = 10 + SET_OVERHEAD_BYTES
    budget = ByteBudget(4 * size)
    one, other = PendingRecords(budget, 2 * size), PendingRecords(budget, 2 * size)
    assert [one.add(first), one.add(second), one.add(third)] == [True, True, False]
    assert [other.add(first), other.add(second)] == [True, False]
    assert (one.count, one.bytes, budget.used) == (20, 2 * size, 3 * size)
    one.take()
    assert (one.count, one.bytes, one.highwater) == (0, 0, 20)
    assert not other.add(second)
    budget.release(2 * size)
    assert other.add(second)


def test_devices_that_flood_leave_room_for_those_that_have_little() -> None:
    """A budget of 512 KiB: four may take all but a quarter; each other device has its 4 KiB, until nothing is left."""

    def some() -> RecordSet:
        return RecordSet(OneByteRecords(), 824, bytes(824), CLOCK)

    size = 824 + SET_OVERHEAD_BYTES
    budget = ByteBudget(512 * size)
    floods = [PendingRecords(budget, 256 * size) for _device in range(4)]
    for _round in range(256):
        for flood in floods:
            flood.add(some())
    assert sum(flood.bytes for flood in floods) == budget.used == 384 * size
    others = [PendingRecords(budget, 256 * size) for _device in range(32)]
    for other in others:
        assert [other.add(some()) for _set in range(5)] == [True] * 4 + [False]
    assert budget.used == budget.max_bytes
    assert not PendingRecords(budget, 256 * size).add(some())


def test_bytes_that_sets_share_are_counted_once() -> None:
    """Packets that were walked together leave their records in one piece of memory, under several templates."""
    body, starts = bytes(range(100)), np.arange(4, dtype=np.int32)
    pending = PendingRecords(ByteBudget(2000), 1000)
    for first in (0, 40, 80):
        assert pending.add(RecordSet(OneByteRecords(), 4, body, CLOCK, starts + np.int32(first)))
    assert pending.bytes == 100 + 3 * (SET_OVERHEAD_BYTES + 4 * 4)
    pending.take()
    assert pending.add(RecordSet(OneByteRecords(), 4, body, CLOCK, starts))
    assert pending.bytes == 100 + SET_OVERHEAD_BYTES + 4 * 4
