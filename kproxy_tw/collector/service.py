"""kcollect as a service: opens the store, listens, and stops without losing what it has acknowledged."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from kproxy_tw.collector.app import CollectorApp
from kproxy_tw.collector.bgp_pages.app import BgpPages
from kproxy_tw.collector.bgp_target.service import BgpTarget
from kproxy_tw.collector.bgp_target.status import TargetStatus
from kproxy_tw.collector.commits import CommitQueue
from kproxy_tw.collector.config import CollectorConfig
from kproxy_tw.collector.counts import CollectorCounts
from kproxy_tw.collector.credentials import Credentials, is_loopback
from kproxy_tw.collector.device_api.app import DeviceApi
from kproxy_tw.collector.device_file.service import DeviceFileWatch, read_devices
from kproxy_tw.collector.devices import Device, DeviceDirectory, make_device
from kproxy_tw.collector.intake.app import FlowIntake
from kproxy_tw.collector.listener.service import CollectorListener, tls_options
from kproxy_tw.collector.pages.app import Pages
from kproxy_tw.collector.site.app import CollectorPages
from kproxy_tw.collector.snmp.app import SnmpApp
from kproxy_tw.collector.snmp.store import SnmpStore
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.errors import ConfigError, MalformedInput, StoreError
from kproxy_tw.web.render import Renderer

INTAKE_THREADS = 2
QUERY_THREADS = 2
PAGE_THREADS = 2
"""Threads of their own: a chart of a month must not keep agents waiting."""

DRAIN_SECONDS = 8.0
"""How long a stop waits for requests under way."""

FLUSH_SECONDS = 0.1
"""What the last answers get to leave before their connections are cut."""


class CollectorService(MultiService):
    """The whole of kcollect.

    :param config: what it is told.
    :param reactor: listens, and runs what threads hand back.
    """

    log = Logger()

    def __init__(self, config: CollectorConfig, reactor: Any) -> None:
        super().__init__()
        self._config = config
        self._reactor = reactor
        self._store = FlowStore(config.data_dir)
        self._commits = CommitQueue(self._store.write)
        self._counts = CollectorCounts()
        self._pools: tuple[ThreadPool, ...] = ()
        self._app: CollectorApp | None = None
        self._listener: CollectorListener | None = None
        self._bgp: BgpTarget | None = None

    @property
    def bgp_port(self) -> int:
        """The port of the gRPC target; 0 when there is none."""
        return self._bgp.port if self._bgp else 0

    @property
    def port(self) -> int:
        """The port that it listens on; 0 when it does not."""
        return self._listener.port if self._listener else 0

    def startService(self) -> None:
        """Open the store and listen.

        :raises ConfigError: a setting cannot work.
        :raises StoreError: the store is in use or cannot be opened.
        :raises twisted.internet.error.CannotListenError: the port is in use or not ours to bind.
        """
        config = self._config
        credentials = Credentials.for_listener(config.host, config.email, config.token)
        listed = read_devices(config.devices_file)
        self._store.open()
        try:
            directory = self._directory(listed)
            self._bgp = self._bgp_target(directory)
            self._app = self._build_app(credentials, directory)
            self._listener = CollectorListener(config=config, resource=self._app.resource(), reactor=self._reactor)
            self._listener.startService()
            self._start_bgp()
        except BaseException:
            self._store.close()
            raise
        self._commits.start()
        for pool in self._pools:
            pool.start()
        if config.devices_file is not None:
            watch = DeviceFileWatch(config.devices_file, changed=directory.replace_listed, reactor=self._reactor)
            watch.setServiceParent(self)
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop listening, store and answer what waits, close the store; fires when all is on the disk."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()
        if self._bgp is not None:
            await self._bgp.stopService()
        listener, app = self._listener, self._app
        if listener is None or app is None:
            return
        await listener.stopService()
        try:
            await app.idle().addTimeout(DRAIN_SECONDS, self._reactor)
        except DeferredTimeout:
            self.log.warn("requests under way are cut off after {seconds} s", seconds=DRAIN_SECONDS)
        await deferLater(self._reactor, FLUSH_SECONDS)
        listener.close_connections()
        await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._close)

    def _close(self) -> None:
        """Blocks; runs in a thread."""
        for pool in self._pools:
            pool.stop()
        self._commits.stop()
        self._store.close()

    def _start_bgp(self) -> None:
        """Start the gRPC target; without it, nothing stays that has started before."""
        if self._bgp is None or self._listener is None:
            return
        try:
            self._bgp.startService()
        except BaseException as problem:
            if isinstance(problem, CannotListenError) and not self._bgp.required:
                self._bgp = None
                self.log.warn("{problem}; no BGP sessions here: see -grpc_listen", problem=str(problem))
                return
            self._listener.stopService()
            raise

    def _bgp_target(self, directory: DeviceDirectory) -> BgpTarget | None:
        config = self._config
        if config.bgp is None:
            return None
        tls = tls_options(config, b"h2")
        if tls is None and not is_loopback(config.bgp.host):
            raise ConfigError(
                "grpc_listen",
                f"{config.bgp.host} is reachable for others, so TLS is needed: give -tls_cert_file and -tls_key_file",
            )
        target = BgpTarget(
            config=config.bgp,
            credentials=Credentials.for_listener(config.bgp.host, config.email, config.token),
            tls=tls,
            data_dir=config.data_dir,
            devices=directory.all,
            reactor=self._reactor,
        )
        directory.watch(target.devices_changed)
        self._count_bgp(target)
        return target

    def _count_bgp(self, target: BgpTarget) -> None:
        counts, board = self._counts, target.switchboard
        counts.bgp_sessions.set_function(lambda: len(board.table))
        counts.bgp_agents.set_function(lambda: len(board.controls))
        counts.bgp_held.set_function(lambda: sum(tenant.held for tenant in board.tenants.all()))
        counts.bgp_ended.set_function(lambda: board.table.ended)
        counts.bgp_resumed.set_function(lambda: board.table.resumed)
        counts.bgp_floods.set_function(lambda: target.guard.floods if target.guard else 0)

    def _problem(self) -> str:
        return self._commits.last_error

    def _bgp_status(self) -> TargetStatus | None:
        return self._bgp.status() if self._bgp else None

    def _directory(self, listed: list[Device]) -> DeviceDirectory:
        directory = DeviceDirectory(listed, auto_register=self._config.auto_register)
        for text in self._store.created_devices():
            try:
                device = make_device(json.loads(text))
            except (ValueError, MalformedInput) as error:
                raise StoreError(f"{self._store.path} holds a device that cannot be read: {error}") from None
            if directory.by_id(device.id) is not None:
                self.log.warn("device {id} of the file takes the place of the created one", id=device.id)
            directory.add(device)
        self._counts.devices.set_function(lambda: len(directory.all()))
        self._counts.commits.set_function(lambda: self._commits.groups)
        self._counts.duplicates.set_function(lambda: self._store.duplicates)
        self._counts.waiting.set_function(lambda: self._commits.waiting)
        return directory

    def _build_app(self, credentials: Credentials, directory: DeviceDirectory) -> CollectorApp:
        intake = ThreadPool(1, INTAKE_THREADS, name="kcollect-intake")
        queries = ThreadPool(1, QUERY_THREADS, name="kcollect-query")
        pages = ThreadPool(1, PAGE_THREADS, name="kcollect-page")
        self._pools = (intake, queries, pages)
        counts, reactor = self._counts, self._reactor
        off_intake = partial(deferToThreadPool, reactor, intake)
        off_query = partial(deferToThreadPool, reactor, queries)
        snmp = SnmpStore(self._store)
        return CollectorApp(
            credentials=credentials,
            intake=FlowIntake(
                directory=directory, commits=self._commits, counts=counts, offload=off_intake, reactor=reactor
            ),
            devices=DeviceApi(directory=directory, store=self._store, offload=off_query),
            snmp=SnmpApp(directory=directory, store=snmp, counts=counts, offload=off_query),
            endpoints=Pages(store=self._store, counts=counts, offload=off_query, problem=self._problem),
            pages=CollectorPages(
                store=self._store,
                offload=partial(deferToThreadPool, reactor, pages),
                problem=self._problem,
                bgp=self._bgp_status,
                polls=snmp,
                device_names=lambda: {device.id: device.name for device in directory.all()},
            ),
            renderer=Renderer(),
            bgp=BgpPages(status=self._bgp_status, offload=off_query),
            counts=counts,
            reactor=reactor,
        )
