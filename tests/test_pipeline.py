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
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.device import Device
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.ledger import Ledger
from kproxy_tw.pipeline import DevicePipeline, Job, SampleConfig, convert
from kproxy_tw.sample.pending import ByteBudget
from kproxy_tw.sample.rates import ConfiguredRates, RateInUse
from kproxy_tw.sample.thin import Choice
from kproxy_tw.testing.exporters import IpfixExporter, NetFlow5Exporter, NetFlow9Exporter, SflowExporter
from kproxy_tw.testing.traffic import make_flows
from tests.decode.netflow_bytes import a_set, ipfix, number, template

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
    """3,000 flows at a cap of 100 a second: 100 go out at the first tick, each standing for 30 × the device's 10."""
    device = pipeline()
    true = 0
    for records, octets in netflow5(3000):
        device.take(records)
        true += octets
    job = device.begin(0.0)
    assert job is not None
    assert (job.seen, job.kept) == (3000, 100)
    converted = convert(job)
    device.finish(job, converted)
    assert (device.rate, device.rate_origin) == (300.0, "device")
    assert device.ledger.records_sampled_out == 2900
    assert device.ledger.records_in_flight == 100
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
    job = device.begin(0.0)
    assert job is not None
    assert job.kept == 10
    device.finish(job, convert(job))
    assert device.rate == pytest.approx(50 * 40 / 10)


def ticked(device: DevicePipeline, sampling: int, now: float) -> None:
    """A datagram with this rate in its header goes through a tick."""
    flows = make_flows(5, np.random.default_rng(2))
    data = bytearray(NetFlow5Exporter(NOW).datagram(flows, NOW))
    data[22:24] = (1 << 14 | sampling).to_bytes(2, "big")
    device.take(walk(bytes(data), TemplateCache(), int(NOW * 1e9)))
    job = device.begin(now)
    assert job is not None
    device.finish(job, convert(job))


def test_a_rate_in_the_header_that_changes_is_told() -> None:
    """With both rates and who told them; the page knows what is in use."""
    device = pipeline()
    for now, sampling in ((1.0, 100), (2.0, 100), (3.0, 200)):
        ticked(device, sampling, now)
    (notice,) = device.notices.take()
    assert notice.text == "the sampling rate changed from 1:100 (header) to 1:200 (header)"
    assert [(one.rate, one.origin, one.flows) for one in device.rates] == [(200, "header", 5)]


def test_a_rate_that_changes_within_a_tick_is_told_too() -> None:
    """Flows of both rates in one message, then of the new one only."""
    device = pipeline()
    ticked(device, 100, 1.0)
    flows = make_flows(5, np.random.default_rng(2))
    for sampling in (100, 200):
        data = bytearray(NetFlow5Exporter(NOW).datagram(flows, NOW))
        data[22:24] = sampling.to_bytes(2, "big")
        device.take(walk(bytes(data), TemplateCache(), int(NOW * 1e9)))
    job = device.begin(2.0)
    assert job is not None
    device.finish(job, convert(job))
    assert device.notices.take() == []
    ticked(device, 200, 3.0)
    assert [notice.kind for notice in device.notices.take()] == ["rate_changed"]


@pytest.mark.parametrize(
    ("origins", "told"),
    [(("sampler", "file"), 1), (("file", "domain"), 1), (("file", "file"), 1), (("domain", "domain"), 0)],
)
def test_a_change_by_the_file_is_told(origins: tuple[str, str], told: int) -> None:
    """Also where option tables are involved: these tell of their own changes alone."""
    device = pipeline()
    for now, (rate, origin) in enumerate(zip((100.0, 200.0), origins, strict=True), 1):
        device.take(
            walk(NetFlow5Exporter(NOW).datagram(make_flows(5, np.random.default_rng(2)), NOW), TemplateCache(), 0)
        )
        job = device.begin(float(now))
        assert job is not None
        device.finish(job, attrs.evolve(convert(job), rates=(RateInUse(rate, origin, 5),)))
    assert [notice.kind for notice in device.notices.take()] == ["rate_changed"] * told


