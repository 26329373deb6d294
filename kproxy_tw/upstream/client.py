"""HttpsSession: one persistent connection to the backend, one request at a time, everything bounded."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from treq import collect
from twisted.internet import error as network
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from OpenSSL import SSL
from service_identity import VerificationError

from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer
from kproxy_tw.upstream.answer import HttpAnswer
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.latency import Latencies
from kproxy_tw.upstream.offset import ClockOffset
from kproxy_tw.upstream.protocol import Links
from kproxy_tw.upstream.proxies import Proxies
from kproxy_tw.upstream.tls import TlsPolicy

IDLE_SECONDS = 30
"""How long an unused connection is kept: less than servers and load balancers do, so that they rarely close first."""

CLOSE_SECONDS = 0.5
"""How long a server may take to say goodbye."""

NO_PROXIES = Proxies()

MAX_WAITING = 256
"""Requests that may wait for the one under way."""

_WRAPPED = (RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed)
_NETWORK = (
    *_WRAPPED,
    network.ConnectError,
    network.ConnectionClosed,
    network.DNSLookupError,
    OSError,
    SSL.Error,
    VerificationError,
)


@implementer(IBodyProducer)
class _WholeBody:
    """A request body that is in memory already: written at once."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:  # noqa: N802
        """Everything is written already."""

    def resumeProducing(self) -> None:  # noqa: N802
        """Everything is written already."""

    def stopProducing(self) -> None:  # noqa: N802
        """Everything is written already."""


class _Collector:
    """Collects an answer's body up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()

    def check(self, size: object) -> None:
        """Refuse a size, if it is one. :raises UpstreamError: it is above the limit."""
        if isinstance(size, int) and size > self._limit:
            raise UpstreamError(f"the answer is larger than {self._limit} bytes")

    def add(self, data: bytes) -> None:
        """Take the next bytes. :raises UpstreamError: they go beyond the limit."""
        self.check(len(self._body) + len(data))
        self._body += data

    def body(self) -> bytes:
        """Everything that came."""
        return bytes(self._body)


class HttpsSession:
    """One persistent connection; fits ``interfaces.UpstreamSession``.

    Requests are sent one after the other. A request that fails takes its connection with it, so that nothing of it
    can come back later. Nothing is repeated here: whoever asks knows whether that is wise.

    :param tls: shared by all sessions of the process.
    :param user_agent: product and version, ``kproxy/1.0``.
    :param proxies: which hosts are reached through a proxy.
    :param offset: is told the date of each answer; ``latencies`` how long it took.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        tls: TlsPolicy,
        credentials: Credentials | None,
        user_agent: str,
        proxies: Proxies = NO_PROXIES,
        offset: ClockOffset | None = None,
        latencies: Latencies | None = None,
    ) -> None:
        self._latencies = latencies
        self._offset = offset
        self._reactor = reactor
        known_as = {} if credentials is None else credentials.headers()
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity", **known_as}
        self._links = Links(reactor=reactor, tls=tls, proxies=proxies)
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = 1
        self._pool.retryAutomatically = False
        self._pool.cachedConnectionTimeout = IDLE_SECONDS
        self._agent = Agent.usingEndpointFactory(reactor, self._links, self._pool)
        self._one_at_a_time = DeferredLock()
        self._under_way: Deferred[Answer] | None = None
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
        limit: int = 1 << 20,
    ) -> Answer:
        """Send one request when those before it are done; see ``interfaces.UpstreamSession``."""
        if len(self._one_at_a_time.waiting) >= MAX_WAITING:
            raise UpstreamError(f"{MAX_WAITING} requests wait already")
        await self._one_at_a_time.acquire()
        try:
            if self._closed:
                raise UpstreamError("the session is closed")
            return await self._within(seconds, self._exchange(method, url, body, dict(headers or {}), limit))
        finally:
            if self._one_at_a_time.waiting:
                # In a turn of its own: requests that fail at once would otherwise nest, each inside the one before it.
                self._reactor.callLater(0, self._one_at_a_time.release)
            else:
                self._one_at_a_time.release()

    async def close(self) -> None:
        """Close the connection; a request under way fails. Done when no connection is left."""
        self._closed = True
        _fail(self._under_way, "the session was closed")
        farewell = self._pool.closeCachedConnections()
        cut = self._reactor.callLater(CLOSE_SECONDS, self._links.abort)
        await self._links.gone()
        await farewell
        if cut.active():
            cut.cancel()

    async def _within(self, seconds: float, exchange: Coroutine[Deferred[Any], Any, Answer]) -> Answer:
        """Await ``exchange``, but never longer than ``seconds``, whether or not it heeds its cancellation."""
        outcome = self._under_way = Deferred[Answer]()
        timer = self._reactor.callLater(seconds, _fail, outcome, f"no complete answer within {seconds:g} s")
        work = Deferred.fromCoroutine(exchange)
        work.addBoth(lambda result: None if outcome.called else outcome.callback(result))
        answered = False
        try:
            answer = await outcome
            answered = True
            return answer
        finally:
            self._under_way = None
            if timer.active():
                timer.cancel()
            if not answered:
                work.cancel()
                self._links.abort()

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], limit: int
    ) -> HttpAnswer:
        collector = _Collector(limit)
        self._links.begin()
        began = self._reactor.seconds()
        try:
            response = await self._agent.request(
                method.encode("ascii"),
                url.encode("ascii"),
                Headers({name: [value] for name, value in (headers | self._headers).items()}),
                None if body is None else _WholeBody(body),
            )
            self._links.head_complete()
            if self._latencies is not None:
                self._latencies.note(url, self._reactor.seconds() - began)
            _check_coding(response)
            collector.check(response.length)
            await collect(response, collector.add)
        except _NETWORK as error:
            raise UpstreamError(_explain(error, urlsplit(url).netloc, self._links.refusal)) from error
        fields = _last_values(response.headers)
        if self._offset is not None:
            self._offset.note(fields.get("date"))
        return HttpAnswer(status=response.code, headers=fields, body=collector.body())


