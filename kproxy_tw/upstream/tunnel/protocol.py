"""TunnelEndpoint: a connection to a host through an HTTP proxy, by ``CONNECT`` (RFC 9110 section 9.3.6).

What we tell the proxy about ourselves goes to the proxy alone, and what we tell the backend goes through the tunnel,
inside of TLS.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import error as network
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint, ITransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from kproxy_tw.errors import UpstreamError
from kproxy_tw.status import shown_address
from kproxy_tw.upstream.proxies import Proxy

MAX_PROXY_HEAD_BYTES = 16 << 10
"""What a proxy may say before the tunnel is open."""

TUNNEL_SECONDS = 20.0
"""How long a proxy may take to open a tunnel: it has to look up a name and to connect."""

_END = b"\r\n\r\n"

_HINTS = {
    403: "it may not connect to that host and port; ask who runs it",
    407: "it wants a user name and a password, or refuses those it got; give them with -local_proxy",
    502: "it cannot reach the host",
    503: "it cannot reach the host, or does not know its name",
    504: "it cannot reach the host",
}


class Tunnel(ProtocolWrapper):
    """Speaks with the proxy until the tunnel is open; from then on it only passes bytes on."""

    factory: TunnelFactory

    def __init__(self, factory: TunnelFactory, wrapped: IProtocol) -> None:
        super().__init__(factory, wrapped)
        self._open = False
        self._head = b""

    def makeConnection(self, transport: ITransport) -> None:  # noqa: N802
        """Ask for the tunnel; the wrapped protocol learns of the connection when it is open."""
        self.transport: Any = transport
        self.connected = 1
        self.factory.connected_to_proxy(self)
        self.transport.write(self.factory.request)

    def dataReceived(self, data: bytes) -> None:
        """Read the proxy's answer, then pass data on."""
        if self._open:
            super().dataReceived(data)
            return
        self._head += data
        if _END in self._head:
            self._judge()
        elif len(self._head) > MAX_PROXY_HEAD_BYTES:
            self.factory.failed("its answer has no end")

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """The proxy, or the host behind it, has closed the connection."""
        if self._open:
            super().connectionLost(reason)
        else:
            self.factory.failed("it closed the connection instead of an answer")

    def _judge(self) -> None:
        head, _, rest = self._head.partition(_END)
        version, _, line = head.partition(b"\r\n")[0].partition(b" ")
        code = line[:3]
        if not version.startswith(b"HTTP/1.") or not code.isdigit() or not 200 <= int(code) <= 299:
            said = int(code) if version.startswith(b"HTTP/1.") and code.isdigit() else 0
            self.factory.failed(_refusal(said))
        elif rest:
            self.factory.failed("it sent more than an answer")
        else:
            self._head, self._open = b"", True
            super().makeConnection(self.transport)
            self.factory.opened(self.wrappedProtocol)


def _refusal(code: int) -> str:
    if not code:
        return "it does not answer in HTTP; is it an HTTP proxy?"
    hint = _HINTS.get(code)
    return f"it answered {code}" + (f": {hint}" if hint else "")


class TunnelFactory(WrappingFactory[Tunnel]):
    """One attempt to get through ``proxy``.

    :param request: what the proxy is asked.
    :ivar outcome: fires with the wrapped protocol, once it is connected.
    """

    noisy = False
    protocol = Tunnel

    def __init__(self, wrapped: IProtocolFactory, *, proxy: Proxy, request: bytes) -> None:
        super().__init__(wrapped)
        self.request = request
        self.outcome: Deferred[IProtocol] = Deferred(lambda _deferred: self._end())
        self._proxy = proxy
        self._tunnel: Tunnel | None = None
        self.connecting: Deferred[Any] | None = None

    def connected_to_proxy(self, tunnel: Tunnel) -> None:
        """There is something to close when the attempt ends."""
        self._tunnel = tunnel

    def opened(self, protocol: IProtocol) -> None:
        """The proxy has opened the tunnel."""
        if not self.outcome.called:
            self.outcome.callback(protocol)

    def failed(self, problem: str) -> None:
        """There will be no tunnel."""
        if not self.outcome.called:
            self.outcome.errback(Failure(UpstreamError(f"the proxy {self._proxy} gives no way through: {problem}")))
        self._end()

    def not_connected(self, failure: Failure) -> None:
        """The proxy itself was not reached."""
        if not self.outcome.called:
            self.outcome.errback(Failure(UpstreamError(f"cannot reach the proxy {self._proxy}: {_reason(failure)}")))

    def _end(self) -> None:
        if self._tunnel is not None:
            self._tunnel.transport.abortConnection()
        elif self.connecting is not None:
            self.connecting.cancel()


def _reason(failure: Failure) -> str:
    if failure.check(network.ConnectionRefusedError):
        return "connection refused"
    if failure.check(network.DNSLookupError):
        return "its name was not found"
    if failure.check(network.TimeoutError, CancelledError):
        return "no answer in time"
    return failure.getErrorMessage()


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """Connects to ``host`` and ``port`` through ``proxy``.

    :param inner: leads to the proxy.
    """

    def __init__(self, inner: IStreamClientEndpoint, *, proxy: Proxy, host: str, port: int, reactor: Any) -> None:
        self._inner = inner
        self._proxy = proxy
        self._target = shown_address(host, port)
        self._reactor = reactor

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Open a tunnel. It fails with :exc:`UpstreamError`."""
        factory = TunnelFactory(protocolFactory, proxy=self._proxy, request=self._request())
        timer = self._reactor.callLater(TUNNEL_SECONDS, factory.failed, f"no answer within {TUNNEL_SECONDS:g} s")
        factory.outcome.addBoth(_stop_timer, timer)
        factory.connecting = self._inner.connect(factory)
        factory.connecting.addErrback(factory.not_connected)
        return factory.outcome

    def _request(self) -> bytes:
        lines = [f"CONNECT {self._target} HTTP/1.1", f"Host: {self._target}"]
        if self._proxy.authorization:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        return "\r\n".join((*lines, "", "")).encode("ascii")


def _stop_timer(result: Any, timer: Any) -> Any:
    if timer.active():
        timer.cancel()
    return result