def test_no_rate_known_is_told_once() -> None:
    """Neither exporter nor API nor flag: 1, origin unknown, one warning."""
    device = pipeline(attrs.evolve(DEVICE, sample_rate=0))
    for now in (1.0, 2.0, 3.0):
        ticked(device, 0, now)
    assert [notice.kind for notice in device.notices.take()] == ["no_rate"]
    assert (device.rate, device.rate_origin) == (1.0, "unknown")


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


def biflows(*octets: tuple[int, int]) -> Walk:
    """Records that count octets of both directions."""
    data = ipfix(
        a_set(2, template(256, (8, 4), (12, 4), (1, 4), (1, 4, 29305))),
        a_set(256, *(number(1, 4) + number(2, 4) + number(there, 4) + number(back, 4) for there, back in octets)),
        seconds=int(NOW),
    )
    return walk(data, TemplateCache(), int(NOW * 1e9))


def test_a_record_of_both_directions_is_one_record_and_two_flows() -> None:
    """The ledger counts records; what goes out are the flows they become, empty ones left out."""
    device = pipeline()
    device.take(biflows((10, 20), (30, 0), (40, 50)))
    job = device.begin(1.0)
    assert job is not None
    converted = convert(job)
    device.finish(job, converted)
    assert (converted.flows, converted.records) == (5, 3)
    assert sorted(decode_body(converted.body, gzipped=True).batch.column("in_bytes").tolist()) == [10, 20, 30, 40, 50]
    device.ledger.forward(converted.records)
    assert (device.ledger.balanced(), device.ledger.records_forwarded, device.ledger.records_in_flight) == (True, 3, 0)


def test_the_cap_counts_flows() -> None:
    """Records that may become two flows use up the cap twice; what was empty is given back."""
    device = pipeline(attrs.evolve(DEVICE, max_flow_rate=100))
    device.take(biflows(*[(1, 1)] * 80))
    job = device.begin(0.0)
    assert job is not None
    assert (job.kept, job.charged, convert(job).flows) == (50, 100, 100)
    device.finish(job, convert(job))
    assert device.ledger.records_sampled_out == 30
    device.take(biflows(*[(1, 0)] * 60))
    second = device.begin(1.0)
    assert second is not None
    assert second.charged == 2 * second.kept
    assert convert(second).flows == second.kept in range(40, 51)
    device.finish(second, convert(second))
    device.take(biflows((1, 0)))
    assert device.begin(1.0) is not None


def test_custom_columns_reach_the_message() -> None:
    """What records tell is sent under the ids that the device has for it, and only that."""
    device = pipeline(attrs.evolve(DEVICE, custom_columns={"POST_NAT_SRC_PORT": 7, "INT00": 8}))
    data = ipfix(
        a_set(2, template(256, (227, 2), (228, 2))), a_set(256, number(4000, 2) + number(5, 2)), seconds=int(NOW)
    )
    device.take(walk(data, TemplateCache(), int(NOW * 1e9)))
    job = device.begin(1.0)
    assert job is not None
    custom = decode_body(convert(job).body, gzipped=True).custom
    assert {number: column.tolist() for number, column in custom.items()} == {7: [4000]}


def test_long_texts_do_not_make_a_message_too_large() -> None:
    """65,520 flows with four texts of 250 bytes are more than a message may hold: texts are cut, no flow is lost."""
    fields = [(number, 250) for number in (82, 83, 96, 94)]
    shape = a_set(2, template(256, *fields))
    names = {"interfaceName": 1, "interfaceDescription": 2, "application_name": 3, "application_description": 4}
    records = a_set(256, b"x" * 1000 * 60)
    found = walk(ipfix(shape, records, seconds=int(NOW)), TemplateCache(), int(NOW * 1e9))
    ((only,), count) = found.sets, 65_536 // 60
    many = attrs.evolve(only, body=bytes(only.body) * count, count=only.count * count, datagrams=1)
    whole = Choice(only.layout, [many], None, many.count)
    rates = ConfiguredRates()
    job = Job(
        choices=[whole],
        kept=many.count,
        seen=many.count,
        size=0,
        device_id=1,
        column_ids=names,
        rates=rates,
        random=np.random.default_rng(1),
    )
    decoded = decode_body(convert(job).body, gzipped=True)
    assert decoded.batch.length == many.count
    assert {column[0] for column in decoded.custom.values()} == {b"x" * 64}
