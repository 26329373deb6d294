"""A router's TCP connection, and who is let in: the Twisted side of :mod:`kproxy_tw.bgp.relay`."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet import error
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol, ServerFactory, connectionDone
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper, HAProxyWrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from kproxy_tw.addresses import Network, plain_address, within
from kproxy_tw.bgp.relay import Relay
from kproxy_tw.errors import MalformedInput

CLOSE_SECONDS = 10.0
"""How long a router may take to read the last bytes."""

HEADER_SECONDS = 10.0
"""How long a proxy in front of us may take to send its header, and the router behind it to say something."""

REST_PROBE = (30, 10, 3)
"""Keepalive probes of an ordinary session: after silence, between probes, and how many without an answer."""

QUICK_PROBE = (1, 1, 3)
"""The same when a second connection raises the doubt whether the first one is alive."""

QUICK_PROBE_MS = 3000
"""Time for unacknowledged data then."""

Accepted = Callable[["RouterProtocol"], Relay | None]


class RouterLine:
    """The connection as the session uses it; fits ``relay.RouterSide``.

    :ivar ended: whether it is closed, or about to be.
    """

    def __init__(self, transport: Any, reactor: Any) -> None:
        self.ended = False
        self._transport = transport
        self._reactor = reactor
        self._unacknowledged_ms = 0
        self._cut: IDelayedCall | None = None

    @property
    def handle(self) -> socket.socket:
        """The connection's socket."""
        handle: socket.socket = self._transport.getHandle()
        return handle

    def write(self, data: bytes) -> None:
        """See ``relay.RouterSide``."""
        self._transport.write(data)

    def pause_reading(self) -> None:
        """See ``relay.RouterSide``."""
        if not self.ended:
            self._transport.pauseProducing()

    def resume_reading(self) -> None:
        """See ``relay.RouterSide``."""
        if not self.ended:
            self._transport.resumeProducing()

    def close(self) -> None:
        """See ``relay.RouterSide``. Ours is the first half to be closed: with bytes of the router unread, closing
        both would reset the connection, and the last message with it."""
        if not self.ended:
            self._leave()
            self._transport.resumeProducing()
            self._transport.loseWriteConnection()

    def hang_up(self) -> None:
        """Close both halves as soon as what was written has left."""
        self._leave()
        self._transport.loseConnection()

    def abort(self) -> None:
        """See ``relay.RouterSide``."""
        self.lost()
        self._transport.abortConnection()

    def lost(self) -> None:
        """It is gone."""
        self.ended = True
        if self._cut is not None and self._cut.active():
            self._cut.cancel()

    def probe(self) -> None:
        """See ``relay.RouterSide``."""
        self._keep_alive(*QUICK_PROBE, QUICK_PROBE_MS)

    def calm(self) -> None:
        """See ``relay.RouterSide``."""
        self._keep_alive(*REST_PROBE, self._unacknowledged_ms)

    def outlive(self, seconds: int) -> None:
        """See ``relay.RouterSide``."""
        self._unacknowledged_ms = 1000 * seconds
        self.calm()

    def _leave(self) -> None:
        if not self.ended:
            self.ended = True
            self._transport.unregisterProducer()
            self._cut = self._reactor.callLater(CLOSE_SECONDS, self._transport.abortConnection)

    def _keep_alive(self, idle: int, interval: int, count: int, unacknowledged_ms: int) -> None:
        """Set how the kernel finds out that the peer is gone (tcp(7)); without that knowledge it takes hours."""
        if self.ended:
            return
        handle = self.handle
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged_ms)


