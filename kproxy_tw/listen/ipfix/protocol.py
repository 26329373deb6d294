"""One connection of an IPFIX exporter: frames messages, watches the clock, and says why it ended."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

import attrs
from OpenSSL import SSL

from kproxy_tw.listen.ipfix.config import StreamLimits
from kproxy_tw.listen.ipfix.framing import MessageFramer

EARLY_BYTES = 256 << 10
"""What may come before it is known whose the exporter is; more makes no difference: reading is paused."""

CLOSE_REASONS = (
    "exporter",
    "broken",
    "unregistered",
    "not_ipfix",
    "no_proxy_header",
    "handshake",
    "no_message",
    "half_message",
    "idle",
    "too_many",
    "too_many_of_address",
    "device_changed",
    "shutdown",
)
"""Why a connection may end: the exporter closed it, the network did, or we."""


AT_ONCE = ("handshake", "too_many", "too_many_of_address")
"""Reasons for which nobody waits for the other side's word."""

CLOSE_SECONDS = 5.0
"""How long a close may take that the other side has to answer (TLS)."""


class Stream(Protocol):
    """A connection, as its receiver sees it."""

    @property
    def address(self) -> str:
        """The exporter's address."""

    @property
    def port(self) -> int:
        """The exporter's port."""

    @property
    def name(self) -> str:
        """Unique among all connections, for people: transport, port, number."""

    def begin(self) -> None:
        """The exporter is known: hand its messages over from now on."""

    def end(self, reason: str) -> None:
        """Close it for one of ``CLOSE_REASONS``."""


class StreamReceiver(Protocol):
    """Who takes the messages. Nothing that a peer sends makes it raise."""

    def opened(self, stream: Stream) -> None:
        """A connection stands; it waits until ``begin`` or ``end`` is called, which may happen before this returns."""

    def message(self, stream: Stream, data: bytes) -> None:
        """One message of a connection that has begun."""

    def closed(self, stream: Stream) -> None:
        """The connection is gone."""


class Registrar(Protocol):
    """Who counts the connections."""

    def arrived(self, stream: IpfixStream) -> str:
        """A connection was accepted. :return: the reason to close it at once; empty for none."""

    def ended(self, stream: IpfixStream, problem: str) -> None:
        """It is gone, for ``stream.reason``; ``problem`` tells details."""


@attrs.define
class StreamCounts:
    """What came over one connection."""

    messages: int = 0
    bytes: int = 0
    last_message: float = 0.0


@implementer(IHandshakeListener)
class IpfixStream(TwistedProtocol):
    """See :class:`Stream`.

    :ivar counts: of this connection.
    :ivar reason: why it was closed; empty while it is open.
    :ivar since: when it was accepted, by the reactor's clock.
    """

    def __init__(
        self,
        *,
        number: int,
        transport_name: str,
        peer: Any,
        reactor: Any,
        limits: StreamLimits,
        receiver: StreamReceiver,
        registrar: Registrar,
    ) -> None:
        self.address, self.port = str(peer.host).removeprefix("::ffff:"), int(peer.port)
        self.transport_name = transport_name
        self.name = f"{transport_name}:{self.port}#{number}"
        self.counts = StreamCounts()
        self.reason = ""
        self.since = reactor.seconds()
        self._problem = ""
        self._reactor = reactor
        self._limits = limits
        self._receiver = receiver
        self._registrar = registrar
        self._framer = MessageFramer()
        self._early: list[bytes] | None = []
        self._opened = False
        self._deadline: Any = None
        self._deadline_reason = ""

    @property
    def begun(self) -> bool:
        """Whether its messages are handed over."""
        return self._early is None

    def connectionMade(self) -> None:
        """It was accepted: count it, and, without TLS, ask whose it is."""
        refusal = self._registrar.arrived(self)
        if refusal:
            self.end(refusal)
        elif self.transport_name == "tls":
            self._expect("handshake", self._limits.handshake_seconds)
        else:
            self._open()

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted names it
        """TLS stands, and the exporter's certificate was good if one is asked for."""
        if not self.reason:
            self._open()

    def begin(self) -> None:
        """See :class:`Stream`."""
        if self.reason or self._early is None:
            return
        early, self._early = self._early, None
        self._expect("no_message", self._limits.first_seconds)
        transport: Any = self.transport
        transport.resumeProducing()
        for data in early:
            self.dataReceived(data)

    def end(self, reason: str) -> None:
        """See :class:`Stream`."""
        if self.reason:
            return
        self.reason = reason
        self._expect("aborted", CLOSE_SECONDS)
        transport: Any = self.transport
        if reason in AT_ONCE:
            transport.abortConnection()
        else:
            transport.loseConnection()

    def abort(self) -> None:
        """Close it without waiting for anything."""
        transport: Any = self.transport
        transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Frame, and hand over what is complete."""
        if self.reason:
            return
        self.counts.bytes += len(data)
        if self._early is not None:
            if sum(map(len, self._early)) < EARLY_BYTES:
                self._early.append(data)
            return
        had_rest = self._framer.waiting
        messages = self._framer.feed(data)
        for message in messages:
            self.counts.messages += 1
            self._receiver.message(self, message)
        if messages:
            self.counts.last_message = self._reactor.seconds()
        if self._framer.problem:
            self._problem = self._framer.problem
            self.end("not_ipfix")
        elif messages or (self._framer.waiting and not had_rest):
            self._wait_for_next()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        self._expect("", 0)
        if not self.reason:
            self.reason = self._reason_of(reason)
        if self._opened:
            self._receiver.closed(self)
        self._registrar.ended(self, self._problem)

    def _reason_of(self, failure: Failure) -> str:
        if self.transport_name == "tls" and not self._opened:
            self._problem = _handshake_problem(failure)
            return "handshake"
        if failure.check(ConnectionDone):
            if self._framer.waiting:
                self._problem = f"closed in the middle of a message, {self._framer.waiting} bytes of it are lost"
            return "exporter"
        self._problem = failure.getErrorMessage()
        return "broken"

    def _open(self) -> None:
        self._opened = True
        self._expect("", 0)
        transport: Any = self.transport
        transport.pauseProducing()
        self._receiver.opened(self)

    def _wait_for_next(self) -> None:
        if self._framer.waiting:
            self._expect("half_message", self._limits.partial_seconds)
        else:
            self._expect("idle", self._limits.idle_seconds)

    def _expect(self, reason: str, seconds: float) -> None:
        """Close it for ``reason`` after ``seconds``, unless something else is expected before; empty for nothing."""
        self._deadline_reason = reason
        if not reason:
            if self._deadline is not None and self._deadline.active():
                self._deadline.cancel()
            self._deadline = None
        elif self._deadline is not None and self._deadline.active():
            self._deadline.reset(seconds)
        else:
            self._deadline = self._reactor.callLater(seconds, self._too_late)

    def _too_late(self) -> None:
        if self.reason:
            self.abort()
        else:
            self.end(self._deadline_reason)


def _handshake_problem(failure: Failure) -> str:
    """What OpenSSL has against the other side, without its codes."""
    error = failure.value
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        return "; ".join(str(entry[-1]) for entry in error.args[0])
    return failure.getErrorMessage() or "closed before TLS stood"
