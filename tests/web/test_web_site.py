"""The guarded site over real sockets: hostile requests are refused, honest ones answered."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Request

import attrs
import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.testing.rawhttp import body, exchange, headers, read_all, request, status
from kproxy_tw.web.site import GuardedSite, HostPolicy, SiteLimits, build_site


class Echo(Resource):
    """Answers with method and length of the body."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """Say what arrived."""
        return b"%s %d" % (request.method, len(request.content.read()))  # type: ignore[union-attr]


@attrs.frozen
class Served:
    """A site listening on loopback."""

    port: int
    site: GuardedSite


@pytest.fixture
def serve() -> Iterator[Any]:
    """Serve an :class:`Echo` within given limits on a free port."""
    from twisted.internet import reactor

    ports = []

    def start(**limits: Any) -> Served:
        site = build_site(Echo(), SiteLimits(**limits), reactor)
        port: Any = reactor.listenTCP(0, site, interface="127.0.0.1")  # type: ignore[arg-type]
        ports.append((port, site))
        return Served(port.getHost().port, site)

    yield start
    for port, site in ports:
        port.stopListening()
        site.close_connections()


HOSTILE = {
    "rebound name": (request(host="evil.example:{port}"), 421),
    "rebound name without port": (request(host="evil.example"), 421),
    "our name as a prefix": (request(host="127.0.0.1.evil.example:{port}"), 421),
    "our name as user": (request(host="127.0.0.1:{port}@evil.example"), 421),
    "localhost as a suffix": (request(host="evil.localhost:{port}"), 421),
    "localhost with a dot": (request(host="localhost.:{port}"), 421),
    "wrong port": (request(host="127.0.0.1:1"), 421),
    "no port": (request(host="127.0.0.1"), 421),
    "other address": (request(host="192.0.2.1:{port}"), 421),
    "any address": (request(host="0.0.0.0:{port}"), 421),
    "decimal address": (request(host="2130706433:{port}"), 421),
    "short address": (request(host="127.1:{port}"), 421),
    "mapped address": (request(host="[::ffff:127.0.0.1]:{port}"), 421),
    "IPv6 without brackets": (request(host="::1:{port}"), 421),
    "empty Host": (request(host=""), 421),
    "list of Hosts": (request(host="127.0.0.1:{port}, evil.example"), 421),
    "two Hosts": ("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n", 400),
    "no Host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "no Host in HTTP/1.0": ("GET / HTTP/1.0\r\n\r\n", 400),
    "absolute target": (request("http://evil.example/"), 400),
    "authority target": (request("evil.example:443", method="CONNECT"), 400),
    "POST": (request(method="POST", Content_Length="0"), 405),
    "PUT": (request(method="PUT", Content_Length="0"), 405),
    "DELETE": (request(method="DELETE"), 405),
    "OPTIONS": (request(method="OPTIONS"), 405),
    "TRACE": (request(method="TRACE"), 405),
    "lower-case get": (request(method="get"), 405),
    "made-up method": (request(method="BREW"), 405),
    "cross-site fetch": (request(Sec_Fetch_Site="cross-site"), 403),
    "foreign Origin": (request(Origin="http://evil.example"), 403),
    "null Origin": (request(Origin="null"), 403),
    "Origin of another port": (request(Origin="http://127.0.0.1:1"), 403),
    "Origin with our name as user": (request(Origin="http://127.0.0.1:{port}@evil.example"), 403),
    "announced body": (request(Content_Length="1"), 413),
    "huge announced body": (request(Content_Length="9" * 18), 413),
    "two lengths": (request(Content_Length="0", content_length="0"), 400),
    "negative length": (request(Content_Length="-1"), 400),
    "length and chunks": (request(Content_Length="0", Transfer_Encoding="chunked"), 400),
    "odd transfer coding": (request(Transfer_Encoding="gzip, chunked"), 400),
    "chunked body": (request(Transfer_Encoding="chunked") + "5\r\nhello\r\n0\r\n\r\n", 413),
    "bad chunk": (request(Transfer_Encoding="chunked") + "zz\r\n", 400),
    "long header": (request(X="a" * 9000), 431),
    "many headers": (request(**{f"X{number}": "a" * 50 for number in range(200)}), 431),
    "long target": (request("/" + "a" * 9000), 431),
    "header without colon": ("GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n", 400),
    "unknown version": ("GET / HTTP/9.9\r\nHost: 127.0.0.1:{port}\r\n\r\n", 400),
    "not HTTP": ("\x16\x03\x01\x02\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", HOSTILE)
@ensureDeferred
async def test_hostile_request_is_refused(serve: Any, name: str) -> None:
    """Each gets its status, the security headers, and no page."""
    text, expected = HOSTILE[name]
    port = serve().port
    answer = await deferToThread(exchange, port, text.replace("{port}", str(port)).encode("latin-1"))
    assert status(answer) == expected
    assert b"GET 0" not in answer
    assert headers(answer)["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
@ensureDeferred
async def test_our_hosts_are_served(serve: Any, host: str) -> None:
    """The loopback names with our port are answered, with every security header and no server name."""
    port = serve().port
    answer = await deferToThread(exchange, port, request(host=host).format(port=port).encode())
    got = headers(answer)
    assert (status(answer), body(answer)) == (200, b"GET 0")
    assert "default-src 'none'" in got["content-security-policy"]
    assert "frame-ancestors 'none'" in got["content-security-policy"]
    assert (got["cache-control"], got["referrer-policy"], got["connection"]) == ("no-store", "no-referrer", "close")
    assert not {"server", "access-control-allow-origin"} & set(got)


@ensureDeferred
async def test_own_page_may_fetch(serve: Any) -> None:
    """Our own Origin passes, as does a link that the user typed or followed on this site."""
    port = serve().port
    text = request(Origin="http://127.0.0.1:{port}", Sec_Fetch_Site="same-origin").format(port=port)
    assert status(await deferToThread(exchange, port, text.encode())) == 200


@ensureDeferred
async def test_head_has_no_body(serve: Any) -> None:
    """HEAD gets the head only, also when it is refused."""
    port = serve().port
    for host, expected in (("127.0.0.1:{port}", 200), ("evil.example", 421)):
        text = request(method="HEAD", host=host).format(port=port)
        answer = await deferToThread(exchange, port, text.encode())
        assert (status(answer), body(answer)) == (expected, b"")


@pytest.mark.parametrize(
    ("policy", "host", "expected"),
    [
        (HostPolicy("0.0.0.0"), "192.0.2.7:9996", True),  # noqa: S104 - the operator's choice under test
        (HostPolicy("::"), "[2001:db8::1]:9996", True),
        (HostPolicy("192.0.2.7"), "kproxy.example:9996", False),
        (HostPolicy("192.0.2.7"), "192.0.2.7:80", False),
        (HostPolicy(names=("kproxy.example",)), "KPROXY.example:9996", True),
        (HostPolicy(names=("kproxy.example",)), "kproxy.example", False),
        (HostPolicy(names=("kproxy.example:443",)), "kproxy.example:443", True),
        (HostPolicy(names=("kproxy.example:443",)), "kproxy.example:9996", False),
        (HostPolicy("127.0.0.2"), "192.0.2.7:9996", False),
    ],
)
def test_host_policy(policy: HostPolicy, host: str, expected: bool) -> None:
    """Address literals pass only on an open interface, names only when listed."""
    assert policy.allows(host, 9996) is expected


@ensureDeferred
async def test_body_is_cut_while_it_arrives(serve: Any) -> None:
    """An endless chunked upload is answered 413 long before its end."""
    port = serve(methods=frozenset({b"POST"}), max_body=10_000).port
    head = request(method="POST", Transfer_Encoding="chunked").format(port=port).encode()
    chunk = b"%x\r\n%s\r\n" % (60_000, bytes(60_000))
    answer = await deferToThread(exchange, port, [head, *[chunk] * 300])
    assert status(answer) == 413


@ensureDeferred
async def test_body_within_the_limit(serve: Any) -> None:
    """A body of exactly the limit passes, announced or in chunks, and its memory is given back."""
    served = serve(methods=frozenset({b"POST"}), max_body=10_000)
    plain = request(method="POST", Content_Length="10000").format(port=served.port).encode() + bytes(10_000)
    chunked = request(method="POST", Transfer_Encoding="chunked").format(port=served.port).encode()
    chunked += (b"1388\r\n" + bytes(5_000) + b"\r\n") * 2 + b"0\r\n\r\n"
    for upload in (plain, chunked):
        answer = await deferToThread(exchange, served.port, upload)
        assert (status(answer), body(answer)) == (200, b"POST 10000")
    assert served.site.body_bytes == 0


@ensureDeferred
async def test_bodies_together_are_bounded(serve: Any) -> None:
    """When all uploads together fill the memory allowed, the next one is told to come back."""
    served = serve(methods=frozenset({b"POST"}), max_body=10_000, total_body=5_000)
    upload = request(method="POST", Content_Length="8000").format(port=served.port).encode() + bytes(8_000)
    answer = await deferToThread(exchange, served.port, upload)
    assert (status(answer), headers(answer)["retry-after"]) == (503, "1")
    assert served.site.body_bytes == 0


@ensureDeferred
async def test_keep_alive(serve: Any) -> None:
    """With keep_alive one connection serves many requests, pipelined ones too, and limits hold for each."""
    port = serve(keep_alive=True, max_header=200, request_seconds=5).port
    one = request().format(port=port).encode()
    last = request(Connection="close").format(port=port).encode()
    answer = await deferToThread(exchange, port, one * 6 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 7


@ensureDeferred
async def test_expect_is_not_invited(serve: Any) -> None:
    """A body that will be refused is not asked for with 100 Continue."""
    port = serve().port
    text = request(Content_Length="5", Expect="100-continue").format(port=port)
    assert status(await deferToThread(exchange, port, text.encode())) == 413


@ensureDeferred
async def test_connection_cap(serve: Any) -> None:
    """Beyond the cap a client gets 503; far beyond, the connection is closed; a freed place is usable."""
    port = serve(connections=2).port

    def crowd() -> tuple[bytes, bytes]:
        idle = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(2)]
        over = exchange(port, b"")
        for connection in idle:
            connection.close()
        time.sleep(0.2)
        return over, exchange(port, request().format(port=port).encode())

    over, freed = await deferToThread(crowd)
    assert (status(over), status(freed)) == (503, 200)


@ensureDeferred
async def test_silent_client_is_closed(serve: Any) -> None:
    """A client that connects and says nothing is closed after the idle time."""
    port = serve(idle_seconds=0.2).port
    assert await deferToThread(exchange, port, b"", seconds=3) == b""


@ensureDeferred
async def test_slow_client_is_refused(serve: Any) -> None:
    """A byte now and then does not hold a connection: the whole request has a time limit."""
    port = serve(idle_seconds=1, request_seconds=0.3).port
    pieces = [bytes([byte]) for byte in request().encode()]
    assert status(await deferToThread(exchange, port, pieces, pause=0.05)) == 408


@ensureDeferred
async def test_connections_are_cut_on_stop(serve: Any) -> None:
    """Stopping cuts connections that are still open."""
    served = serve()

    def wait() -> bytes:
        from twisted.internet import reactor

        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
            reactor.callFromThread(reactor.callLater, 0.2, served.site.close_connections)  # type: ignore[attr-defined]
            return read_all(connection)

    assert await deferToThread(wait) == b""
