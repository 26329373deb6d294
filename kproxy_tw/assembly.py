"""The only wiring: each daemon's parts, made and connected in the order in which data flows."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.application.internet import TimerService
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.task import Cooperator
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

import attrs
import numpy as np

from kproxy_tw.clocksteps import LOOK_SECONDS as LOOK_AT_CLOCK_SECONDS
from kproxy_tw.clocksteps import ClockSteps
from kproxy_tw.collector.config import CollectorConfig
from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.deliver.backlog.service import BacklogService
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.lanes.client import DeviceSessions
from kproxy_tw.deliver.letters.service import DeadLetters
from kproxy_tw.deliver.letters.store import DeadLetterStore
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.service import DeliveryService
from kproxy_tw.deliver.spool.limits import Lost, SpoolLimits
from kproxy_tw.deliver.spool.record import Origin
from kproxy_tw.deliver.spool.service import SpoolService
from kproxy_tw.deliver.spool.store import Spool
from kproxy_tw.deliver.spool.tally import Books
from kproxy_tw.devices.client import DeviceApi
from kproxy_tw.devices.config import DevicesConfig
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.memory.assembly import memory_service
from kproxy_tw.devices.memory.peers.config import Peer
from kproxy_tw.devices.registry import Changes, Registry
from kproxy_tw.devices.service import RefreshService
from kproxy_tw.devices.sources import Sources
from kproxy_tw.devices.store import DeviceStore
from kproxy_tw.intake import DeviceLife, Intake, SessionConfig
from kproxy_tw.ledger import SAMPLE_SECONDS, Ledger
from kproxy_tw.limits import Limits
from kproxy_tw.listen.activation import Inherited
from kproxy_tw.listen.container import container_gateway
from kproxy_tw.listen.ipfix.config import StreamConfig
from kproxy_tw.listen.ipfix.service import IpfixListener
from kproxy_tw.listen.service import ListenConfig, UdpListener
from kproxy_tw.logbook import LogBook
from kproxy_tw.ordered.service import OrderedServices
from kproxy_tw.overview import Overview
from kproxy_tw.pipeline import DevicePipeline, SampleConfig
from kproxy_tw.reload.service import ReloadOnHangup
from kproxy_tw.sample.overrides.service import RateFile
from kproxy_tw.sample.pending import ByteBudget
from kproxy_tw.sample.plans import PlanCaps
from kproxy_tw.sample.silence import LOOK_SECONDS, SilenceWatch
from kproxy_tw.selfmetrics.assembly import all_readings, self_metrics
from kproxy_tw.selfmetrics.config import MetricsConfig
from kproxy_tw.service import EventLog, PipelineService, ProblemLog
from kproxy_tw.snmp.assembly import SnmpAssembly
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.status import SettingStatus
from kproxy_tw.streams import StreamIntake
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.proxies import Proxies
from kproxy_tw.upstream.regions import Endpoints
from kproxy_tw.upstream.shared import Upstream
from kproxy_tw.upstream.tls import TlsConfig
from kproxy_tw.web.process import process_use
from kproxy_tw.web.service import HealthService, WebConfig

if TYPE_CHECKING:
    from kproxy_tw.bgp.assembly import KbgpConfig

NOTHING_INHERITED = Inherited()


@attrs.frozen(kw_only=True)
class KproxyConfig:
    """What kproxy is told; each part has its own configuration.

    :ivar state_dir: where the last good device list, the exporters' templates and the spool are kept.
    :ivar proxies: which hosts are reached through an HTTP proxy.
    :ivar peers: other kproxys that the same exporters send to.
    :ivar spool: of messages that are not delivered yet; ``None`` keeps them in memory alone.
    :ivar shown: effective settings by flag name for JSON, secrets masked; ``settings``: all of them, with their origin.
    :ivar shard: number of the shard of every device that this process is, as text; empty where flow is not split.
    :ivar exit_when_silent: stop when no datagram has come in for 15 minutes.
    :ivar metrics: where our own metrics go besides the backend.
    :ivar seed: of the thinning's random choices; ``None`` for a different one each time.
    """

    credentials: Credentials
    endpoints: Endpoints
    state_dir: Path
    tls: TlsConfig = attrs.Factory(TlsConfig)
    proxies: Proxies = attrs.Factory(Proxies)
    listen: ListenConfig = attrs.Factory(ListenConfig)
    streams: StreamConfig = attrs.Factory(StreamConfig)
    peers: tuple[Peer, ...] = ()
    decode: DecodeOptions = AS_SENT
    devices: DevicesConfig = attrs.Factory(DevicesConfig)
    sessions: SessionConfig = attrs.Factory(SessionConfig)
    sample: SampleConfig = attrs.Factory(SampleConfig)
    deliver: DeliverConfig = attrs.Factory(DeliverConfig)
    snmp: SnmpConfig = attrs.Factory(SnmpConfig)
    spool: SpoolLimits | None = attrs.Factory(SpoolLimits)
    web: WebConfig = attrs.Factory(WebConfig)
    shown: Mapping[str, object] = attrs.field(factory=dict)
    settings: tuple[SettingStatus, ...] = ()
    shard: str = ""
    exit_when_silent: bool = False
    metrics: MetricsConfig = attrs.Factory(MetricsConfig)
    seed: int | None = None


CLOCK_SET = "the clock of this machine was set by {seconds:+.0f} s; times of flows follow it"


def _udp_listener(
    reactor: Any, config: ListenConfig, intake: Intake, inherited: Inherited, known: Callable[[], Deferred[None]]
) -> UdpListener:
    """The sockets, and what the intake is to know of them."""
    return UdpListener(
        reactor=reactor,
        config=config,
        receiver=intake.receiver,
        inherited=inherited.flow,
        known=known,
        behind=intake.shedding.behind,
    )


class KproxyAssembly:
    """The parts of one kproxy. Construction opens nothing.

    :param log_lines_lost: gives the lines that each log sink did not take.
    :param inherited: sockets that were passed to the process.
    :param metric_line: takes a line of metrics for ``-metrics syslog`` or ``stderr``.
    :param book: of the log, for the page.
    :raises ConfigError: a file that the configuration names cannot be used.
    """

    log = Logger()

    def __init__(
        self,
        config: KproxyConfig,
        reactor: Any,
        log_lines_lost: Callable[[], Mapping[str, int]] = dict,
        inherited: Inherited = NOTHING_INHERITED,
        metric_line: Callable[[str], None] | None = None,
        book: LogBook | None = None,
    ) -> None:
        self._config = config
        self._log_lines_lost = log_lines_lost
        self._metric_line = metric_line
        self._reactor = reactor
        self._offload = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        self._upstream = Upstream(reactor, tls=config.tls, credentials=config.credentials, proxies=config.proxies)
        self._budget = ByteBudget(config.sample.max_total_bytes)
        self._random = np.random.default_rng(config.seed)
        self._plans = PlanCaps(config.sample.interval_seconds, 1 / config.sample.shards)
        self.rate_file = RateFile(config.sample.rate_file)
        self.registry = Registry()
        self.sources = Sources(config.devices)
        self.intake = self._intake()
        self.memory = memory_service(
            reactor=reactor,
            state_dir=config.state_dir,
            peers=config.peers,
            tls=self._upstream.tls,
            offload=self._offload,
            devices=self.intake.devices.values,
        )
        self.listener = _udp_listener(reactor, config.listen, self.intake, inherited, lambda: self.refresh.first_list)
        self.streams = StreamIntake(self.intake)
        self.stream_listener = IpfixListener(reactor=reactor, config=config.streams, receiver=self.streams)
        self.pipelines = PipelineService(reactor=reactor, gather=self.intake.gather, submit=self._submit)
        self.inherited = Ledger()
        self.spool = self._spool_service(config.spool)
        self.letters = self._dead_letters()
        self.delivery = self._delivery_service()
        self.snmp = self._snmp()
        self.refresh = self._refresh_service()
        self.overview = self._overview()
        self.health = HealthService(
            reactor, config.web, self.overview, inherited=inherited.health, book=book, shared=self.memory
        )

    def service(self) -> IService:
        """The daemon. It starts from the backend's side to the socket's, and stops the other way round."""
        root = OrderedServices()
        for part in self._parts():
            part.setServiceParent(root)
        reloaded = {"the certificates": self._upstream.tls.reload}
        if self._config.snmp.file is not None:
            reloaded["the SNMP settings"] = self.snmp.targets.reload
        if self._config.sample.rate_file is not None:
            reloaded["the sampling rates"] = self.rate_file.reload
        ReloadOnHangup(reactor=self._reactor, parts=reloaded).setServiceParent(root)
        TimerService(SAMPLE_SECONDS, self.intake.sample_histories).setServiceParent(root)
        one_step = Cooperator(terminationPredicateFactory=lambda: lambda: True)  # at each of the reactor's turns
        TimerService(SAMPLE_SECONDS, lambda: one_step.cooperate(self.overview.sampling()).whenDone()).setServiceParent(
            root
        )
        steps = ClockSteps(time.time, self._reactor.seconds, partial(self.log.warn, CLOCK_SET))
        TimerService(LOOK_AT_CLOCK_SECONDS, steps.look).setServiceParent(root)
        if self._config.exit_when_silent:
            TimerService(LOOK_SECONDS, _silence(self._reactor, self.intake, self.log).look).setServiceParent(root)
        return root

    def _parts(self) -> tuple[IService, ...]:
        kept = [part for part in (self.letters, self.spool) if part is not None]
        backlog = [] if self.spool is None else [self._backlog(self.spool)]
        backend = (self.health, *kept, self.refresh, self.delivery, *backlog)
        sources = (self.memory, self.pipelines, self.listener, self.stream_listener)
        metrics = self_metrics(
            self._config.metrics,
            reactor=self._reactor,
            session=self._upstream.session(),
            url=self._config.endpoints.tsdb,
            offload=self._offload,
            line=self._metric_line,
            read=partial(all_readings, self.listener, self.intake),
        )
        return (*backend, metrics, *self.snmp.parts(), *sources)

    def _intake(self) -> Intake:
        return Intake(
            clock=self._reactor,
            wall_ns=time.time_ns,
            registry=self.registry,
            sources=self.sources,
            ask=lambda address: self.refresh.ask(address),
            life=DeviceLife(open=self._open, change=self._change, close=self._close, tell=EventLog()),
            complain=ProblemLog(self._reactor),
            config=self._config.sessions,
            options=self._config.decode,
            adopt=lambda device, session: self.memory.adopt(device, session),
            overrides=self.rate_file.overrides,
        )

    def _spool_service(self, limits: SpoolLimits | None) -> SpoolService | None:
        if limits is None:
            return None
        return SpoolService(
            reactor=self._reactor,
            spool=Spool(self._config.state_dir / "spool", limits, wall=time.time),
            max_bytes=limits.max_bytes,
            inherited=self.inherited.inherit,
            lost=self._lost,
            books=lambda: Books.of([self.inherited, *self.intake.ledgers()]),
        )

    def _delivery_service(self) -> DeliveryService:
        session = self._upstream.session
        return DeliveryService(
            reactor=self._reactor,
            new_sessions=lambda: DeviceSessions(flow=session(), snmp=session(), further=session),
            url=self._config.endpoints.flow,
            config=self._config.deliver,
            offload=self._offload,
            keeper=self.spool,
            letters=self.letters,
        )

    def _dead_letters(self) -> DeadLetters | None:
        if self.spool is None:
            return None
        return DeadLetters(
            store=DeadLetterStore(self._config.state_dir / "spool" / "dead"),
            offload=self._offload,
            clock=self._reactor,
            wall=time.time,
        )

    def _backlog(self, spool: SpoolService) -> BacklogService:
        return BacklogService(
            reactor=self._reactor,
            spool=spool,
            session=self._upstream.session(),
            url=self._config.endpoints.flow,
            recipient=self.registry.by_id,
            knows_devices=lambda: len(self.registry) > 0,
            ledger=self._ledger,
            live=self.delivery,
            offload=self._offload,
            config=self._config.deliver,
            wall=time.time,
            letters=self.letters,
        )

    def _snmp(self) -> SnmpAssembly:
        return SnmpAssembly(
            reactor=self._reactor,
            config=self._config.snmp,
            state_dir=self._config.state_dir,
            endpoints=self._config.endpoints,
            registry=self.registry,
            intake=self.intake,
            delivery=self.delivery,
            submit=self._submit,
        )

    def _ledger(self, origin: Origin) -> Ledger:
        return self.delivery.ledger(origin) or self.inherited

    def _lost(self, lost: Lost) -> None:
        self._ledger(lost.origin).drop_messages(lost.reason, lost.messages, lost.flows)

    def _refresh_service(self) -> RefreshService:
        api = self._config.endpoints.api
        origin = f"{self._config.credentials.email} {api}"
        return RefreshService(
            reactor=self._reactor,
            api=DeviceApi(self._upstream.session(), api, offload=self._offload),
            store=DeviceStore(self._config.state_dir, origin=origin, offload=self._offload),
            registry=self.registry,
            sources=self.sources,
            config=self._config.devices,
            changed=self._list_changed,
            answered=self._address_answered,
        )

    def _overview(self) -> Overview:
        return Overview(
            instance_id=str(uuid.uuid4()),
            config=self._config.shown,
            start_time=time.time(),
            clock=self._reactor,
            wall=time.time,
            intake=self.intake,
            sources=self.sources,
            listening=self.listener,
            streaming=self.stream_listener,
            delivering=self.delivery,
            spool=self.spool,
            inherited=self.inherited,
            refreshing=self.refresh,
            polling=self.snmp,
            shard=self._config.shard,
            gateway=container_gateway(),
            log_lines_lost=self._log_lines_lost,
            clock_check=self._upstream.offset.check,
            certificates=self._upstream.expiry.all,
            certificate_check=self._upstream.expiry.check,
            clock_offset=self._upstream.offset.known,
            latencies=self._upstream.latencies,
            settings=self._config.settings,
            bounded=self._limits(),
        )

    def _limits(self) -> Limits:
        config = self._config
        return Limits(
            budget=self._budget,
            room=self.intake.room,
            held=config.sessions.held,
            max_templates=config.sessions.max_templates,
            max_streams=config.streams.limits.connections,
            sources=self.sources,
            streams=self.stream_listener.status,
            waiting=self.delivery.waiting,
            spool=None if self.spool is None else self.spool.shown,
            process=process_use,
        )

    def _list_changed(self, changes: Changes) -> None:
        self.streams.changed(changes)
        self.intake.changed(changes)
        self.snmp.targets.look()

    def _address_answered(self, address: str, device: Device | None) -> None:
        self.intake.answered(address, device)
        self.streams.answered(address)

    def _open(self, device: Device) -> DevicePipeline:
        pipeline = DevicePipeline(
            device=device,
            config=self._config.sample,
            ledger=Ledger(),
            budget=self._budget,
            random=self._random.spawn(1)[0],
            now=self._reactor.seconds(),
            plans=self._plans,
            interfaces=self.snmp.readings.table,
        )
        self.pipelines.add(pipeline)
        self._change(pipeline, device)
        self.snmp.targets.look()
        return pipeline

    def _change(self, pipeline: DevicePipeline, device: Device) -> None:
        self.delivery.sender(device, pipeline.ledger)

    def _close(self, pipeline: DevicePipeline) -> None:
        self.pipelines.remove(pipeline)
        pipeline.leave(self._reactor.seconds())
        self.snmp.readings.forget(pipeline.device.device_id)
        self.delivery.remove(pipeline.device.device_id)

    def _submit(self, pipeline: DevicePipeline, message: Message) -> None:
        if self.intake.has(pipeline):
            self.delivery.sender(pipeline.device, pipeline.ledger).submit(message)
        else:
            pipeline.ledger.create_message()
            pipeline.ledger.drop_messages("unregistered", 1, message.flows)


def _silence(reactor: Any, intake: Intake, log: Logger) -> SilenceWatch:
    """Ends the daemon when nothing comes in any more."""

    def end(seconds: float) -> None:
        log.error("no datagram for {minutes:.0f} minutes: ending, as -exit_low_traffic says", minutes=seconds / 60)
        reactor.stop()

    return SilenceWatch(lambda: Ledger.total(intake.ledgers()).datagrams_received, reactor.seconds, end)


def kproxy_service(
    config: KproxyConfig,
    reactor: Any,
    log_lines_lost: Callable[[], Mapping[str, int]] = dict,
    inherited: Inherited = NOTHING_INHERITED,
    metric_line: Callable[[str], None] | None = None,
    book: LogBook | None = None,
) -> IService:
    """The daemon ``kproxy``. :raises ConfigError: a file that the configuration names cannot be used."""
    return KproxyAssembly(config, reactor, log_lines_lost, inherited, metric_line, book).service()


def kbgp_service(config: KbgpConfig, reactor: Any) -> IService:
    """The daemon ``kbgp``. :raises ConfigError: a file that the configuration names cannot be used."""
    # Its parts are wired in their own package: kbgp has no use for what the imports above take.
    from kproxy_tw.bgp.assembly import KbgpAssembly

    return KbgpAssembly(config, reactor).service()


def kcollect_service(config: CollectorConfig, reactor: Any) -> IService:
    """The daemon ``kcollect``."""
    # Imported here: the store's engine takes 40 MB and half a second, which kproxy has no use for.
    from kproxy_tw.collector.service import CollectorService

    return CollectorService(config, reactor)
