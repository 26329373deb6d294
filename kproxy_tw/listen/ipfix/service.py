"""Listens for exporters that send IPFIX over TCP and TLS, counts their connections, and drains them at the end."""

from __future__ import annotations

import itertools
import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from kproxy_tw.listen.ipfix.balanced import BalancedFactory
from kproxy_tw.listen.ipfix.config import Address, StreamConfig
from kproxy_tw.listen.ipfix.protocol import CLOSE_REASONS, IpfixStream, StreamReceiver
from kproxy_tw.listen.ipfix.tls import server_options
from kproxy_tw.listen.proxyheader import Source
from kproxy_tw.status import StreamListenerStatus, StreamStatus, shown_address

BACKLOG = 128
"""Connections that the kernel keeps until they are accepted."""

DRAIN_STEP_SECONDS = 0.05
DRAIN_QUIET_STEPS = 2
DRAIN_STEPS = 20
"""At the end, connections are read until nothing has come for two steps, but for a second at most."""

CLOSING_SECONDS = 1.0
"""How long closed connections may take to be gone before they are cut."""

LOG_SECONDS = 60.0
"""One line about refused connections in this time."""

KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""The kernel finds within two minutes that an exporter is gone that never said so."""

QUIET_ENDS = frozenset({"exporter", "shutdown"})


class _StreamFactory(Factory):
    """Makes connections as it is told."""

    noisy = False

    def __init__(self, build: Callable[[Any], IpfixStream]) -> None:
        self._build = build

    def buildProtocol(self, addr: Any) -> IpfixStream:
        """Make one for ``addr``."""
        return self._build(addr)


class IpfixListener(Service):
    """Takes connections on every configured address; all messages go to ``receiver``.

    A port that is in use raises :exc:`twisted.internet.error.CannotListenError` at start.

    :raises ConfigError: a certificate cannot be used; names the flag.
    """

    log = Logger()

    def __init__(self, *, reactor: Any, config: StreamConfig, receiver: StreamReceiver) -> None:
        self._reactor = reactor
        self._config = config
        self._receiver = receiver
        self._tls = server_options(config)
        self._ports: list[tuple[str, Any]] = []
        self._balanced: list[BalancedFactory] = []
        self._streams: dict[IpfixStream, None] = {}
        self._of_address: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._quiet_until = 0.0
        self._refused_since = 0
        self.accepted = self.messages = self.bytes = 0
        self.ended_for: Counter[str] = Counter(dict.fromkeys(CLOSE_REASONS, 0))

    def startService(self) -> None:
        """Bind every address."""
        super().startService()
        for host, port in self._config.tcp:
            self._listen("tcp", (host, port))
        for host, port in self._config.tls:
            self._listen("tls", (host, port))

    def stopService(self) -> Deferred[None]:
        """Accept nothing more, read what exporters have sent, close; fires when the last connection is gone."""
        super().stopService()
        return Deferred.fromCoroutine(self._drain())

    def ports(self) -> list[int]:
        """The bound ports, those for TCP first."""
        return [int(port.getHost().port) for _name, port in self._ports]

    def arrived(self, stream: IpfixStream) -> str:
        """A connection was accepted. :return: why it cannot stay; empty when it can."""
        limits = self._config.limits
        self.accepted += 1
        if len(self._streams) >= limits.connections:
            return "too_many"
        if self._of_address[stream.address] >= limits.per_address:
            return "too_many_of_address"
        self._streams[stream] = None
        self._of_address[stream.address] += 1
        self._keep_alive(stream)
        return ""

    def ended(self, stream: IpfixStream, problem: str) -> None:
        """A connection is gone."""
        if stream in self._streams:
            del self._streams[stream]
            self._of_address[stream.address] -= 1
            if not self._of_address[stream.address]:
                del self._of_address[stream.address]
        self.messages += stream.counts.messages
        self.bytes += stream.counts.bytes
        self.ended_for[stream.reason] += 1
        self._tell(stream, problem)

    def status(self) -> StreamListenerStatus:
        """Addresses, connections, and what became of earlier ones."""
        now = self._reactor.seconds()
        return StreamListenerStatus(
            addresses=tuple(
                f"{name} {shown_address(port.getHost().host, port.getHost().port)}" for name, port in self._ports
            ),
            accepted=self.accepted,
            messages=self.messages + sum(stream.counts.messages for stream in self._streams),
            bytes=self.bytes + sum(stream.counts.bytes for stream in self._streams),
            ended_for=dict(self.ended_for),
            streams=tuple(_status(stream, now) for stream in self._streams),
        )

    def _listen(self, transport_name: str, address: Address) -> None:
        host, number = address
        factory: Any = _StreamFactory(partial(self._build, transport_name))
        if self._tls is not None and transport_name == "tls":
            factory = TLSMemoryBIOFactory(self._tls, False, factory)
        if self._config.balancers:
            factory = self._behind_balancers(factory)
        port = self._reactor.listenTCP(number, factory, backlog=BACKLOG, interface=host)
        self._ports.append((transport_name, port))
        self.log.info(
            "listening for IPFIX on {transport} {address}",
            transport=transport_name,
            address=shown_address(host, port.getHost().port),
        )

    def _behind_balancers(self, factory: Factory) -> Factory:
        config = self._config
        balanced = BalancedFactory(
            factory,
            balancers=config.balancers,
            reactor=self._reactor,
            limits=config.limits,
            refused=self._without_header,
        )
        self._balanced.append(balanced)
        return balanced

    def _without_header(self, peer: Source, problem: str) -> None:
        """A balancer's connection never came to belong to an exporter."""
        self.accepted += 1
        self.ended_for["no_proxy_header"] += 1
        self._tell_refused(f"from port {peer[1]}", peer[0], "no_proxy_header", problem)

    def _build(self, transport_name: str, peer: Any) -> IpfixStream:
        return IpfixStream(
            number=next(self._numbers),
            transport_name=transport_name,
            peer=peer,
            reactor=self._reactor,
            limits=self._config.limits,
            receiver=self._receiver,
            registrar=self,
        )

    def _keep_alive(self, stream: IpfixStream) -> None:
        transport: Any = stream.transport
        transport.setTcpKeepAlive(True)
        handle = transport.getHandle()
        sock = transport.transport.getHandle() if stream.transport_name == "tls" else handle
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    async def _drain(self) -> None:
        for _name, port in self._ports:
            await maybeDeferred(port.stopListening)
        for balanced in self._balanced:
            balanced.close()
        self._balanced.clear()
        quiet, seen = 0, -1
        for _step in range(DRAIN_STEPS):
            if not self._streams or quiet == DRAIN_QUIET_STEPS:
                break
            await deferLater(self._reactor, DRAIN_STEP_SECONDS)
            now = sum(stream.counts.bytes for stream in self._streams)
            quiet, seen = (quiet + 1, seen) if now == seen else (0, now)
        for stream in list(self._streams):
            stream.end("shutdown")
        await self._gone()
        self._ports = []

    async def _gone(self) -> None:
        until = self._reactor.seconds() + CLOSING_SECONDS
        while self._streams and self._reactor.seconds() < until:
            await deferLater(self._reactor, DRAIN_STEP_SECONDS)
        for stream in list(self._streams):
            stream.abort()
        await deferLater(self._reactor, 0)

    def _tell(self, stream: IpfixStream, problem: str) -> None:
        """Log the end of a connection that was in use; one line a minute for all that never got so far."""
        if stream.begun:
            self.log.info(
                "IPFIX connection {name} of {address} ended after {messages} messages: {reason}{problem}",
                name=stream.name,
                address=stream.address,
                messages=stream.counts.messages,
                reason=stream.reason,
                problem=f" ({problem})" if problem else "",
            )
            return
        if stream.reason not in QUIET_ENDS:
            self._tell_refused(stream.name, stream.address, stream.reason, problem)

    def _tell_refused(self, name: str, address: str, reason: str, problem: str) -> None:
        self._refused_since += 1
        now = self._reactor.seconds()
        if now >= self._quiet_until:
            self.log.warn(
                "IPFIX connection {name} of {address} not taken: {reason}{problem}; {count} such since the last line",
                name=name,
                address=address,
                reason=reason,
                problem=f" ({problem})" if problem else "",
                count=self._refused_since,
            )
            self._quiet_until, self._refused_since = now + LOG_SECONDS, 0


def _status(stream: IpfixStream, now: float) -> StreamStatus:
    last = stream.counts.last_message
    return StreamStatus(
        address=stream.address,
        name=stream.name,
        seconds=now - stream.since,
        messages=stream.counts.messages,
        bytes=stream.counts.bytes,
        silent_seconds=now - (last or stream.since),
    )
