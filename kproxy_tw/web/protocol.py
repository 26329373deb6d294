"""One TCP port, three kinds of client: silent ones get the text report, commands a line, HTTP the site."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from kproxy_tw.web.site import GuardedSite
from kproxy_tw.web.text import safe_text

log = Logger()

SILENCE_SECONDS = 0.5
"""A client that says nothing for so long wants the text report."""

COMMAND_SECONDS = 5.0
"""How long a client may take to finish its first line."""

COMMAND_BYTES = 200
"""Longest command; of a longer one the beginning is taken. HTTP has limits of its own."""

FLUSH_SECONDS = 5.0
"""How long a client may take to read its answer."""

REPORT_COMMANDS = frozenset({b"", b"status"})

_HTTP_LINE = re.compile(rb"[!-~]{1,32} [!-~]+ HTTP/[0-9]+\.[0-9]+")
_HTTP_START = re.compile(rb"[A-Z]{1,16} (/|https?://)")


@implementer(IHalfCloseableProtocol)
class HealthProtocol(Protocol):
    """Reads the first line and decides what the client is; an HTTP connection is handed over to the site."""

    transport: Any
    factory: HealthFactory

    def __init__(self) -> None:
        self._buffer = b""
        self._decided = False
        self._channel: Any = None
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for what the client says."""
        self.factory.protocols.add(self)
        self._wait(SILENCE_SECONDS, self._silent)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the first line, or of HTTP; what follows a command is ignored."""
        if self._channel is not None:
            self._channel.dataReceived(data)
        elif not self._decided:
            if not self._buffer:
                self._wait(COMMAND_SECONDS, self._decide)
            self._buffer += data
            if b"\n" in self._buffer or len(self._buffer) > COMMAND_BYTES:
                self._decide()

    def readConnectionLost(self) -> None:
        """The client sends nothing more, but still reads (``nc`` at the end of its input)."""
        if self._channel is not None:
            self._channel.readConnectionLost()
        elif not self._decided:
            self._decide()

    def writeConnectionLost(self) -> None:
        """Our half is closed."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self.factory.protocols.discard(self)
        self._cancel()
        if self._channel is not None:
            self._channel.connectionLost(reason)

    def _wait(self, seconds: float, call: Callable[[], None]) -> None:
        self._cancel()
        self._timer = self.factory.reactor.callLater(seconds, call)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _silent(self) -> None:
        # Timers run before sockets are read: on a busy machine a browser's request may wait in the kernel by now.
        self._wait(0, self._decide)

    def _decide(self) -> None:
        self._cancel()
        self._decided = True
        line, newline, _ = self._buffer.partition(b"\n")
        line = line.rstrip(b"\r")
        if _HTTP_LINE.fullmatch(line) if newline else _HTTP_START.match(line):
            self._hand_over()
        elif line.strip().lower() in REPORT_COMMANDS:
            self.factory.report().addCallbacks(self._say, self._fail)
        else:
            text = line[:COMMAND_BYTES].decode("utf-8", "replace")
            self._say(f"Unknown command: {safe_text(text)}\n")

    def _say(self, text: str) -> None:
        self.transport.write(text.encode("utf-8", "backslashreplace"))
        self._wait(FLUSH_SECONDS, self.transport.abortConnection)
        self.transport.loseConnection()

    def _fail(self, failure: Failure) -> None:
        log.failure("the text report failed", failure)
        self.transport.abortConnection()

    def _hand_over(self) -> None:
        channel = self.factory.site.buildProtocol(self.transport.getPeer())
        if channel is None:
            self.transport.abortConnection()
            return
        self._channel = channel
        channel.makeConnection(self.transport)
        data, self._buffer = self._buffer, b""
        channel.dataReceived(data)


class HealthFactory(ServerFactory[HealthProtocol]):
    """Builds the protocol for each client.

    :param report: makes the text report.
    :param site: serves HTTP.
    :param connections: open at once, of all kinds; further ones are closed.
    :param reactor: provides ``callLater``.
    """

    protocol = HealthProtocol
    noisy = False

    def __init__(self, report: Callable[[], Deferred[str]], site: GuardedSite, connections: int, reactor: Any) -> None:
        self.report = report
        self.site = site
        self.connections = connections
        self.reactor = reactor
        self.protocols: set[HealthProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> HealthProtocol | None:
        """A protocol for a new client, unless there are too many."""
        return super().buildProtocol(addr) if len(self.protocols) < self.connections else None

    def close_connections(self) -> None:
        """Cut every connection (for stopping)."""
        for protocol in tuple(self.protocols):
            protocol.transport.abortConnection()
