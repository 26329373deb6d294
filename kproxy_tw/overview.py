"""Overview: gathers what the parts know of themselves into the values that pages, JSON and metrics show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import attrs

from kproxy_tw import __version__
from kproxy_tw.deviceintake import DeviceIntake
from kproxy_tw.devices.exporter_status import hold_exporters
from kproxy_tw.devices.sflow_status import hold_sflow
from kproxy_tw.devices.sources import Sources
from kproxy_tw.intake import Intake
from kproxy_tw.ledger import SAMPLE_SECONDS, Ledger, Pace, Trend, adding
from kproxy_tw.pipeline import DevicePipeline
from kproxy_tw.sample.accuracy import WINDOW_SECONDS
from kproxy_tw.snmp.shown import DeviceSnmp
from kproxy_tw.snmp.status import PollerStatus
from kproxy_tw.status import (
    CapStatus,
    Check,
    DaemonStatus,
    DeviceStatus,
    EndpointStatus,
    LimitStatus,
    ListenerStatus,
    SettingStatus,
    StreamListenerStatus,
    TapStatus,
    TeeStatus,
    UnregisteredStatus,
)
from kproxy_tw.upstream.latency import Latencies

MINUTE = 60
QUARTER_HOUR = 15 * 60


class Listening(Protocol):
    """The sockets, as far as the overview needs them."""

    def status(self) -> Sequence[ListenerStatus]:
        """One value per socket."""

    def copies(self) -> Sequence[TeeStatus]:
        """What other collectors get of what comes in; one value per target."""


class Streaming(Protocol):
    """The listener for connections, as far as the overview needs it."""

    def status(self) -> StreamListenerStatus:
        """What it listens on, and its connections."""


class Delivering(Protocol):
    """Delivery, as far as the overview needs it."""

    def endpoint(self) -> EndpointStatus:
        """The flow endpoint."""

    def waiting(self) -> Mapping[str, int]:
        """``Messages``, ``Bytes``, ``OldestMs``, ``MaxBytes`` of what waits."""

    def highwater(self, device_id: int) -> int:
        """The most messages that ever waited for a device."""

    def check(self) -> Check:
        """Whether messages get through."""


class Spooling(Protocol):
    """The spool, as far as the overview needs it."""

    def shown(self) -> Mapping[str, int]:
        """``Messages``, ``Bytes``, ``OldestMs``, ``MaxBytes`` of what is on disk."""

    def check(self) -> Check:
        """Whether the disk keeps what it is given."""


class Refreshing(Protocol):
    """The device list, as far as the overview needs it."""

    def endpoint(self) -> EndpointStatus:
        """The API."""

    def check(self) -> Check:
        """Whether the device list is fresh."""


class Polling(Protocol):
    """SNMP, as far as the overview needs it."""

    def polling(self) -> PollerStatus:
        """How polling goes."""

    def device(self, device_id: int, *, whole: bool) -> DeviceSnmp:
        """What is known of a device, with its interfaces where ``whole``."""


def _unknown() -> None:
    """No clock was compared."""


@attrs.frozen(kw_only=True)
class Overview:
    """Fits ``interfaces.ProxyStatus``.

    :ivar clock: ``seconds()`` gives monotonic seconds.
    :ivar wall: gives seconds since 1970.
    :ivar config: effective settings, secrets masked.
    :ivar shard, gateway: see ``DaemonStatus``.
    :ivar inherited: the books of what runs before this one have left on disk.
    :ivar log_lines_lost: gives the lines that each log sink did not take.
    :ivar certificates: gives until when each certificate in use is valid.
    :ivar certificate_check: looks for one that ends soon.
    :ivar clock_check: compares this machine's clock with the backend's; ``clock_offset`` says by how much it is ahead.
    :ivar latencies: how long the backend's hosts take to answer.
    :ivar settings: see ``DaemonStatus``.
    :ivar bounded: looks at what must not grow without end.
    :ivar trend: readings of the totals; ``pace``: of the flows that came.
    """

    instance_id: str
    config: Mapping[str, object]
    start_time: float
    clock: Any
    wall: Callable[[], float]
    intake: Intake
    sources: Sources
    listening: Listening
    streaming: Streaming
    delivering: Delivering
    spool: Spooling | None
    inherited: Ledger
    refreshing: Refreshing
    polling: Polling
    shard: str = ""
    gateway: str = ""
    log_lines_lost: Callable[[], Mapping[str, int]] = dict
    clock_check: Callable[[], Check] | None = None
    certificates: Callable[[], Mapping[str, float]] = dict
    certificate_check: Callable[[], Check] | None = None
    clock_offset: Callable[[], float | None] = _unknown
    latencies: Latencies = attrs.Factory(Latencies)
    settings: tuple[SettingStatus, ...] = ()
    bounded: Callable[[], Sequence[LimitStatus]] = tuple
    trend: Trend = attrs.Factory(Trend)
    pace: Pace = attrs.Factory(Pace)

    def now(self) -> float:
        """Seconds since 1970."""
        return self.wall()

    def ledgers(self) -> Sequence[Ledger]:
        """The books of every device, and those that belong to none: what adds up to the totals."""
        return [self.inherited, *self.intake.ledgers()]

    def daemon(self, totals: Ledger) -> DaemonStatus:
        """The process as a whole. :param totals: the sum of :meth:`ledgers`."""
        listeners = tuple(self.listening.status())
        totals = attrs.evolve(totals, kernel_drops=_kernel_drops(listeners))
        seconds, lately = self.trend.lately(self.clock.seconds(), totals, MINUTE)
        return DaemonStatus(
            instance_id=self.instance_id,
            version=__version__,
            start_time=self.start_time,
            now=self.wall(),
            config=self.config,
            upstream=(
                self._observed(self.refreshing.endpoint(), "device list"),
                self._observed(self.delivering.endpoint(), "flow"),
            ),
            listeners=listeners,
            spool=self.delivering.waiting() if self.spool is None else self.spool.shown(),
            totals=totals,
            streams=self.streaming.status(),
            tee=tuple(self.listening.copies()),
            shard=self.shard,
            gateway=self.gateway,
            log_lines_lost=self.log_lines_lost(),
            polling=self.polling.polling(),
            certificates=self.certificates(),
            settings=self.settings,
            lately=lately,
            lately_seconds=seconds,
            forwarded=self.trend.forwarded(),
            clock_offset=self.clock_offset(),
        )

    def devices(self) -> Iterator[DeviceStatus]:
        """Registered devices that have sent something since the start; each is looked at when it is asked for."""
        return map(self._device, tuple(self.intake.devices.values()))

    def limits(self) -> Sequence[LimitStatus]:
        """What may not grow without end, and what comes in."""
        return [_flow_rate(self.pace), *self.bounded()]

    def sampling(self) -> Iterator[None]:
        """Take a reading of the totals, in short steps; every ``ledger.SAMPLE_SECONDS``."""
        self.bounded()
        yield
        totals = yield from adding(self.ledgers())
        totals.kernel_drops = _kernel_drops(self.listening.status())
        now = self.clock.seconds()
        self.trend.sample(now, totals)
        self.pace.sample(now, totals.records_received - self.inherited.records_received)

    def hold(self, device_id: int) -> Callable[[], DeviceStatus] | None:
        """What makes the whole status of one of :meth:`devices`; ``None`` when it has not sent anything."""
        intake = self.intake.devices.get(device_id)
        if intake is None:
            return None
        summary = attrs.evolve(
            self._device(intake),
            sequences=_sequences(intake),
            snmp=self.polling.device(device_id, whole=True),
            last_flows=intake.pipeline.looks.flows,
        )
        of_exporters = hold_exporters(intake.sessions, intake.pipeline.rates, intake.events.latest())
        of_sflow = hold_sflow(intake.sflow)

        def describe() -> DeviceStatus:
            exporters, templates = of_exporters()
            return attrs.evolve(summary, exporters=exporters, templates=templates, sflow=of_sflow())

        return describe

    def tap(self, device_id: int) -> TapStatus | None:
        """A device's last flows; more of them come while somebody asks. ``None``: no such device."""
        intake = self.intake.devices.get(device_id)
        if intake is None:
            return None
        looks = intake.pipeline.looks
        looks.tap(self.clock.seconds())
        return TapStatus(intake.pipeline.device.name, looks.number, looks.flows)

    def unregistered(self) -> Sequence[UnregisteredStatus]:
        """Unregistered sources of the last 30 minutes, oldest first."""
        return self.sources.unregistered(self.clock.seconds())

    def checks(self) -> Sequence[Check]:
        """The device list, delivery, the spool, the clock, and the certificates."""
        checks = [self.refreshing.check(), self.delivering.check()]
        if self.spool is not None:
            checks.append(self.spool.check())
        if self.clock_check is not None:
            checks.append(self.clock_check())
        if self.certificate_check is not None:
            checks.append(self.certificate_check())
        return checks

    def _observed(self, endpoint: EndpointStatus, purpose: str) -> EndpointStatus:
        seconds = self.latencies.of(endpoint.url)
        return attrs.evolve(
            endpoint,
            purpose=purpose,
            latency_ms=None if seconds is None else round(1000 * seconds, 1),
            certificate_expires=self.certificates().get(urlsplit(endpoint.url).hostname or ""),
        )

    def _device(self, intake: DeviceIntake) -> DeviceStatus:
        pipeline, ledger = intake.pipeline, intake.pipeline.ledger
        return DeviceStatus(
            device_id=pipeline.device.device_id,
            device_name=pipeline.device.name,
            company_id=pipeline.device.company_id,
            flow_types=tuple(sorted(intake.flow_types())),
            in1=intake.received.difference(ledger.datagrams_received, MINUTE),
            out1=intake.sent.difference(ledger.messages_sent, MINUTE),
            in15=intake.received.difference(ledger.datagrams_received, QUARTER_HOUR),
            out15=intake.sent.difference(ledger.messages_sent, QUARTER_HOUR),
            first_seen=intake.first_seen,
            last_seen=intake.last_seen,
            sources=tuple(sorted({session.address for session in intake.sessions.values()})),
            channel_highwater={
                "records": pipeline.pending.highwater,
                "messages": self.delivering.highwater(pipeline.device.device_id),
            },
            max_fps=pipeline.max_fps,
            sample_rate=pipeline.rate,
            rate_origin=pipeline.rate_origin,
            ledger=ledger.copy(),
            template_counts=intake.template_counts(),
            cap=_cap(pipeline, self.clock.seconds()),
            snmp=self.polling.device(pipeline.device.device_id, whole=False),
            recent=intake.recent.status(ledger, intake.received, self.wall()),
            enabled=pipeline.device.enabled,
        )


def _kernel_drops(listeners: Sequence[ListenerStatus]) -> int:
    return sum(listener.kernel_drops for listener in listeners)


def _flow_rate(pace: Pace) -> LimitStatus:
    return LimitStatus(
        name="Flows per second",
        current=round(pace.latest, 1),
        limit=math.inf,
        peak=round(pace.most, 1),
        hint=f"that came in, over {SAMPLE_SECONDS} seconds each; what may be sent on is each device's own",
    )


def _cap(pipeline: DevicePipeline, now: float) -> CapStatus:
    lately = pipeline.accuracy.total(now)
    return CapStatus(
        seconds=WINDOW_SECONDS,
        plan_fps=pipeline.plan_level,
        seen=lately.seen,
        kept=lately.kept,
        seen_per_kept=lately.seen_per_kept,
        octets_error=lately.octets.relative_error,
        packets_error=lately.packets.relative_error,
    )


def _sequences(intake: DeviceIntake) -> tuple[Mapping[str, object], ...]:
    return tuple(
        {"source": source, **row}
        for source, session in sorted(intake.sessions.items())
        for book in session.books()
        for row in book.describe()
    )
