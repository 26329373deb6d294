"""The edge over real sockets: from a router's connection to its tunnel, and every way out."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

import attrs
import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred

from kproxy_tw.bgp.config import ListenAddress
from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.errors import BackendUnavailable, ConfigError
from kproxy_tw.testing.bgp_backend import RecordingBackend, known_device, unknown_device
from tests.bgp.bgp_messages import KEEPALIVE, open_message, update
from tests.bgp.edge import Edge, edge, read, read_all

REJECTED = b"\xff" * 16 + b"\x00\x15\x03\x06\x05"
"""NOTIFICATION, Cease, Connection Rejected (RFC 4486)."""

Start = Callable[..., Edge]


@async_yield_fixture
async def start() -> AsyncIterator[Start]:
    """Start edges; stop them all at the end."""
    running: list[Edge] = []

    def begin(*arguments: Any, **settings: Any) -> Edge:
        running.append(edge(*arguments, **settings))
        return running[-1]

    yield begin
    for one in running:
        await one.stop()


@pytest.fixture
def routers() -> Iterator[Callable[..., socket.socket]]:
    """Connect routers; close them all at the end."""
    connections: list[socket.socket] = []

    def connect(one: Edge, source: str = "127.0.0.10", data: bytes = b"", **where: Any) -> socket.socket:
        connections.append(one.router(source, **where))
        connections[-1].sendall(data)
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def balanced(one: Edge) -> bool:
    """The identities of ``counts``."""
    counts, table = one.service.counts, one.service.table
    entered = counts.sessions_opened + counts.refused.total() + one.service.pending
    return counts.connections == entered and counts.sessions_opened == len(table) + counts.ended.total()


@ensureDeferred
async def test_a_session(start: Start, routers: Any) -> None:
    """Bytes go both ways; the table knows the router; its end reaches the tunnel and the history."""
    one = start()
    router = routers(one, data=open_message() + KEEPALIVE)
    tunnel = await one.tunnel()
    await one.until(lambda: tunnel.written == open_message() + KEEPALIVE)
    tunnel.events.received(open_message(system=65000))
    assert await read(router, len(open_message())) == open_message(system=65000)
    (session,) = one.service.table
    place = session.connection
    assert (place.device_ip, place.device_port) == router.getsockname()
    assert (place.proxy_ip, place.proxy_port) == router.getpeername()
    assert (session.device_name, session.device_id, session.backend_pin) == ("router 127.0.0.10", 101, "42b0e9c9")
    router.close()
    await one.until(lambda: tunnel.closed)
    assert [ended.cause for ended in one.service.table.history()] == ["router_closed"]
    assert balanced(one)


@ensureDeferred
async def test_bulk_is_equal(start: Start, routers: Any) -> None:
    """Megabytes in both directions arrive byte for byte."""
    one = start()
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    up, down = update(4096) * 500, update(1000) * 2000
    sending = deferToThread(router.sendall, up)
    received = read(router, len(down))
    for position in range(0, len(down), 60_000):
        tunnel.events.received(down[position : position + 60_000])
    await sending
    assert await received == down
    await one.until(lambda: len(tunnel.written) == len(open_message() + up))
    assert tunnel.written == open_message() + up


@ensureDeferred
async def test_a_router_that_does_not_read(start: Start, routers: Any) -> None:
    """The tunnel is paused while the socket is full, and goes on when the router reads."""
    one = start()
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    sent = 0
    while not tunnel.paused:
        tunnel.events.received(update(4096) * 15)
        sent += 4096 * 15
        await one.until(lambda: True)
        assert sent < 64 << 20
    assert one.service.stalled_seconds(next(iter(one.service.table))) >= 0
    await read(router, sent)
    await one.until(lambda: not tunnel.paused)


@ensureDeferred
async def test_a_backend_that_does_not_read(start: Start, routers: Any) -> None:
    """The router is not read any more, and again later; nothing is lost."""
    one = start()
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    await one.until(lambda: tunnel.written)
    tunnel.events.pause()
    router.sendall(KEEPALIVE * 10)
    await deferToThread(lambda: None)
    await one.until(lambda: True)
    assert tunnel.written == open_message()
    tunnel.events.resume()
    await one.until(lambda: tunnel.written == open_message() + KEEPALIVE * 10)


@ensureDeferred
async def test_the_backend_closes(start: Start, routers: Any) -> None:
    """What it said last reaches the router, even when the router has said something that nobody reads."""
    one = start()
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    tunnel.events.received(update(4096) * 100)
    router.sendall(KEEPALIVE)
    tunnel.events.closed("daemon gone", abort=False)
    assert await read_all(router) == update(4096) * 100
    assert [(ended.cause, ended.reason) for ended in one.service.table.history()] == [("backend_closed", "daemon gone")]


@ensureDeferred
async def test_kill(start: Start, routers: Any) -> None:
    """The router's connection is reset, and the cached reply forgotten."""
    one = start()
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    tunnel.events.closed("KILL", abort=True)
    with pytest.raises(ConnectionResetError):
        await read_all(router)
    assert one.backend.forgotten == ["127.0.0.10"]
    assert one.service.table.history()[0].cause == "session_reset"