def _fail(outcome: Deferred[Answer] | None, problem: str) -> None:
    if outcome is not None and not outcome.called:
        outcome.errback(Failure(UpstreamError(problem)))


def _check_coding(response: IResponse) -> None:
    """See to it that a limit on what is read is a limit on memory. :raises UpstreamError: the answer is compressed."""
    if response.headers.getRawHeaders(b"Content-Encoding", [b"identity"]) != [b"identity"]:
        raise UpstreamError("the answer is compressed, which we did not ask for")


def _last_values(headers: Headers) -> dict[str, str]:
    return {name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in headers.getAllRawHeaders()}


def _cause(error: BaseException) -> BaseException:
    """Return what the HTTP client has wrapped, at the bottom."""
    while isinstance(error, _WRAPPED) and error.reasons:
        error = error.reasons[0].value
    return error


def _explain(error: BaseException, host: str, refusal: str) -> str:
    """Say for people what went wrong on the way to ``host``; nothing of the request is repeated."""
    cause = _cause(error)
    if isinstance(cause, SSL.Error | VerificationError):
        return _explain_tls(cause, host, refusal)
    if isinstance(cause, network.DNSLookupError):
        return f"the name of {host} was not found; check the name server, -region, -api and -flow_url"
    if isinstance(cause, network.ConnectionRefusedError):
        return f"{host} refused the connection"
    if isinstance(cause, network.TimeoutError):
        return f"{host} did not take the connection in time"
    if isinstance(cause, network.ConnectionClosed):
        return f"{host} closed the connection before its answer was complete"
    if isinstance(cause, network.ConnectError | OSError):
        return f"cannot connect to {host}: {cause}"
    return f"{host} did not answer in proper HTTP ({type(cause).__name__})"


def _explain_tls(cause: SSL.Error | VerificationError, host: str, refusal: str) -> str:
    if isinstance(cause, VerificationError):
        return f"the certificate of {host} was refused: it is for another name"
    said = ", ".join(dict.fromkeys(str(entry[-1]) for entry in (cause.args[0] if cause.args else ()))) or "no reason"
    if "certificate verify failed" in said:
        return f"the certificate of {host} was refused: {refusal or 'verification failed'}"
    return f"no TLS connection to {host}: {said}; version 1.2 at least is needed"
