"""The guard's connections: bytes go through as they come, and end where a budget does."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from kproxy_tw.collector.bgp_target.guard.frames import PREFACE, Flood, FrameBudget
from kproxy_tw.errors import MalformedInput

CONNECTIONS = 1024
CONNECTIONS_PER_HOST = 512
"""kbgp puts 10 sessions on a connection."""

PREFACE_SECONDS = 10.0
"""How long a client may take for TLS and its first bytes."""

WARNING_SECONDS = 60.0

log = Logger()


class Front(Protocol):
    """The side towards kbgp."""

    factory: GuardFactory
    transport: Any

    def __init__(self) -> None:
        self.host = ""
        self.gone = False
        self._back: Back | None = None
        self._early: list[bytes] = []
        self._budget: FrameBudget | None = None
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for the first bytes before the server is bothered."""
        self.host = getattr(self.transport.getPeer(), "host", "")
        if not self.factory.opened(self):
            self.transport.abortConnection()
            return
        self.transport.setTcpNoDelay(True)
        reactor = self.factory.reactor
        self._budget = FrameBudget(preface=PREFACE, now=reactor.seconds())
        self._timer = reactor.callLater(PREFACE_SECONDS, self.transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        """Count, and pass on."""
        if self._budget is None:
            return
        if not self._allowed(self._budget, data):
            return
        if self._back is not None:
            self._back.transport.write(data)
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.factory.connect_back(self)
        self._early.append(data)
        self.transport.pauseProducing()

    def joined(self, back: Back) -> None:
        """The server is there."""
        self._back = back
        self.transport.registerProducer(back.transport, True)
        back.transport.registerProducer(self.transport, True)
        for data in self._early:
            back.transport.write(data)
        self._early.clear()
        self.transport.resumeProducing()

    def from_server(self, budget: FrameBudget, data: bytes) -> None:
        """Count what the server is made to send, and pass it on."""
        if self._allowed(budget, data):
            self.transport.write(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Close the other side."""
        self.gone = True
        self._budget = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.factory.closed(self)
        if self._back is not None:
            self._back.transport.unregisterProducer()
            self._back.transport.loseConnection()

    def close(self) -> None:
        """Close after what was written."""
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _allowed(self, budget: FrameBudget, data: bytes) -> bool:
        try:
            budget.feed(data, self.factory.reactor.seconds())
        except MalformedInput as problem:
            self._budget = None
            self.factory.refused(self.host, problem)
            self.transport.abortConnection()
            return False
        return True


class Back(Protocol):
    """The side towards the gRPC server."""

    transport: Any

    def __init__(self, front: Front, now: Any) -> None:
        self._front = front
        self._budget = FrameBudget(preface=b"", now=now())

    def connectionMade(self) -> None:
        """Tell the other side."""
        if self._front.gone:
            self.transport.abortConnection()
        else:
            self._front.joined(self)

    def dataReceived(self, data: bytes) -> None:
        """Pass the server's bytes on."""
        self._front.from_server(self._budget, data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Close the other side."""
        self._front.close()


class BackFactory(ClientFactory):
    """Connects one front to the server."""

    noisy = False

    def __init__(self, front: Front, reactor: Any) -> None:
        self._front = front
        self._reactor = reactor

    def buildProtocol(self, addr: IAddress | None) -> Back:
        """The other side of the front."""
        return Back(self._front, self._reactor.seconds)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """The server is not there, or takes no more."""
        self._front.factory.unreachable(reason)
        self._front.transport.abortConnection()


class GuardFactory(ServerFactory):
    """Takes connections for the gRPC server.

    :param path: the server's Unix socket.
    :ivar floods: connections that were closed because of a flood.
    :ivar rejected: connections that were one too many.
    """

    noisy = False
    protocol = Front  # type: ignore[assignment]

    def __init__(self, path: str, reactor: Any) -> None:
        self.reactor = reactor
        self.floods = 0
        self.rejected = 0
        self._path = path
        self._fronts: set[Front] = set()
        self._per_host: dict[str, int] = {}
        self._next_warning = float("-inf")
        self._next_trouble = float("-inf")

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._fronts)

    def opened(self, front: Front) -> bool:
        """A connection is there; says whether it may stay."""
        of_host = self._per_host.get(front.host, 0)
        if len(self._fronts) >= CONNECTIONS or of_host >= CONNECTIONS_PER_HOST:
            self.rejected += 1
            return False
        self._fronts.add(front)
        self._per_host[front.host] = of_host + 1
        return True

    def closed(self, front: Front) -> None:
        """A connection is gone."""
        if front in self._fronts:
            self._fronts.discard(front)
            self._per_host[front.host] -= 1
            if not self._per_host[front.host]:
                del self._per_host[front.host]

    def connect_back(self, front: Front) -> None:
        """Connect a front to the server."""
        self.reactor.connectUNIX(self._path, BackFactory(front, self.reactor), timeout=PREFACE_SECONDS)

    def refused(self, host: str, problem: MalformedInput) -> None:
        """A client does what none needs to do; said once a minute."""
        self.floods += isinstance(problem, Flood)
        now = self.reactor.seconds()
        if now >= self._next_warning:
            self._next_warning = now + WARNING_SECONDS
            log.warn("the connection of {host} is closed: {problem}", host=host, problem=str(problem))

    def unreachable(self, reason: Failure) -> None:
        """The gRPC server does not answer; said once a minute."""
        now = self.reactor.seconds()
        if now >= self._next_trouble:
            self._next_trouble = now + WARNING_SECONDS
            log.error("the gRPC server cannot be reached at its socket: {problem}", problem=reason.getErrorMessage())

    def close_connections(self) -> None:
        """Cut every connection."""
        for front in tuple(self._fronts):
            front.transport.abortConnection()
