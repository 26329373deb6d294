"""Who gets the metrics: the backend, graphite, or lines of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.offload import Offload
from kproxy_tw.selfmetrics.forms import Meters, graphite_lines, tsdb_bodies

SECONDS = 5.0
"""For one post, or one connection to graphite."""

TRIES = 2
"""Of one post; the next minute brings newer values."""


class Backend:
    """Posts to ``/tsdb``.

    :param session: of metrics alone.
    :param host: this machine's name.
    :param version: of the program.
    """

    name = "the backend"
    every = 60.0

    def __init__(self, *, session: UpstreamSession, url: str, offload: Offload, host: str, version: str) -> None:
        self._session = session
        self._url = url
        self._offload = offload
        self._host, self._version = host, version

    async def send(self, meters: Meters, at: int) -> None:
        """Send all of them. :raises UpstreamError: they are not taken."""
        bodies = partial(tsdb_bodies, meters, at=at, host=self._host, version=self._version)
        for body in await self._offload(lambda: list(bodies())):
            await self._post(body)

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def _post(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        for left in reversed(range(TRIES)):
            try:
                answer = await self._session.request("POST", self._url, body=body, headers=headers, seconds=SECONDS)
            except UpstreamError:
                if not left:
                    raise
                continue
            if 200 <= answer.status <= 299:
                return
            if not left:
                raise UpstreamError(f"{self._url} answered {answer.status}")


class _OneWay(Protocol):
    """Writes some lines, and closes."""

    def __init__(self, lines: bytes) -> None:
        self.done: Deferred[None] = Deferred()
        self._lines = lines

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._lines)
        transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(None) if reason.check(type(connectionDone.value)) else self.done.errback(reason)


class Graphite:
    """Sends to the plain text port of carbon."""

    name = "graphite"
    every = 10.0

    def __init__(self, *, reactor: Any, host: str, port: int) -> None:
        self._reactor = reactor
        self._endpoint = HostnameEndpoint(reactor, host, port, timeout=SECONDS)

    async def send(self, meters: Meters, at: int) -> None:
        """Send all of them over one connection. :raises UpstreamError: it does not come about, or breaks."""
        factory = Factory.forProtocol(partial(_OneWay, graphite_lines(meters, at=at)))
        factory.noisy = False
        protocol: Any = None
        try:
            protocol = await self._endpoint.connect(factory)
            await protocol.done.addTimeout(SECONDS, self._reactor)
        except (ConnectError, ConnectionClosed, DNSLookupError, TimeoutError) as problem:
            if protocol is not None:
                protocol.transport.abortConnection()
            raise UpstreamError(f"graphite does not take metrics: {problem or type(problem).__name__}") from None

    async def close(self) -> None:
        """Nothing is open."""


class Lines:
    """Writes text.

    :param form: makes pieces of it.
    :param write: takes each; never blocks.
    """

    every = 60.0

    def __init__(self, name: str, form: Callable[[Meters], Iterator[str]], write: Callable[[str], None]) -> None:
        self.name = name
        self._form = form
        self._write = write

    async def send(self, meters: Meters, at: int) -> None:
        """Write all of them."""
        for piece in self._form(meters):
            self._write(piece)

    async def close(self) -> None:
        """Nothing is open."""
