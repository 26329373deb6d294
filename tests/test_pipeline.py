"""The tick: what waits, what goes out, and the books in between."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates import TemplateCache
from kproxy_tw.devices.device import Device
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.ledger import Ledger
from kproxy_tw.pipeline import DevicePipeline, SampleConfig, convert
from kproxy_tw.sample.pending import ByteBudget
from kproxy_tw.testing.exporters import IpfixExporter, NetFlow5Exporter, NetFlow9Exporter, SflowExporter
from kproxy_tw.testing.traffic import make_flows

NOW = 1_790_000_000.0
DEVICE = Device(device_id=7, company_id=1, name="edge", sample_rate=10, max_flow_rate=100)


def pipeline(device: Device = DEVICE, budget: ByteBudget | None = None) -> DevicePipeline:
    """A pipeline whose random choices repeat."""
    return DevicePipeline(
        device=device,
        config=SampleConfig(),
        ledger=Ledger(),
        budget=budget or ByteBudget(1 << 20),
        random=np.random.default_rng(3),
        now=0.0,
    )


def netflow5(count: int, seed: int = 1) -> Iterator[tuple[Walk, int]]:
    """Walked v5 datagrams with ``count`` flows, and the bytes in each."""
    exporter = NetFlow5Exporter(NOW)
    flows = make_flows(count, np.random.default_rng(seed))
    for first in range(0, count, exporter.flows_per_datagram):
        part = flows[first : first + exporter.flows_per_datagram]
        yield walk(exporter.datagram(part, NOW), TemplateCache(), int(NOW * 1e9)), int(part["bytes"].sum())


def test_all_formats_end_in_one_message() -> None:
    """Flows of four formats that wait together become one kflow message with the same totals."""
    device = pipeline(attrs.evolve(DEVICE, max_flow_rate=1000))
    flows = make_flows(8, np.random.default_rng(2))
    templates = TemplateCache()
    for exporter in (NetFlow5Exporter(NOW), NetFlow9Exporter(NOW), IpfixExporter(NOW), SflowExporter(NOW)):
        device.take(walk(exporter.datagram(flows, NOW), templates, int(NOW * 1e9)))
    job = device.begin(1.0)
    assert job is not None
    decoded = decode_body(convert(job).body, gzipped=True)
    packets = flows["bytes"] // flows["packets"]
    assert decoded.batch.length == 32
    assert decoded.batch.column("in_bytes").sum() == 3 * flows["bytes"].sum() + packets.sum()
    assert set(decoded.batch.column("dst_as")[:24].tolist()) == set(flows["dst_as"].tolist())


def test_over_the_cap_estimates_stay_near_the_truth() -> None:
    """3,000 flows at a cap of 100 a second: 200 go out at the first tick, each standing for 15 × the device's 10."""
    device = pipeline()
    true = 0
    for records, octets in netflow5(3000):
        device.take(records)
        true += octets
    job = device.begin(1.0)
    assert job is not None
    assert (job.seen, job.kept) == (3000, 200)
    converted = convert(job)
    device.finish(job, converted)
    assert (device.rate, device.rate_origin) == (150.0, "device")
    assert device.ledger.records_sampled_out == 2800
    assert device.ledger.records_in_flight == 200
    batch = decode_body(converted.body, gzipped=True).batch
    estimate = float((batch.column("in_bytes") * batch.column("sample_rate")).sum())
    assert 0.3 < estimate / (10 * true) < 3  # one draw of heavy-tailed flows; the proof is in tests/sample


def test_a_device_whose_allowance_is_used_up_waits() -> None:
    """Nothing is thinned to zero flows: records stay until at least one may go."""
    device = pipeline(attrs.evolve(DEVICE, max_flow_rate=1))
    for records, _octets in netflow5(60):
        device.take(records)
    first = device.begin(0.5)
    assert first is not None
    device.finish(first, convert(first))
    for records, _octets in netflow5(60):
        device.take(records)
    assert device.begin(0.6) is None
    assert device.pending.count == 60
    assert device.begin(1.0) is not None


def test_one_job_at_a_time() -> None:
    """While a worker has a job, what comes in waits, and nothing is lost."""
    device = pipeline()
    for records, _octets in netflow5(30):
        device.take(records)
    job = device.begin(1.0)
    assert job is not None
    for records, _octets in netflow5(30):
        device.take(records)
    assert device.begin(2.0) is None
    device.finish(job, convert(job))
    second = device.begin(3.0)
    assert second is not None
    assert second.kept == 30


def test_disabled_devices_are_counted_and_dropped() -> None:
    """A device that the API has switched off keeps its books but sends nothing."""
    device = pipeline(attrs.evolve(DEVICE, enabled=False))
    for records, _octets in netflow5(30):
        device.take(records)
    assert device.begin(1.0) is None
    assert device.ledger.records_dropped["disabled"] == 30
    assert device.ledger.balanced()


def test_without_room_records_are_dropped_as_queue_full() -> None:
    """The budget that all devices share bounds what waits; it is given back when the job is done."""
    budget = ByteBudget(3000)
    device = pipeline(budget=budget)
    for records, _octets in netflow5(90):
        device.take(records)
    assert device.ledger.records_dropped["queue_full"] == 60
    job = device.begin(1.0)
    assert job is not None
    device.finish(job, convert(job))
    assert budget.used == 0


def test_settings_that_change_take_effect_at_the_next_tick() -> None:
    """A new cap and a new rate of the API hold without a restart."""
    device = pipeline()
    device.update(attrs.evolve(DEVICE, sample_rate=50, max_flow_rate=10), 0.0)
    for records, _octets in netflow5(40):
        device.take(records)
    job = device.begin(1.0)
    assert job is not None
    assert job.kept == 20
    device.finish(job, convert(job))
    assert device.rate == pytest.approx(50 * 40 / 20)


actions = st.lists(st.sampled_from(["take", "tick", "finish", "fail", "discard"]), max_size=40)


@settings(deadline=None, max_examples=60)
@given(actions)
def test_the_books_close_whatever_happens(order: list[str]) -> None:
    """In flight is exactly what waits and what a worker has, at every moment, and the budget is what they hold."""
    budget = ByteBudget(6000)
    device = pipeline(budget=budget)
    job = None
    for moment, action in enumerate(order):
        if action == "take":
            for records, _octets in netflow5(45):
                device.take(records)
        elif action == "tick":
            job = device.begin(float(moment)) or job
        elif action == "discard":
            device.discard("shutdown")
        elif job is not None:
            if action == "finish":
                converted = convert(job)
                device.finish(job, converted)
                device.ledger.forward(converted.flows)
            else:
                device.fail(job)
            job = None
        waiting = device.pending.count + (job.kept if job else 0)
        assert device.ledger.records_in_flight == waiting
        assert device.ledger.balanced()
        assert budget.used == device.pending.bytes + (job.size if job else 0)
