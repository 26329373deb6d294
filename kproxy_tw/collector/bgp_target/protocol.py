"""One TCP connection to the BGP daemon."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

CLOSE_SECONDS = 30.0
"""What a daemon gets to take the last bytes of a router that is gone."""


class DaemonEvents(Protocol):
    """What a connection tells the session that it belongs to."""

    def from_daemon(self, data: bytes) -> None:
        """Bytes have come."""

    def daemon_full(self) -> None:
        """The daemon does not read: write no more."""

    def daemon_ready(self) -> None:
        """All that was written has been taken over: write again."""

    def daemon_lost(self, reason: str) -> None:
        """The connection is gone, whoever ended it. Nothing follows."""


@implementer(IPushProducer)
class DaemonLink(TwistedProtocol):
    """The connection; the transport's own buffer tells it when to stop and when to go on."""

    def __init__(self, events: DaemonEvents, reactor: Any) -> None:
        self._events = events
        self._reactor = reactor
        self._reading = True
        self._closing: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Learn of the transport's buffer."""
        link = self._link()
        link.setTcpNoDelay(True)
        link.setTcpKeepAlive(True)
        link.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Pass the daemon's bytes on."""
        self._events.from_daemon(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Tell the session."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        clean = reason.check(ConnectionDone) is not None
        self._events.daemon_lost("closed the connection" if clean else "broke the connection off")

    def pauseProducing(self) -> None:
        """The transport holds enough."""
        self._events.daemon_full()

    def resumeProducing(self) -> None:
        """The transport holds nothing any more."""
        self._events.daemon_ready()

    def stopProducing(self) -> None:
        """The transport is gone; :meth:`connectionLost` tells."""

    def write(self, data: bytes) -> None:
        """Send bytes of the router."""
        self._link().write(data)

    def read(self, wanted: bool) -> None:
        """Read the daemon's bytes, or leave them in the kernel."""
        if wanted != self._reading:
            self._reading = wanted
            link = self._link()
            (link.resumeProducing if wanted else link.pauseProducing)()

    def close(self) -> None:
        """Close after what was written."""
        link = self._link()
        link.unregisterProducer()
        self._closing = self._reactor.callLater(CLOSE_SECONDS, self.abort)
        link.loseConnection()

    def abort(self) -> None:
        """Reset the connection."""
        self._link().abortConnection()

    def _link(self) -> Any:
        return self.transport
