"""The gRPC target as a service: its port, its server, its sessions, and a stop that tells routers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger

import grpc

from kproxy_tw.bgp.proto.ktbgp_pb2_grpc import add_ProxyServiceServicer_to_server
from kproxy_tw.collector.bgp_target.app import ProxyService
from kproxy_tw.collector.bgp_target.channel import channel_options
from kproxy_tw.collector.bgp_target.client import DaemonDialer
from kproxy_tw.collector.bgp_target.config import BgpTargetConfig
from kproxy_tw.collector.bgp_target.guard.protocol import GuardFactory
from kproxy_tw.collector.bgp_target.peers import PeerList
from kproxy_tw.collector.bgp_target.session import Session
from kproxy_tw.collector.bgp_target.sessions import bracketed, peer_text
from kproxy_tw.collector.bgp_target.sources import SourceMap
from kproxy_tw.collector.bgp_target.status import TargetStatus, agent_status, mapping, session_statuses
from kproxy_tw.collector.bgp_target.store import KeptSources, SourceFile
from kproxy_tw.collector.bgp_target.switchboard import Switchboard
from kproxy_tw.collector.credentials import Credentials
from kproxy_tw.collector.devices import Device

STOP_SECONDS = 4.0
"""What routers get to read why their session ends."""

SAVE_SECONDS = 3600.0
"""How often it is written down when routers were last seen."""

SAY_SECONDS = 60.0
MAX_SAID = 4096

SOCKET = "grpc.sock"
"""Where the guard and the gRPC server meet, in the data directory."""


class BgpTarget(Service):
    """The gRPC target.

    :param config: what it is told.
    :param credentials: what agents must show.
    :param tls: for its port; ``None`` for plaintext.
    :param data_dir: where the mapping is kept; it is there when the target is started.
    :param devices: gives the device list.
    :param reactor: asyncio's.
    """

    log = Logger()

    def __init__(
        self,
        *,
        config: BgpTargetConfig,
        credentials: Credentials,
        tls: CertificateOptions | None,
        data_dir: Path,
        devices: Callable[[], tuple[Device, ...]],
        reactor: Any,
    ) -> None:
        self._config = config
        self._tls = tls
        self._devices = devices
        self._reactor = reactor
        self._kept = KeptSources(SourceMap(config.sources), SourceFile(data_dir))
        dialer = DaemonDialer(config, reactor)
        self.switchboard = Switchboard(
            peers=PeerList(()),
            sources=self._kept,
            dial=dialer.connect,
            pin=uuid.uuid4().hex[:8],
            tell=self._told,
            clock=reactor,
        )
        self._service = ProxyService(
            switchboard=self.switchboard, credentials=credentials, tls=tls is not None, reactor=reactor
        )
        self.guard: GuardFactory | None = None
        self._data_dir = data_dir
        self._directory = -1
        self._said: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._listening: IListeningPort | None = None
        self._server: Any = None
        self._starting: asyncio.Future[None] | None = None
        self._saving: Any = None

    @property
    def port(self) -> int:
        """The port that it listens on; 0 when it does not."""
        address: Any = self._listening.getHost() if self._listening else None
        return int(address.port) if address else 0

    @property
    def required(self) -> bool:
        """Whether kcollect is of no use without it."""
        return self._config.required

    def status(self) -> TargetStatus:
        """The target as it is."""
        config, board, guard = self._config, self.switchboard, self.guard
        return TargetStatus(
            listen=f"{bracketed(config.host)}:{self.port}",
            tls=self._tls is not None,
            daemon=f"{bracketed(str(config.daemon))}:{config.daemon_port}",
            network=str(config.sources),
            peers=len(board.peers),
            connections=guard.connections if guard else 0,
            floods=guard.floods if guard else 0,
            rejected=guard.rejected if guard else 0,
            agents=tuple(agent_status(control) for control in board.controls),
            sessions=session_statuses(board.table),
            ended=tuple(board.table.history),
            mapping=mapping(self._kept.sources),
        )

    def startService(self) -> None:
        """Listen.

        :raises StoreError: the mapping cannot be read.
        :raises twisted.internet.error.CannotListenError: the port is in use or not ours to bind.
        """
        config, reactor = self._config, self._reactor
        self._kept.load()
        self.devices_changed()
        self._directory = os.open(self._data_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.guard = GuardFactory(self._socket, reactor)
        try:
            self._listening = (
                reactor.listenTCP(config.port, self.guard, interface=config.host)
                if self._tls is None
                else reactor.listenSSL(config.port, self.guard, self._tls, interface=config.host)
            )
        except BaseException:
            self._leave_directory()
            raise
        super().startService()
        reactor.callWhenRunning(self._begin)
        self._saving = reactor.callLater(SAVE_SECONDS, self._save)
        self.log.info(
            "kcollect takes BGP sessions on {host}:{port} for the daemon at {daemon}:{daemon_port}",
            host=config.host,
            port=self.port,
            daemon=str(config.daemon),
            daemon_port=config.daemon_port,
        )

    def stopService(self) -> Deferred[None]:
        """Tell routers to try again, and stop; fires when the port is free."""
        if not self.running:
            return succeed(None)
        super().stopService()
        return Deferred.fromFuture(asyncio.ensure_future(self._stop()))

    def devices_changed(self) -> None:
        """The device list is another one."""
        peers = PeerList(self._devices())
        for problem in peers.problems:
            self.log.warn("{problem}; it gets no BGP session", problem=problem)
        self.switchboard.changed(peers)

    def _begin(self) -> None:
        if self.running:
            self._starting = asyncio.ensure_future(self._start_server())
            self._starting.add_done_callback(self._started)

    def _started(self, starting: asyncio.Future[None]) -> None:
        if not starting.cancelled() and (problem := starting.exception()) is not None:
            self.log.error("there is no gRPC server, kbgp cannot connect: {problem}", problem=str(problem))
            self._server = None

    async def _start_server(self) -> None:
        # The server is made here and not before: gRPC's threads do not survive the fork of a daemon.
        self._server = grpc.aio.server(options=channel_options())
        add_ProxyServiceServicer_to_server(self._service, self._server)
        self._server.add_insecure_port(f"unix:{self._socket}")
        await self._server.start()

    async def _stop(self) -> None:
        if self._saving is not None:
            self._saving.cancel()
        if self._listening is not None:
            stopped = self._listening.stopListening()
            if stopped is not None:
                await stopped.asFuture(asyncio.get_running_loop())
        self.switchboard.stop()
        if self._starting is not None:
            await asyncio.wait({self._starting})
        if self._server is not None:
            await self._server.stop(STOP_SECONDS)
        self.switchboard.end_all()
        if self.guard is not None:
            self.guard.close_connections()
        await asyncio.to_thread(self._clean)

    def _clean(self) -> None:
        self._kept.save()
        self._leave_directory()

    @property
    def _socket(self) -> str:
        """The path of the socket; this way around it is short enough wherever the data directory is."""
        return f"/proc/self/fd/{self._directory}/{SOCKET}"

    def _leave_directory(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._socket)
        os.close(self._directory)

    def _save(self) -> None:
        self._saving = self._reactor.callLater(SAVE_SECONDS, self._save)
        self._reactor.callInThread(self._kept.save)

    def _told(self, session: Session, what: str) -> None:
        """Log what happens to a session; the same of the same router once a minute."""
        key, now = (session.opening.connection.device_ip, what), self._reactor.seconds()
        if now < self._said.get(key, float("-inf")) + SAY_SECONDS:
            return
        self._said[key] = now
        self._said.move_to_end(key)
        while len(self._said) > MAX_SAID:
            self._said.popitem(last=False)
        self.log.info(
            "BGP session of {peer} ({device}): {what}",
            peer=peer_text(session),
            device=session.peer.name,
            session_id=session.opening.connection.session_id,
            what=what,
        )
