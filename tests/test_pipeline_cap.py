"""The cap in the pipeline: plans, shards, copies, and which records stay."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import numpy as np
import pytest

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.device import Device
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.ledger import Ledger
from kproxy_tw.pipeline import DevicePipeline, Job, SampleConfig, convert
from kproxy_tw.sample.pending import ByteBudget
from kproxy_tw.sample.plans import PlanCaps
from kproxy_tw.testing.exporters import IpfixExporter, NetFlow5Exporter, NetFlow9Exporter, SflowExporter
from kproxy_tw.testing.traffic import make_flows
from tests.sample.heavy_traffic import heavy_flows, walk_of

NOW = 1_790_000_000.0
DEVICE = Device(device_id=7, company_id=1, name="edge", sample_rate=10, max_flow_rate=100, plan_max_fps=60)


def pipeline(
    device: Device = DEVICE, config: SampleConfig | None = None, plans: PlanCaps | None = None, seed: int = 3
) -> DevicePipeline:
    """A pipeline whose random choices repeat."""
    return DevicePipeline(
        device=device,
        config=config or SampleConfig(),
        ledger=Ledger(),
        budget=ByteBudget(1 << 24),
        random=np.random.default_rng(seed),
        now=0.0,
        plans=plans,
    )


def ticked(device: DevicePipeline, count: int, now: float) -> Job:
    """The job of a tick before which ``count`` flows came in."""
    device.take(walk_of(heavy_flows(count, np.random.default_rng(1))))
    job = device.begin(now)
    assert job is not None
    device.finish(job, convert(job))
    return job


@pytest.mark.parametrize(("plan", "kept"), [("shared", 60), ("device", 60), ("off", 100)])
def test_the_plan_bounds_a_device(plan: str, kept: int) -> None:
    """A device alone in its plan gets the plan's cap, shared or not; without plans its own."""
    assert ticked(pipeline(config=SampleConfig(plan=plan)), 1000, 0.0).kept == kept


def test_devices_of_a_plan_share_its_cap() -> None:
    """Two flooded devices send 60 a second together, half each; when one goes, the other has all of it."""
    plans = PlanCaps()
    devices = [pipeline(attrs.evolve(DEVICE, device_id=number), plans=plans) for number in (1, 2)]
    kept: Counter[int] = Counter()
    for second in range(1, 31):
        for device in devices:
            kept[device.device.device_id] += ticked(device, 500, second + device.device.device_id / 10).kept
    assert kept[1] == pytest.approx(900, abs=60)
    assert kept[2] == pytest.approx(900, abs=60)
    assert devices[0].plan_level == pytest.approx(30)
    devices[1].leave(31.0)
    assert sum(ticked(devices[0], 500, second + 0.1).kept for second in range(31, 41)) == pytest.approx(600, abs=60)


def test_a_cap_is_divided_by_the_shards() -> None:
    """Four processes for each device: a quarter each of the device's cap."""
    assert ticked(pipeline(config=SampleConfig(plan="off", shards=4)), 1000, 0.0).kept == 25


def test_copies_go_along_and_are_not_counted() -> None:
    """5 low-resolution copies a second beside 100 flows; the ledger and the cap know nothing of them."""
    device = pipeline(config=SampleConfig(plan="off", max_big=5))
    device.take(walk_of(heavy_flows(1000, np.random.default_rng(1))))
    job = device.begin(0.0)
    assert job is not None
    converted = convert(job)
    decoded = decode_body(converted.body, gzipped=True).batch
    assert (converted.flows, converted.records, decoded.length) == (100, 100, 105)
    assert int(decoded.column("big").sum()) == 5


def test_the_sum_of_rates_is_exact_on_the_wire() -> None:
    """1,000 flows sampled 1 in 3 of which 70 go out: the 70 rates add up to 3,000.00."""
    device = pipeline(attrs.evolve(DEVICE, max_flow_rate=70, plan_max_fps=0))
    device.take(walk_of(heavy_flows(1000, np.random.default_rng(1))))
    job = device.begin(0.0)
    assert job is not None
    rates = decode_body(convert(job).body, gzipped=True).batch.column("sample_rate")
    assert np.rint(100 * rates).sum() == 300_000
    assert set(np.rint(100 * rates).tolist()) == {4285.0, 4286.0}


def test_the_same_seed_makes_the_same_choices() -> None:
    """Two runs with one seed are equal to the byte, with another they are not."""
    bodies = []
    for seed in (1, 1, 2):
        device = pipeline(config=SampleConfig(max_big=5), seed=seed)
        device.take(walk_of(heavy_flows(1000, np.random.default_rng(1))))
        job = device.begin(0.0)
        assert job is not None
        bodies.append(convert(job).body)
    assert bodies[0] == bodies[1] != bodies[2]


def test_every_format_and_every_place_has_the_same_chance() -> None:
    """24 of 240 records of four formats stay, 200 times: early or late, of routers or sFlow, each 20 times."""
    flows = make_flows(60, np.random.default_rng(2))
    templates = TemplateCache()
    kinds = (NetFlow5Exporter, NetFlow9Exporter, IpfixExporter, SflowExporter)
    exporters: list[Any] = [kind(NOW) for kind in kinds]
    stayed: Counter[tuple[str, int]] = Counter()
    device = pipeline(attrs.evolve(DEVICE, max_flow_rate=24, plan_max_fps=0))
    for draw in range(200):
        for exporter in exporters:
            for first in range(0, 60, 12):
                datagram = exporter.datagram(flows[first : first + 12], NOW)
                device.take(walk(datagram, templates, int(NOW * 1e9)))
        job = device.begin(float(draw))
        assert job is not None
        assert (job.seen, job.kept) == (240, 24)
        for choice in job.choices:
            assert choice.chosen is not None
            stayed.update((choice.layout.flow_type, int(place) // 12) for place in choice.chosen)
        device.finish(job, convert(job))
    assert len(stayed) == 20
    expected, deviation = 12 * 20, np.sqrt(12 * 20 * 0.9)
    assert max(abs(count - expected) for count in stayed.values()) < 5 * deviation


def test_what_the_cap_does_is_known() -> None:
    """900 of 1,000 records left out: each kept one stands for ten, and the error is stated."""
    device = pipeline(config=SampleConfig(plan="off"))
    ticked(device, 1000, 0.0)
    lately = device.accuracy.total(0.0)
    assert (lately.seen, lately.kept, lately.seen_per_kept) == (1000, 100, 10.0)
    assert 0.02 < lately.octets.relative_error < 2
