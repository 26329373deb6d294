"""kcollect as a service: opens the store, listens, and stops without losing what it has acknowledged."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from kproxy_tw.collector.app import CollectorApp
from kproxy_tw.collector.commits import CommitQueue
from kproxy_tw.collector.config import CollectorConfig
from kproxy_tw.collector.counts import CollectorCounts
from kproxy_tw.collector.credentials import Credentials
from kproxy_tw.collector.device_api.app import DeviceApi
from kproxy_tw.collector.devices import Device, DeviceDirectory, make_device, parse_devices
from kproxy_tw.collector.intake.app import FlowIntake
from kproxy_tw.collector.listener.service import CollectorListener
from kproxy_tw.collector.pages.app import Pages
from kproxy_tw.collector.side_inputs import SnmpDocuments
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.errors import ConfigError, MalformedInput, StoreError
from kproxy_tw.web.render import Renderer

INTAKE_THREADS = 2
QUERY_THREADS = 2

DRAIN_SECONDS = 8.0
"""How long a stop waits for requests under way."""

FLUSH_SECONDS = 0.1
"""What the last answers get to leave before their connections are cut."""


def read_devices(file: Path | None) -> list[Device]:
    """The devices of the ``-devices`` file; none without a file.

    :raises ConfigError: it cannot be read, or what is in it cannot be used.
    """
    if file is None:
        return []
    try:
        body = file.read_bytes()
    except OSError as error:
        raise ConfigError("devices", f"{file} cannot be read: {error.strerror}") from None
    return parse_devices(body, file)


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
            self._app = self._build_app(credentials, self._directory(listed))
            self._listener = CollectorListener(config=config, resource=self._app.resource(), reactor=self._reactor)
            self._listener.startService()
        except BaseException:
            self._store.close()
            raise
        self._commits.start()
        for pool in self._pools:
            pool.start()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop listening, store and answer what waits, close the store; fires when all is on the disk."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()
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
        self._pools = (intake, queries)
        counts, reactor = self._counts, self._reactor
        off_intake = partial(deferToThreadPool, reactor, intake)
        off_query = partial(deferToThreadPool, reactor, queries)
        return CollectorApp(
            credentials=credentials,
            intake=FlowIntake(
                directory=directory, commits=self._commits, counts=counts, offload=off_intake, reactor=reactor
            ),
            devices=DeviceApi(
                directory=directory, store=self._store, snmp=SnmpDocuments(), counts=counts, offload=off_query
            ),
            pages=Pages(
                store=self._store,
                renderer=Renderer(),
                counts=counts,
                offload=off_query,
                problem=lambda: self._commits.last_error,
            ),
            counts=counts,
            reactor=reactor,
        )
