"""The tick: per device, once a second, sample → columns → weigh → encode, and on to delivery.

:class:`DevicePipeline` holds what waits and decides, in the reactor's thread, which records go out;
:func:`convert` turns them into one kflow message and is made for a worker thread. ``service.py`` brings the two
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from kproxy_tw.decode.custom import fitted, wanted_names
from kproxy_tw.decode.names import add_names
from kproxy_tw.decode.notices import Notices
from kproxy_tw.decode.records import Walk
from kproxy_tw.devices.device import Device
from kproxy_tw.enrich.interfaces import (
    Interfaces,
    InterfaceTable,
    InterfaceTraffic,
    Traffic,
    add_interfaces,
    traffic_of,
)
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.kflow.bounds import MAX_MESSAGE_FLOWS
from kproxy_tw.kflow.custom_write import cut_texts
from kproxy_tw.kflow.encode import Encode, encode
from kproxy_tw.ledger import Ledger
from kproxy_tw.looks import Looks
from kproxy_tw.sample.accuracy import Accuracy, RecentAccuracy, accuracy_of
from kproxy_tw.sample.devicecap import DeviceCap
from kproxy_tw.sample.lowres import with_copies
from kproxy_tw.sample.pending import ByteBudget, PendingRecords
from kproxy_tw.sample.plans import PlanCaps
from kproxy_tw.sample.rates import UNSAMPLED, ConfiguredRates, RateInUse, together, weigh
from kproxy_tw.sample.spread import spread
from kproxy_tw.sample.thin import Choice, choose
from kproxy_tw.sample.window import FIRST_CREDIT_SECONDS, CapWindow

TOLD_BY_OPTIONS = {"sampler", "domain"}
"""Origins of rates of which the option tables themselves say when they change."""

NO_RATE = (
    "no sampling rate known for some of its flows: they count 1:1; set the device's sample rate in its settings, or"
    " -sample_rate_file, or have the exporter send its sampler options"
)


SHORTER_TEXTS = (64, 16)
"""Bytes that texts of custom columns are cut to, one after the other, when a message would be too large."""


@attrs.frozen(kw_only=True)
class SampleConfig:
    """The cap.

    :ivar max_fps: flows per second of a device for which the API names no ``max_flow_rate``.
    :ivar interval_seconds: length of the window in which unused allowance may be used later.
    :ivar sample_rate: the rate of all flows, whatever exporter and API say; 0 for not set.
    :ivar rate_file: of rates of single exporters, which go before that; ``None`` for none.
    :ivar max_pending_bytes: raw records of one device that may wait for the tick.
    :ivar max_total_bytes: raw records of all devices that may wait or be in conversion.
    :ivar plan: what the cap of a device's plan is: ``shared`` by the plan's devices, each ``device``'s, or ``off``.
    :ivar shards: processes that the devices' flow is split over; every cap is divided by it.
    :ivar max_big: low-resolution copies per second and device.
    """

    max_fps: float = 4000.0
    interval_seconds: float = 15.0
    sample_rate: float = 0.0
    rate_file: Path | None = None
    max_pending_bytes: int = 32 << 20
    max_total_bytes: int = 128 << 20
    plan: str = "shared"
    shards: int = 1
    max_big: int = 0


@attrs.frozen(kw_only=True)
class Job:
    """Records that were chosen, and what is needed to make a message of them.

    :ivar size: bytes of the shared budget that they hold until the job is done.
    :ivar column_types: what the values of a custom column have to be, where that is known.
    :ivar interfaces: what SNMP knows of the device's interfaces.
    :ivar wanted: the names of the custom columns as fields are compared with them.
    :ivar charged: flows that they may become, as counted against the cap: some records are two flows.
    :ivar random: for the copies and the spreading of fractions; this job's alone until it is done.
    :ivar copies: low-resolution copies to add.
    :ivar started: monotonic seconds at which the records were chosen.
    :ivar looks: of so many of its flows a copy is wanted, for people to look at.
    """

    choices: Sequence[Choice]
    kept: int
    seen: int
    size: int
    device_id: int
    column_ids: Mapping[str, int]
    rates: ConfiguredRates
    random: np.random.Generator
    charged: int = 0
    copies: int = 0
    started: float = 0.0
    looks: int = 0
    column_types: Mapping[str, str] = attrs.field(factory=dict)
    interfaces: InterfaceTable | None = None
    wanted: frozenset[str] = attrs.Factory(lambda self: wanted_names(self.column_ids), takes_self=True)


@attrs.frozen(kw_only=True)
class Converted:
    """A message body.

    :ivar flows: flows in it, low-resolution copies not counted.
    :ivar records: records that these flows are of: what the ledger counts.
    :ivar undecodable: records that could not be decoded after all.
    :ivar rate: mean sample rate of its flows, the cap's share included.
    :ivar rates: the rates that the flows carried without the cap's share, the commonest first.
    :ivar accuracy: how good an estimate its flows make.
    :ivar traffic: what its flows say of each interface.
    :ivar looked_at: a copy of the last of its flows, where one is wanted.
    """

    body: bytes
    flows: int
    records: int
    undecodable: int
    rate: float
    rates: tuple[RateInUse, ...] = ()
    accuracy: Accuracy = attrs.Factory(Accuracy)
    traffic: Traffic = attrs.Factory(Traffic)
    looked_at: FlowBatch | None = None


def convert(job: Job, make: Encode = encode) -> Converted:
    """Decode, weigh and encode; for a worker thread. Without decodable records the body is empty.

    :param make: makes the body.
    :raises ValueError: the message would be larger than kflow allows.
    """
    batches: list[FlowBatch] = []
    rates: list[RateInUse] = []
    undecodable = 0
    for choice in job.choices:
        try:
            batch = choice.layout.columns(choice.sets, choice.chosen, job.wanted)
        except MalformedInput:
            undecodable += choice.kept
            continue
        rates += weigh(batch, attrs.evolve(job.rates, file=choice.forced_rate), job.seen / job.kept)
        add_names(batch, job.wanted)
        add_interfaces(batch, job.wanted, job.interfaces)
        batch.custom = fitted(batch.custom, job.column_ids, job.column_types)
        batches.append(batch)
    if not batches:
        return Converted(body=b"", flows=0, records=0, undecodable=undecodable, rate=UNSAMPLED)
    flows = FlowBatch.concatenate(batches)
    if job.kept < job.seen:
        flows.columns["sample_rate"] = spread(flows.column("sample_rate"), job.random.random())
    # Before the copies are added, and only where there is something to compare it with.
    traffic = Traffic() if job.interfaces is None else traffic_of(flows)
    return Converted(
        body=_body(with_copies(flows, job.copies, job.random), job, make),
        flows=flows.length,
        records=job.kept - undecodable,
        undecodable=undecodable,
        rate=float(np.mean(flows.column("sample_rate"))),
        rates=together(rates),
        accuracy=accuracy_of(flows, job.seen, job.kept),
        traffic=traffic,
        looked_at=flows.last(job.looks) if job.looks else None,
    )


def _body(flows: FlowBatch, job: Job, make: Encode) -> bytes:
    """The message. Texts in custom columns are cut shorter where it would be too large.

    :raises ValueError: it is too large even so.
    """
    for limit in SHORTER_TEXTS:
        try:
            return make(flows, device_id=job.device_id, column_ids=job.column_ids)
        except ValueError:
            flows.custom = {
                name: cut_texts(column, limit) if column.dtype.kind == "S" else column
                for name, column in flows.custom.items()
            }
    return make(flows, device_id=job.device_id, column_ids=job.column_ids)


def _told_elsewhere(old: RateInUse, new: RateInUse) -> bool:
    """Whether the option tables tell of a change from one to the other."""
    origins = {old.origin, new.origin}
    return "file" not in origins and not origins.isdisjoint(TOLD_BY_OPTIONS)


class DevicePipeline:
    """What one registered device has sent and what becomes of it, up to the encoded message.

    :ivar converting: a job of this device is with a worker; the next one waits for it.
    :ivar rate, rate_origin: mean rate of the last message's flows, the cap's share included, and who told most of it.
    :ivar rates: the rates of the last message's flows without that share.
    :ivar notices: what people should know of these.
    :ivar accuracy: how good an estimate the flows of the last minute make.
    :ivar traffic: what its flows say of its interfaces, since SNMP knows them.
    :ivar looks: the last flows, for people to look at.

    :param random: decides which records stay. A generator spawned from it belongs to the conversions.
    :param plans: the caps that devices share.
    :param interfaces: gives what SNMP knows of a device's interfaces, by device id.
    """

    def __init__(
        self,
        *,
        device: Device,
        config: SampleConfig,
        ledger: Ledger,
        budget: ByteBudget,
        random: np.random.Generator,
        now: float,
        plans: PlanCaps | None = None,
        interfaces: Interfaces = lambda _device_id: None,
    ) -> None:
        self.ledger = ledger
        self.converting = False
        self.rate, self.rate_origin = UNSAMPLED, "unknown"
        self.rates: tuple[RateInUse, ...] = ()
        self.notices = Notices()
        self._counted_ahead = 0
        self._rate_missed = False
        self._only_rate: RateInUse | None = None
        self.pending = PendingRecords(budget, config.max_pending_bytes)
        self._config = config
        self._budget = budget
        self._random = random
        (self._conversions,) = random.spawn(1)
        self._plans = plans or PlanCaps()
        self._copies = CapWindow(config.max_big, FIRST_CREDIT_SECONDS, now)
        self.accuracy = RecentAccuracy()
        self._interfaces = interfaces
        self.traffic = InterfaceTraffic()
        self.looks = Looks()
        self.device = device
        self.update(device, now)

    def update(self, device: Device, now: float) -> None:
        """Take over the device's settings, at the start and whenever the API changes them."""
        self.leave(now)
        self.device = device
        self._wanted = wanted_names(device.custom_columns)
        most = float(device.max_flow_rate or self._config.max_fps)
        if self._config.plan == "device" and device.plan_max_fps:
            most = min(most, float(device.plan_max_fps))
        # One message a second cannot carry more than one message can hold.
        self.max_fps = min(most / self._config.shards, float(MAX_MESSAGE_FLOWS - self._config.max_big))
        plan = None
        if self._config.plan == "shared":
            plan = self._plans.join(device.company_id, device.plan_max_fps, device.device_id, now)
        self._cap = DeviceCap(self.max_fps, self._config.interval_seconds, now, plan, device.device_id)

    def leave(self, now: float) -> None:
        """Take no part in the plan's cap any more: the device is gone, or is about to be another one."""
        self._plans.leave(self.device.company_id, self.device.plan_max_fps, self.device.device_id, now)

    @property
    def plan_level(self) -> float:
        """Flows per second that the plan's cap leaves this device; infinite while that does not limit it."""
        return self._cap.level

    def take(self, walk: Walk) -> None:
        """Count the records of a datagram and keep them for the tick."""
        ledger = self.ledger
        self._receive(walk.records)
        if walk.no_template:
            ledger.drop("no_template", walk.no_template)
        if walk.malformed:
            ledger.drop("malformed", walk.malformed)
        if not self.device.enabled:
            ledger.drop("disabled", sum(records.count for records in walk.sets))
            return
        for records in walk.sets:
            if not self.pending.add(records):
                ledger.drop("queue_full", records.count)

    def begin(self, now: float) -> Job | None:
        """Choose what goes out now; ``None`` when nothing waits, nothing may go yet, or a job is under way."""
        seen, flows, size = self.pending.count, self.pending.flows, self.pending.bytes
        if self.converting:
            return None
        allowance = min(self._cap.allowance(flows, now), MAX_MESSAGE_FLOWS - self._config.max_big)
        if allowance < 1:
            return None
        groups = self.pending.take()
        kept = seen if flows <= allowance else max(1, allowance * seen // flows)
        choices = choose(groups, kept, self._random)
        charged = sum(choice.layout.flows_per_record * choice.kept for choice in choices)
        self._cap.spend(charged, flows, now)
        self.ledger.sample_out(seen - kept)
        self.converting = True
        return Job(
            choices=choices,
            kept=kept,
            seen=seen,
            size=size,
            device_id=self.device.device_id,
            column_ids=self.device.custom_columns,
            rates=ConfiguredRates(self._config.sample_rate, float(self.device.sample_rate)),
            charged=charged,
            random=self._conversions,
            copies=self._copies_due(now),
            started=now,
            looks=self.looks.wanted(now),
            column_types=self.device.column_types,
            interfaces=self._interfaces(self.device.device_id),
            wanted=self._wanted,
        )

    def finish(self, job: Job, converted: Converted) -> None:
        """The job is done: its undecodable records are dropped, the rest is in ``converted.body``."""
        self._release(job)
        self._cap.correct(min(0, max(job.kept, converted.flows) - job.charged))  # second flows that were empty
        if converted.undecodable:
            self.ledger.drop("malformed", converted.undecodable)
        if converted.flows:
            self._rates_told(converted)
            self.accuracy.add(converted.accuracy, job.started)
            self.traffic.add(converted.traffic)
        if converted.looked_at is not None:
            self.looks.keep(converted.looked_at, job.started)

    def fail(self, job: Job) -> None:
        """No message could be made of the job: its records are lost."""
        self._release(job)
        self.ledger.drop("encode", job.kept)

    def discard(self, reason: str) -> None:
        """Drop what waits."""
        self.ledger.drop(reason, self.pending.count + self._counted_ahead)
        self._counted_ahead = 0
        self._budget.release(self.pending.bytes)
        self.pending.take()

    def _rates_told(self, converted: Converted) -> None:
        self.rates = converted.rates
        self.rate, self.rate_origin = converted.rate, converted.rates[0].origin
        if any(one.origin == "unknown" for one in self.rates) and not self._rate_missed:
            self._rate_missed = True
            self.notices("no_rate", "", NO_RATE)
        if len(self.rates) > 1:
            return
        (new,) = self.rates
        old, self._only_rate = self._only_rate, new
        if old is not None and old.rate != new.rate and not _told_elsewhere(old, new):
            text = f"the sampling rate changed from 1:{old.rate:g} ({old.origin}) to 1:{new.rate:g} ({new.origin})"
            self.notices("rate_changed", "", text)

    def _receive(self, records: int) -> None:
        """Count records in; fewer than none when kept sets turned out to hold less than they were counted as.

        The counters of a ledger never go back, so these are set off against the next records.
        """
        missing = records - self._counted_ahead
        self._counted_ahead = max(-missing, 0)
        self.ledger.receive(max(missing, 0))

    def _copies_due(self, now: float) -> int:
        copies = self._copies.allowance(now)
        self._copies.spend(copies)
        return copies

    def _release(self, job: Job) -> None:
        self.converting = False
        self._budget.release(job.size)
