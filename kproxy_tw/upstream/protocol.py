"""Links: the connections that one session has open, so that none outlives its purpose.

The HTTP client keeps connections to itself; when it forgets one, or swallows the end of one, nobody could close it.
Here each connection is wrapped on its way up, known while it is open, and can be cut at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint, ITransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from OpenSSL import SSL

from kproxy_tw.errors import UpstreamError
from kproxy_tw.upstream.proxies import Proxies
from kproxy_tw.upstream.regions import is_loopback
from kproxy_tw.upstream.tls import TlsPolicy
from kproxy_tw.upstream.tunnel.protocol import TunnelEndpoint

CONNECT_SECONDS = 10.0
"""For TCP, per address of the host."""

MAX_HEAD_BYTES = 64 << 10
"""What may come before an answer's head is complete."""


class Link(ProtocolWrapper):
    """One connection.

    :ivar head_left: bytes that the answer's head may still have; ``None`` while none is awaited.
    :ivar tls: the TLS side; ``None`` on a plain connection.
    """

    head_left: int | None = MAX_HEAD_BYTES
    tls: SSL.Connection | None = None
    _connector: Any = None

    def makeConnection(self, transport: ITransport) -> None:  # noqa: N802
        """Keep the TLS side: a transport does not give it out any more once it is closed."""
        below: Any = transport
        handle = below.getHandle()
        if isinstance(handle, SSL.Connection):
            self.tls = handle
        while hasattr(below, "transport"):
            below = below.transport
        self._connector = below.connector
        super().makeConnection(transport)

    def let_go(self) -> None:
        """Part what Twisted leaves tied up in a circle: a connection's two ends, and the factory between them.

        They have lived for long enough to be left alone by the cycle collector for hours, and polling opens many.
        """
        connector, self._connector = self._connector, None
        connector.transport = connector.factory = None

    def dataReceived(self, data: bytes) -> None:
        """Pass data on, unless the head has had all its bytes before these came."""
        if self.head_left is not None:
            if self.head_left <= 0:
                self.abort()
                return
            self.head_left -= len(data)
        super().dataReceived(data)

    def abort(self) -> None:
        """Cut the connection without waiting for the peer."""
        transport: Any = self.transport
        transport.abortConnection()


class _LinkFactory(WrappingFactory[Link]):
    noisy = False
    protocol = Link

    def __init__(self, wrapped: IProtocolFactory, links: Links) -> None:
        super().__init__(wrapped)
        self._links = links

    def registerProtocol(self, p: Link) -> None:
        self._links.opened(p)

    def unregisterProtocol(self, p: Link) -> None:
        self._links.lost(p)


@implementer(IStreamClientEndpoint)
class _LinkEndpoint:
    """Made for every request, needed for few: the way to the host is made when it is needed."""

    def __init__(self, inner: Callable[[], IStreamClientEndpoint], links: Links) -> None:
        self._inner = inner
        self._links = links

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        connecting: Deferred[Any] = self._inner().connect(_LinkFactory(protocolFactory, self._links))
        self._links.connecting(connecting)
        return connecting.addCallback(lambda link: link.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class Links:
    """Opens the connections of one session and knows those that are open.

    :param proxies: which hosts are reached through a proxy.
    :ivar refusal: why the last server certificate was refused; empty if none was since :meth:`begin`.
    """

    def __init__(self, *, reactor: Any, tls: TlsPolicy, proxies: Proxies) -> None:
        self.refusal = ""
        self._reactor = reactor
        self._tls = tls
        self._proxies = proxies
        self._open: set[Link] = set()
        self._connecting: set[Deferred[Any]] = set()
        self._waiting: list[Deferred[None]] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """Connect to the host of ``uri``: TLS, or in plain text when it is this machine.

        :raises UpstreamError: anything else.
        """
        host = uri.host.decode("ascii")
        if uri.scheme != b"https" and (uri.scheme != b"http" or not is_loopback(host)):
            raise UpstreamError(f"credentials are sent to {host} by https only")
        return _LinkEndpoint(lambda: self._endpoint(uri), self)

    def _endpoint(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii")
        endpoint = self._way(host, uri.port)
        if uri.scheme == b"http":
            return endpoint
        return wrapClientTLS(self._tls.creatorForNetloc(uri.host, uri.port), endpoint, self._reactor)

    def _way(self, host: str, port: int) -> IStreamClientEndpoint:
        """Straight to the host, or through the proxy that leads to it."""
        proxy = self._proxies.route(host, port)
        if proxy is None:
            return HostnameEndpoint(self._reactor, host, port, timeout=CONNECT_SECONDS)
        inner = HostnameEndpoint(self._reactor, proxy.host, proxy.port, timeout=CONNECT_SECONDS)
        return TunnelEndpoint(inner, proxy=proxy, host=host, port=port, reactor=self._reactor)

    def begin(self) -> None:
        """A request starts: count what comes before the head of its answer is complete."""
        self.refusal = ""
        self._expect(MAX_HEAD_BYTES)

    def head_complete(self) -> None:
        """The answer's head is there; its body is bounded by whoever reads it."""
        self._expect(None)

    def abort(self) -> None:
        """Cut every connection, and those that are being made."""
        for connecting in list(self._connecting):
            connecting.cancel()
        for link in list(self._open):
            link.abort()

    def gone(self) -> Deferred[None]:
        """Fire when no connection is open any more."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._tell()
        return waiting

    def connecting(self, attempt: Deferred[Any]) -> None:
        """Remember an attempt until it ends."""
        self._connecting.add(attempt)
        attempt.addBoth(self._attempted, attempt)

    def opened(self, link: Link) -> None:
        """Remember an open connection."""
        self._open.add(link)

    def lost(self, link: Link) -> None:
        """Forget a connection that is closed, and keep the reason if it was its certificate."""
        self._open.discard(link)
        if link.tls is not None:
            self.refusal = self._tls.reason_refused(link.tls) or self.refusal
        # Twisted still tells the connector that it is over.
        self._reactor.callLater(0, link.let_go)
        self._tell()

    def _attempted(self, result: Any, attempt: Deferred[Any]) -> Any:
        self._connecting.discard(attempt)
        return result

    def _expect(self, limit: int | None) -> None:
        for link in self._open:
            link.head_left = limit

    def _tell(self) -> None:
        if not self._open:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)
