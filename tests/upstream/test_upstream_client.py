"""HttpsSession against real loopback servers that behave, and that do not."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.task import deferLater
from twisted.internet.tcp import Client
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.errors import UpstreamError
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.upstream.client import MAX_WAITING, HttpsSession
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.protocol import MAX_HEAD_BYTES
from kproxy_tw.upstream.tls import TlsConfig, TlsPolicy
from tests.upstream.loopback import OK, TOKEN, NewSession, Peer, Serve, Server

reactor: Any = _reactor


def ok(peer: Peer) -> None:
    """Answer 200."""
    peer.send(OK)


def silence(peer: Peer) -> None:
    """Never answer."""


async def until(condition: Callable[[], object]) -> None:
    """Let the other side see what has happened; five seconds at most."""
    for _turn in range(500):
        if condition():
            return
        await deferLater(reactor, 0.01)


async def all_closed(server: Server) -> bool:
    """Whether there was one connection, and the server has seen its end."""
    await until(lambda: all(peer.closed for peer in server.peers))
    return [peer.closed for peer in server.peers] == [True]


@ensureDeferred
async def test_request_carries_credentials_agent_body_and_headers(serve: Serve, new_session: NewSession) -> None:
    """What the backend needs is in the one request that it gets, and the answer comes back whole."""
    server, session = serve(lambda peer: peer.send(OK.replace(b"\r\n\r\n", b"\r\nX-A: b\r\n\r\n"))), new_session()
    answer = await session.request("POST", server.url() + "?sid=0", body=b"abc", headers={"Content-Type": "a/b"})
    assert (answer.status, answer.body, answer.headers["x-a"]) == (200, b"ok", "b")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /chf?sid=0 HTTP/1.1\r\n")
    assert body == b"abc"
    fields = {line.split(b": ")[0].lower(): line.split(b": ")[1] for line in head.split(b"\r\n")[1:]}
    assert fields[b"x-ch-auth-email"] == b"me@example.com"
    assert fields[b"x-ch-auth-api-token"] == TOKEN.encode()
    assert fields[b"user-agent"] == b"kproxy/9.9"
    assert fields[b"content-type"] == b"a/b"
    assert fields[b"content-length"] == b"3"
    await session.close()


@ensureDeferred
async def test_requests_share_one_connection_one_at_a_time(serve: Serve, new_session: NewSession) -> None:
    """Five requests at once travel over a single connection, each after the answer of the one before."""
    under_way: list[int] = []

    def later(peer: Peer) -> None:
        under_way.append(len(server.requests))
        reactor.callLater(0.01, peer.send, OK)

    server, session = serve(later), new_session()
    await gatherResults([Deferred.fromCoroutine(session.request("GET", server.url())) for _ in range(5)])
    assert (len(server.peers), under_way) == (1, [1, 2, 3, 4, 5])
    await session.close()


def reset_in_body(peer: Peer) -> None:
    """Promise 100 bytes, send one, cut the line."""
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    reactor.callLater(0.05, peer.reset)


def drip(peer: Peer) -> None:
    """Promise 1000 bytes and send one every 50 ms."""
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    trickle(peer)


def trickle(peer: Peer) -> None:
    """Go on with one byte at a time."""
    if not peer.closed:
        peer.send(b"x")
        reactor.callLater(0.05, trickle, peer)


def endless_head(peer: Peer) -> None:
    """Send header fields for ever."""
    peer.send(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * (2 * MAX_HEAD_BYTES // 8))
    if not peer.closed:
        reactor.callLater(0.01, peer.send, b"X-A: b\r\n" * 100)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (silence, "no complete answer within 0.3 s"),
        (drip, "no complete answer within 0.3 s"),
        (lambda peer: peer.reset(), "closed the connection before its answer was complete"),
        (reset_in_body, "closed the connection before its answer was complete"),
        (lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"), "larger than 1000 bytes"),
        (
            lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001),
            "larger than 1000 bytes",
        ),
        (endless_head, "closed the connection before its answer was complete"),
        (lambda peer: peer.send(b"SSH-2.0-OpenSSH_9.2\r\n"), "did not answer in proper HTTP"),
        (
            lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
            "compressed",
        ),
    ],
)
@ensureDeferred
async def test_bad_answer_fails_in_time_and_takes_its_connection_along(
    answer: Callable[[Peer], None], text: str, serve: Serve, new_session: NewSession
) -> None:
    """Whatever a server does, the request ends with a clear error, the line is cut, and the next request works."""
    server, session = serve(answer), new_session()
    with pytest.raises(UpstreamError, match=text):
        await session.request("GET", server.url(), seconds=0.3, limit=1000)
    assert await all_closed(server)
    server.answer = ok
    assert (await session.request("GET", server.url())).status == 200
    assert len(server.peers) == 2
    await session.close()


@ensureDeferred
async def test_head_is_bounded_on_a_connection_that_is_used_again(serve: Serve, new_session: NewSession) -> None:
    """A good first answer buys a server no unlimited second one."""
    server, session = serve(ok), new_session()
    await session.request("GET", server.url())
    server.answer = endless_head
    with pytest.raises(UpstreamError, match="closed the connection"):
        await session.request("GET", server.url(), seconds=3)
    assert len(server.peers) == 1
    await session.close()


@ensureDeferred
async def test_requests_that_wait_are_bounded(serve: Serve, new_session: NewSession) -> None:
    """Behind a backend that hangs, requests do not pile up without end."""
    server, session = serve(silence), new_session()
    pending = [Deferred.fromCoroutine(session.request("GET", server.url())) for _ in range(1 + MAX_WAITING)]
    with pytest.raises(UpstreamError, match="256 requests wait already"):
        await session.request("GET", server.url())
    await session.close()
    for request in pending:
        with pytest.raises(UpstreamError, match="closed"):
            await request


@ensureDeferred
async def test_redirect_is_not_followed_and_cookies_are_not_kept(serve: Serve, new_session: NewSession) -> None:
    """A redirect is an answer like any other, and a cookie never comes back."""
    session = new_session()
    elsewhere = serve(ok)
    redirect = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url()}\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    server = serve(lambda peer: peer.send(redirect.encode()))
    assert (await session.request("GET", server.url())).status == 302
    await session.request("GET", server.url())
    assert elsewhere.requests == []
    assert b"cookie" not in server.requests[1].lower()
    await session.close()


@ensureDeferred
async def test_refused_connection_and_unknown_name_are_named(serve: Serve, new_session: NewSession) -> None:
    """The error says which host, and nothing of the token."""
    session, server = new_session(), serve(ok)
    url = server.url()
    await server.port.stopListening()
    with pytest.raises(UpstreamError, match=r"127\.0\.0\.1:\d+ refused the connection") as refused:
        await session.request("GET", url)
    assert TOKEN not in repr(refused.value)
    with pytest.raises(UpstreamError, match=r"name of no-such-host\.invalid was not found"):
        await session.request("GET", "https://no-such-host.invalid/chf")


@ensureDeferred
async def test_plain_text_leaves_this_machine_never(new_session: NewSession) -> None:
    """Even when a URL got past the configuration, the token does not go out unencrypted."""
    with pytest.raises(UpstreamError, match="by https only"):
        await new_session().request("GET", "http://192.0.2.1/chf")


@ensureDeferred
async def test_black_hole_ends_in_time(serve: Serve, new_session: NewSession) -> None:
    """A host whose TLS handshake never goes on is given up after the time limit."""
    server, session = serve(silence), new_session()
    began = time.monotonic()
    with pytest.raises(UpstreamError, match=r"within 0\.2 s"):
        await session.request("GET", server.url(scheme="https"), seconds=0.2)
    assert time.monotonic() - began < 1
    assert await all_closed(server)


@implementer(IPolicyForHTTPS, IOpenSSLClientConnectionCreator)
class NoMemory(TlsPolicy):
    """Fails as pyOpenSSL does where memory may not be both writable and executable: Twisted swallows the error."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """Give itself out."""
        return self

    def clientConnectionForTLS(self, protocol: object) -> Any:  # noqa: N802
        """Fail."""
        raise MemoryError


@ensureDeferred
async def test_request_that_the_library_forgets_ends_in_time(serve: Serve, new_session: NewSession) -> None:
    """The time limit does not depend on a Deferred that Twisted may never fire."""
    server = serve(silence)
    session = HttpsSession(
        reactor=reactor, tls=NoMemory(TlsConfig()), credentials=Credentials("me@example.com", TOKEN), user_agent="k/1"
    )
    with pytest.raises(UpstreamError, match=r"within 0\.2 s"):
        await session.request("GET", server.url(scheme="https"), seconds=0.2)
    await session.close()
    assert await all_closed(server)


@ensureDeferred
async def test_close_fails_what_is_under_way_and_what_waits(serve: Serve, new_session: NewSession) -> None:
    """Nobody waits for a closed session, and no connection stays open."""
    server, session = serve(silence), new_session()
    pending = [Deferred.fromCoroutine(session.request("GET", server.url())) for _ in range(2)]
    await until(lambda: server.requests)
    await session.close()
    for request in pending:
        with pytest.raises(UpstreamError, match="closed"):
            await request
    assert await all_closed(server)
    with pytest.raises(UpstreamError, match="closed"):
        await session.request("GET", server.url())


@ensureDeferred
async def test_close_cuts_a_server_that_does_not_say_goodbye(
    serve: Serve, new_session: NewSession, authority: Authority
) -> None:
    """An idle TLS connection is gone soon after close, even when the server has stopped reading."""
    server, session = serve(ok, authority.issue(["127.0.0.1"])), new_session()
    await session.request("GET", server.url(scheme="https"))
    transport: Any = server.peers[0].transport
    transport.transport.pauseProducing()
    began = time.monotonic()
    await session.close()
    assert time.monotonic() - began < 2


@ensureDeferred
async def test_cancelled_request_frees_the_session(serve: Serve, new_session: NewSession) -> None:
    """Who cancels a request leaves neither a connection nor a lock behind."""
    server, session = serve(silence), new_session()
    request = Deferred.fromCoroutine(session.request("GET", server.url()))
    await until(lambda: server.requests)
    request.cancel()
    with pytest.raises(CancelledError):
        await request
    server.answer = ok
    assert (await session.request("GET", server.url(), seconds=5)).status == 200
    await until(lambda: server.peers[0].closed)
    assert server.peers[0].closed
    await session.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@ensureDeferred
async def test_a_connection_that_is_over_needs_no_cycle_collector(
    scheme: str, serve: Serve, new_session: NewSession, authority: Authority
) -> None:
    """The collector looks at what lives long only hours apart: until then the memory would be kept."""
    server = serve(ok, authority.issue(["127.0.0.1"]) if scheme == "https" else None)
    gc.collect()
    before = connections()
    gc.disable()
    try:
        session = new_session()
        await session.request("GET", server.url(scheme=scheme))
        assert len(connections() - before) == 1
        await session.close()
        await until(lambda: not connections() - before)
        assert not connections() - before
    finally:
        gc.enable()


def connections() -> set[Client]:
    """Outgoing TCP connections of which something is left in memory."""
    return {one for one in gc.get_objects() if isinstance(one, Client)}