@ensureDeferred
async def test_a_reset_of_the_router(start: Start, routers: Any) -> None:
    """It is told apart from an orderly end."""
    one = start()
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    router.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    router.close()
    await one.until(lambda: tunnel.closed)
    assert [ended.cause for ended in one.service.table.history()] == ["router_lost"]


@ensureDeferred
async def test_an_unknown_router(start: Start, routers: Any) -> None:
    """Looked up, told so, closed; then on the deny list, and closed without a question."""
    one = start(RecordingBackend(replies={"127.0.0.66": unknown_device("127.0.0.66")}))
    assert await read_all(routers(one, "127.0.0.66", open_message())) == REJECTED
    for _ in range(3):
        connection = routers(one, "127.0.0.66")
        assert await read_all(connection) == b""
    assert one.backend.asked == ["127.0.0.66"]
    (entry,) = one.service.denied.status(one.reactor.seconds())
    assert (entry.device_ip, 1195 <= entry.ttl_seconds <= 1200, entry.refused) == ("127.0.0.66", True, 3)
    await one.until(lambda: one.service.pending == 0)
    assert (one.service.counts.refused["unknown"], one.service.counts.refused["denied"]) == (1, 3)
    assert balanced(one)


@ensureDeferred
async def test_pushed_block_and_welcome(start: Start, routers: Any) -> None:
    """A block ends the running session; a later reply lets the router in again at once."""
    one = start()
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    one.backend.push(unknown_device("127.0.0.10"))
    assert await read_all(router) == REJECTED
    assert tunnel.closed == "the backend has blocked this router"
    assert await read_all(routers(one)) == b""
    one.backend.push(known_device("127.0.0.10"))
    routers(one, data=open_message())
    await one.tunnel(1)
    assert balanced(one)


@ensureDeferred
async def test_no_answer(start: Start, routers: Any) -> None:
    """A router waits so long and no longer; a backend that cannot be asked is a reason of its own."""
    silent: Deferred[Parameters] = Deferred()
    away = BackendUnavailable("the control stream is down")
    one = start(RecordingBackend(replies={"127.0.0.11": silent, "127.0.0.12": away}), wait_seconds=0.5)
    assert await read_all(routers(one, "127.0.0.11", open_message())) == b""
    assert await read_all(routers(one, "127.0.0.12", open_message())) == b""
    await one.until(lambda: one.service.pending == 0)
    refused = one.service.counts.refused
    assert (refused["timeout"], refused["unavailable"], one.backend.tunnels) == (1, 1, [])
    assert balanced(one)


@ensureDeferred
async def test_a_router_that_leaves_while_the_backend_thinks(start: Start, routers: Any) -> None:
    """Its place is free at once, and no tunnel is opened."""
    answer: Deferred[Parameters] = Deferred(lambda _: None)
    one = start(RecordingBackend(replies={"127.0.0.11": answer}))
    router = routers(one, "127.0.0.11", open_message())
    await one.until(lambda: one.backend.asked)
    router.close()
    await one.until(lambda: one.service.pending == 0)
    assert (one.lookups.pending, one.service.counts.refused["gone"], one.backend.tunnels) == (0, 1, [])


@ensureDeferred
async def test_sixty_five_strangers(start: Start, routers: Any) -> None:
    """64 wait, the next one is closed; a router that had a session before still gets in, within seconds."""
    one = start()
    first = routers(one, data=open_message())
    await one.tunnel()
    first.close()
    await one.until(lambda: not len(one.service.table))
    for number in range(64):
        address = f"127.0.2.{number + 1}"
        one.backend.replies[address] = Deferred()
        routers(one, address)
    await one.until(lambda: one.service.pending == 64)
    assert await read_all(routers(one, "127.0.3.1")) == b""
    assert one.service.counts.refused["no_room"] == 1
    routers(one, data=open_message())
    await one.tunnel(1)
    assert one.service.counts.refused["no_room"] == 2
    assert one.service.pending <= 64
    assert balanced(one)


