"""GrpcBackend: kbgp's side of the backend's gRPC service, for all sessions of the process."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from kproxy_tw.addresses import plain_address
from kproxy_tw.backoff import Uniform
from kproxy_tw.bgp.control import ReplyCache, parameters_of
from kproxy_tw.bgp.interfaces import Connection, ControlStatus, Parameters, Tunnel, TunnelEvents
from kproxy_tw.bgp.metadata import PROTO_BGP, Caller
from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.bgp.upstream.channels import Channels
from kproxy_tw.bgp.upstream.config import BackendConfig
from kproxy_tw.bgp.upstream.control import ControlParts, ControlStream
from kproxy_tw.bgp.upstream.questions import Questions
from kproxy_tw.bgp.upstream.tunnel import GrpcTunnel, TunnelParts
from kproxy_tw.errors import BackendUnavailable, MalformedInput

SETTLE_PERIOD_SECONDS = 30.0
STOP_SECONDS = 5.0
"""Tunnels that are closed send what they hold in this time when the process stops."""

LOG_EVERY = 1000
"""Of replies that cannot be read, the first is logged and then one in so many."""


class GrpcBackend(Service):
    """Fits ``interfaces.Backend``. Construction opens nothing.

    :param caller: who we are on every stream.
    :param wall: seconds since the epoch.
    :param uniform: draws the jitter of the waits.
    :raises ConfigError: the file of trusted authorities cannot be used.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        config: BackendConfig,
        caller: Caller,
        wall: Callable[[], float] = time.time,
        uniform: Uniform = random.uniform,
    ) -> None:
        self._reactor = reactor
        self._channels = Channels(config)
        self._cache = ReplyCache()
        self._pushed: list[Callable[[Parameters], None]] = []
        self._bad_replies = 0
        self._tunnels: set[GrpcTunnel] = set()
        self._questions = Questions(reactor=reactor, seconds=config.question_seconds, why=self._problem)
        shared = {"config": config, "caller": caller, "channels": self._channels, "seconds": reactor.seconds}
        self._control = ControlStream(
            ControlParts(
                **shared,
                uniform=uniform,
                wall=wall,
                open_questions=self._questions.requests,
                replied=self._replied,
            )
        )
        self._parts = TunnelParts(**shared, uniform=uniform, killed=self.forget, ended=self._tunnels.discard)
        self._settling = LoopingCall(self._settle)
        self._settling.clock = reactor

    def startService(self) -> None:
        """Open the control stream, as soon as the reactor runs."""
        super().startService()
        self._reactor.callLater(0, self._start)

    def stopService(self) -> Deferred[None]:
        """Close all streams; done when none is left."""
        super().stopService()
        self._questions.fail_all("kbgp is stopping")
        if self._settling.running:
            self._settling.stop()
        return Deferred.fromFuture(asyncio.ensure_future(self._stop()))

    def status(self) -> ControlStatus:
        """The control stream now."""
        return self._control.pulse.status

    async def parameters(self, *, device_ip: str, device_port: int, proxy_ip: str, proxy_port: int) -> Parameters:
        """Ask about one router, or take the reply that is kept; see ``interfaces.Backend``."""
        if not self.running:
            raise BackendUnavailable("kbgp is stopping")
        kept = self.kept(device_ip)
        if kept is not None:
            return kept
        address = plain_address(device_ip)
        request = ktbgp_pb2.ControlRequest(
            proto=PROTO_BGP,
            device_ip=device_ip,
            device_port=device_port,
            proxy_ip=proxy_ip,
            proxy_port=proxy_port,
        )
        if not self._questions.is_open(address):
            self._control.ask(request)
        return await self._questions.wait(address, request)

    def kept(self, device_ip: str) -> Parameters | None:
        """Take the cached reply about a router; see ``interfaces.Backend``."""
        return self._cache.use(plain_address(device_ip), self._reactor.seconds())

    def open_tunnel(self, connection: Connection, parameters: Parameters, events: TunnelEvents) -> Tunnel:
        """Open a Data stream; see ``interfaces.Backend``."""
        tunnel = GrpcTunnel(self._parts, connection, parameters, events)
        self._tunnels.add(tunnel)
        tunnel.start()
        return tunnel

    def on_pushed(self, callback: Callable[[Parameters], None]) -> None:
        """Call back with each reply that nobody asked for."""
        self._pushed.append(callback)

    def forget(self, device_ip: str) -> None:
        """Drop the reply that is kept about an address."""
        self._cache.forget(plain_address(device_ip))

    def _start(self) -> None:
        if self.running:
            self._control.start()
            self._settling.start(SETTLE_PERIOD_SECONDS, now=False)

    async def _stop(self) -> None:
        await self._control.stop()
        for tunnel in list(self._tunnels):
            tunnel.close("kbgp is stopping")
        until = self._reactor.seconds() + STOP_SECONDS
        while self._tunnels and self._reactor.seconds() < until:
            await asyncio.sleep(0.05)
        for tunnel in list(self._tunnels):
            tunnel.abandon()
        await self._channels.close()

    def _replied(self, reply: ktbgp_pb2.ControlResponse) -> None:
        try:
            parameters = parameters_of(reply)
        except MalformedInput as error:
            if self._bad_replies % LOG_EVERY == 0:
                self.log.warn("a reply of the Control stream is of no use: {error}", error=str(error))
            self._bad_replies += 1
            return
        self._cache.put(parameters, self._reactor.seconds())
        if self._questions.answer(parameters):
            return
        for tunnel in self._tunnels:
            if tunnel.connection.device_ip == parameters.device_ip:
                tunnel.echo(parameters.metadata)
        for callback in self._pushed:
            callback(parameters)

    def _problem(self) -> str:
        status = self.status()
        return "" if status.connected else status.last_error or "the control stream is not up yet"

    def _settle(self) -> None:
        now = self._reactor.seconds()
        for tunnel in self._tunnels:
            tunnel.settle(now)