@implementer(IHalfCloseableProtocol, IPushProducer)
class RouterProtocol(Protocol):
    """One connection of a router, or of a proxy in front of one.

    :param accepted: gives the relay of a connection whose addresses are known, ``None`` when it is refused.
    :param proxied: whether the addresses come with a PROXY header, before the first byte.
    :ivar device, proxy: the router's address and ours.
    :ivar line: what the session speaks to.
    """

    transport: Any
    line: RouterLine

    def __init__(self, accepted: Accepted, *, reactor: Any, proxied: bool = False) -> None:
        self.device = ("", 0)
        self.proxy = ("", 0)
        self._accepted = accepted
        self._reactor = reactor
        self._proxied = proxied
        self._relay: Relay | None = None
        self._header_timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """A router has connected; or a proxy, which will say for whom."""
        self.line = RouterLine(self.transport, self._reactor)
        self.line.calm()
        self.transport.setTcpNoDelay(True)  # an update waits for no acknowledgement of the one before it
        if self._proxied:
            self._header_timer = self._reactor.callLater(HEADER_SECONDS, self.line.abort)
        else:
            self._begin()

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the router."""
        if self._relay is None and self._proxied and not self.line.ended:
            self._cancel()
            self._begin()
        if self._relay is not None:
            self._relay.router_sent(data)

    def readConnectionLost(self) -> None:
        """The router sends nothing more: its session is over; what was written still goes out."""
        self._lost("router_closed", "the router closed the connection")
        self.line.hang_up()

    def writeConnectionLost(self) -> None:
        """Our half is closed."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._cancel()
        self.line.lost()
        if reason.check(error.ConnectionDone):
            self._lost("router_closed", "the router closed the connection")
        else:
            # Twisted does not tell a reset from a time-out of the kernel's probes.
            self._lost("router_lost", "the router reset the connection, or does not answer any more")

    # IPushProducer: what the transport asks of us, because the router does not read.

    def pauseProducing(self) -> None:
        """More is written than the router takes."""
        if self._relay is not None:
            self._relay.router_blocked()

    def resumeProducing(self) -> None:
        """The router has taken what was written."""
        if self._relay is not None:
            self._relay.router_ready()

    def stopProducing(self) -> None:
        """The connection is going."""

    def _begin(self) -> None:
        peer, host = self.transport.getPeer(), self.transport.getHost()
        try:
            self.device = (plain_address(_text(peer.host)), peer.port)
            self.proxy = (plain_address(_text(host.host)), host.port)
        except (MalformedInput, AttributeError):
            self.line.abort()  # the header of a proxy holds no Internet address
            return
        self.transport.registerProducer(self, True)
        self._relay = self._accepted(self)
        if self._relay is None:
            self.line.hang_up()

    def _lost(self, cause: str, reason: str) -> None:
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.router_closed(cause, reason)

    def _cancel(self) -> None:
        if self._header_timer is not None and self._header_timer.active():
            self._header_timer.cancel()


class RouterFactory(ServerFactory[RouterProtocol]):
    """Builds the protocol for each connection; one that comes from a listed proxy must begin with a PROXY header.

    :param accepted: see :class:`RouterProtocol`.
    :param proxies: networks of the proxies in front of us.
    :param no_header: told, with the proxy's address, when a proxy sent something else.
    """

    noisy = False

    def __init__(
        self, accepted: Accepted, *, reactor: Any, proxies: Sequence[Network], no_header: Callable[[str], None]
    ) -> None:
        self._accepted = accepted
        self._reactor = reactor
        self._proxies = proxies
        self._behind_proxy = _ProxiedFactory(Factory.forProtocol(self._proxied), no_header)

    def buildProtocol(self, addr: Any) -> Any:
        """A protocol for a new connection."""
        if self._proxies and within(plain_address(addr.host), self._proxies):
            return self._behind_proxy.buildProtocol(addr)
        return RouterProtocol(self._accepted, reactor=self._reactor)

    def _proxied(self) -> RouterProtocol:
        return RouterProtocol(self._accepted, reactor=self._reactor, proxied=True)


class _ProxiedWrapper(HAProxyProtocolWrapper):
    """Twisted's wrapper; whatever it stumbles over in a header ends the connection."""

    factory: _ProxiedFactory

    def dataReceived(self, data: bytes) -> None:
        if self._proxyInfo is not None:
            self.wrappedProtocol.dataReceived(data)
            return
        try:
            super().dataReceived(data)
        except (KeyError, ValueError, IndexError, TypeError):
            if self._proxyInfo is not None:
                raise  # not the header's fault
            self.loseConnection()
        if self._proxyInfo is None and self.disconnecting:
            peer: Any = self.getPeer()
            self.factory.no_header(peer.host)


class _ProxiedFactory(HAProxyWrappingFactory):
    noisy = False
    protocol = _ProxiedWrapper  # type: ignore[assignment]  # as every subclass of a wrapping factory does

    def __init__(self, wrapped: Any, no_header: Callable[[str], None]) -> None:
        super().__init__(wrapped)
        self.no_header = no_header


def _text(host: str | bytes) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host