@ensureDeferred
async def test_routers_whose_answer_is_cached_do_not_queue(start: Start, routers: Any) -> None:
    """Thirty routers that come back after a flap are there at once: only questions are paced."""
    one = start()
    one.backend.cache = {f"127.0.2.{number}": known_device(f"127.0.2.{number}") for number in range(1, 31)}
    began = time.monotonic()
    for address in one.backend.cache:
        routers(one, address, open_message())
    await one.tunnel(29)
    assert (one.backend.asked, time.monotonic() - began < 3) == ([], True)


@ensureDeferred
async def test_a_second_connection_of_a_living_router(start: Start, routers: Any) -> None:
    """The oldest is kept; the second one is closed after a probe."""
    one = start(probe_seconds=0.5)
    routers(one, data=open_message())
    tunnel = await one.tunnel()
    assert await read_all(routers(one, data=open_message())) == b""
    assert (tunnel.closed, one.service.counts.refused["dup"], len(one.service.table)) == (None, 1, 1)


@ensureDeferred
async def test_a_second_connection_of_a_router_that_was_reborn(start: Start, routers: Any) -> None:
    """A first connection that ends during the probe makes room for the second at once."""
    one = start()
    old = routers(one, data=open_message())
    await one.tunnel()
    routers(one, data=open_message())
    await one.until(lambda: len(one.backend.asked) == 2)
    await deferLater(one.reactor, 0.1)
    assert one.service.pending == 1
    began = time.monotonic()
    old.close()
    tunnel = await one.tunnel(1)
    await one.until(lambda: tunnel.written == open_message())
    assert (len(one.service.table), time.monotonic() - began < 3) == (1, True)


@ensureDeferred
async def test_two_routers_behind_one_address(start: Start, routers: Any) -> None:
    """Another BGP identifier is another router: both have a session, up to a bound."""
    one = start(max_sessions_of_one_address=2)
    for number in (1, 2):
        routers(one, data=open_message(router_id=f"10.1.0.{number}"))
        await one.tunnel(number - 1)
    assert await read_all(routers(one, data=open_message(router_id="10.1.0.3"))) == b""
    assert (len(one.service.table), one.service.counts.refused["limit"]) == (2, 1)
    assert {t.connection.session_id for t in one.backend.tunnels} == {
        s.connection.session_id for s in one.service.table
    }


@ensureDeferred
async def test_not_bgp(start: Start, routers: Any) -> None:
    """A browser gets a NOTIFICATION and the door."""
    one = start(RecordingBackend(replies={"127.0.0.10": Deferred()}))
    answer = await read_all(routers(one, data=b"GET / HTTP/1.1\r\nHost: router\r\n\r\n"))
    assert answer == b"\xff" * 16 + b"\x00\x15\x03\x01\x01"
    assert (one.service.counts.refused["bgp_frame"], one.backend.tunnels) == (1, [])


@attrs.define
class Signatures:
    """Refuses everybody, and notes on which socket."""

    asked: list[tuple[str, int]] = attrs.Factory(list)
    options: dict[str, int] = attrs.Factory(dict)

    def refusal(self, sock: socket.socket, device_ip: str, parameters: Parameters) -> str:
        """As TCP MD5 does."""
        self.asked.append((device_ip, sock.getpeername()[1]))
        for name in ("TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"):
            self.options[name] = sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
        self.options["SO_KEEPALIVE"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        return "no key: the router does not sign"


@ensureDeferred
async def test_signature_check(start: Start, routers: Any) -> None:
    """It sees the accepted socket, and its word counts."""
    signatures = Signatures()
    one = start(signatures=signatures)
    router = routers(one, data=open_message())
    assert await read_all(router) == b""
    assert signatures.asked == [("127.0.0.10", router.getsockname()[1])]
    assert one.service.counts.refused["md5"] == 1


@ensureDeferred
async def test_socket_options(start: Start, routers: Any) -> None:
    """Small updates wait for nothing; a router that vanished is noticed within a minute of silence."""
    signatures = Signatures()
    await read_all(routers(start(signatures=signatures), data=open_message()))
    options = signatures.options
    assert (options["TCP_NODELAY"], options["SO_KEEPALIVE"]) == (1, 1)
    assert options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"] == 60


@ensureDeferred
async def test_a_key_without_support_for_signatures(start: Start, routers: Any) -> None:
    """A router whose sessions are to be signed does not get in unsigned."""
    signed = attrs.evolve(known_device("127.0.0.10"), tcp_md5=b"key")
    one = start(RecordingBackend(replies={"127.0.0.10": signed}))
    assert await read_all(routers(one, data=open_message())) == b""
    assert (one.service.counts.refused["md5"], one.backend.tunnels) == (1, [])


HEADER_V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 41000 179\r\n"
HEADER_V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24"
    + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 41000, 179)
)


