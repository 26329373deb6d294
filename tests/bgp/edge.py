"""The edge on loopback, with a backend that records; routers are plain sockets in threads."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

import attrs

from kproxy_tw.addresses import networks
from kproxy_tw.bgp.admission import Admission
from kproxy_tw.bgp.config import EdgeConfig, ListenAddress
from kproxy_tw.bgp.listener.service import BgpListeners
from kproxy_tw.bgp.lookup.service import LookupService
from kproxy_tw.bgp.protocol import RouterFactory
from kproxy_tw.bgp.service import EdgeService
from kproxy_tw.testing.bgp_backend import RecordingBackend, RecordingTunnel

SECONDS = 10.0


@attrs.define
class Edge:
    """An edge that runs. Routers of a test are told apart by their loopback addresses."""

    backend: RecordingBackend
    service: EdgeService
    lookups: LookupService
    listeners: BgpListeners
    reactor: Any

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listeners.sockets()[0].getsockname()[1])

    def router(self, source: str = "127.0.0.10", port: int | None = None) -> socket.socket:
        """Connect as a router."""
        connection = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        connection.settimeout(SECONDS)
        connection.bind((source, 0))
        connection.connect(("::1" if ":" in source else "127.0.0.1", port or self.port))
        return connection

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the reactor run until the condition holds."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.service.counts
            await deferLater(self.reactor, 0.01)

    async def tunnel(self, number: int = 0) -> RecordingTunnel:
        """The tunnel that was opened so many tunnels ago from the first."""
        await self.until(lambda: len(self.backend.tunnels) > number)
        return self.backend.tunnels[number]

    async def stop(self) -> None:
        """Stop, as the assembly does."""
        await self.listeners.stopService()
        await self.service.stopService()
        self.lookups.stopService()


def edge(
    backend: RecordingBackend | None = None,
    *,
    proxies: str = "",
    listen: tuple[ListenAddress, ...] = (ListenAddress("127.0.0.1", 0),),
    signatures: Any = None,
    **limits: Any,
) -> Edge:
    """Start one."""
    from twisted.internet import reactor

    backend = backend or RecordingBackend()
    admission = Admission()
    lookups = LookupService(reactor=reactor, backend=backend, admission=admission)
    config = EdgeConfig(listen=listen, proxies=networks(proxies), **limits)
    service = EdgeService(
        reactor=reactor,
        config=config,
        backend=backend,
        lookups=lookups,
        admission=admission,
        signatures=signatures,
        wall_ns=time.time_ns,
    )
    factory = RouterFactory(service.accepted, reactor=reactor, proxies=config.proxies, no_header=service.header_missing)
    listeners = BgpListeners(reactor=reactor, addresses=listen, factory=factory)
    lookups.startService()
    service.startService()
    listeners.startService()
    return Edge(backend, service, lookups, listeners, reactor)


def read_all(connection: socket.socket) -> Deferred[bytes]:
    """Everything until the other side closes."""

    def read() -> bytes:
        data = b""
        while piece := connection.recv(65536):
            data += piece
        return data

    return deferToThread(read)


def read(connection: socket.socket, size: int) -> Deferred[bytes]:
    """So many bytes."""

    def receive() -> bytes:
        data = b""
        while len(data) < size:
            data += connection.recv(size - len(data)) or b"<end>"
        return data

    return deferToThread(receive)


@contextmanager
def closing(*connections: socket.socket) -> Iterator[None]:
    """Close them at the end."""
    try:
        yield
    finally:
        for connection in connections:
            connection.close()