@pytest.mark.parametrize(
    ("header", "device", "proxy"), [(HEADER_V1, "192.0.2.7", "198.51.100.1"), (HEADER_V2, "2001:db8::7", "2001:db8::1")]
)
@ensureDeferred
async def test_proxy_protocol(start: Start, routers: Any, header: bytes, device: str, proxy: str) -> None:
    """The addresses are those of the header, version 1 or 2, and the router's bytes begin behind it."""
    one = start(proxies="127.0.0.0/24")
    routers(one, data=header + open_message())
    tunnel = await one.tunnel()
    place = tunnel.connection
    assert (place.device_ip, place.device_port, place.proxy_ip, place.proxy_port) == (device, 41000, proxy, 179)
    await one.until(lambda: tunnel.written == open_message())


@pytest.mark.parametrize(
    "data",
    [
        open_message(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 x y\r\n" + open_message(),
        b"PROXY TCP4 router proxy 1 179\r\n" + open_message(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x99\x00\x0c" + bytes(12) + open_message(),
    ],
)
@ensureDeferred
async def test_bad_proxy_headers(start: Start, routers: Any, data: bytes) -> None:
    """A listed proxy that sends none, or a bad one, is cut off, and nobody is asked."""
    one = start(proxies="127.0.0.0/24")
    router = routers(one, data=data)
    with suppress(ConnectionResetError):  # it is closed with bytes unread
        assert await read_all(router) == b""
    assert (one.backend.asked, one.backend.tunnels) == ([], [])
    assert balanced(one)


@ensureDeferred
async def test_a_header_of_somebody_else_is_no_bgp(start: Start, routers: Any) -> None:
    """Only listed networks may say for whom they speak."""
    one = start(proxies="127.0.9.0/24")
    routers(one, data=HEADER_V1 + open_message())
    counts = one.service.counts
    await one.until(lambda: counts.refused["bgp_frame"] + counts.ended["bgp_frame"] == 1)


@ensureDeferred
async def test_stop(start: Start, routers: Any) -> None:
    """Sessions end with their reason, those who wait too, and the address is free."""
    one = start(RecordingBackend(replies={"127.0.0.11": Deferred()}))
    router = routers(one, data=open_message())
    tunnel = await one.tunnel()
    routers(one, "127.0.0.11")
    await one.until(lambda: one.service.pending == 1)
    port = one.port
    await one.stop()
    assert (tunnel.closed, await read_all(router)) == ("kbgp is stopping", b"")
    counts = one.service.counts
    assert (counts.ended["shutdown"], counts.refused["shutdown"]) == (1, 1)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@ensureDeferred
async def test_both_families_on_one_port(start: Start, routers: Any) -> None:
    """0.0.0.0 and [::] with the same port, as by default; IPv4 routers keep their plain address."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))  # noqa: S104
        port = probe.getsockname()[1]
    one = start(listen=(ListenAddress("0.0.0.0", port), ListenAddress("::", port)))  # noqa: S104
    routers(one, "127.0.0.10", open_message(), port=port)
    routers(one, "::1", open_message(), port=port)
    await one.tunnel(1)
    assert {tunnel.connection.device_ip for tunnel in one.backend.tunnels} == {"127.0.0.10", "::1"}


@ensureDeferred
async def test_a_lone_v6_listener_takes_both(start: Start, routers: Any) -> None:
    """[::] alone is dual-stack; a mapped address is shown as IPv4."""
    one = start(listen=(ListenAddress("::", 0),))
    routers(one, "127.0.0.10", open_message())
    assert (await one.tunnel()).connection.device_ip == "127.0.0.10"


@pytest.mark.parametrize(("host", "expected"), [("192.0.2.77", CannotListenError), ("fe80::1%nosuch0", ConfigError)])
def test_addresses_that_cannot_be_had(host: str, expected: type[Exception]) -> None:
    """One error, and nothing stays open."""
    with pytest.raises(expected):
        edge(listen=(ListenAddress("127.0.0.1", 0), ListenAddress(host, 0)))
