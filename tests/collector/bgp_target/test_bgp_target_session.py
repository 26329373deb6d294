"""A session with a played stream, a played daemon and a clock that is set by hand."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

import pytest

from kproxy_tw.bgp.interfaces import Connection
from kproxy_tw.bgp.metadata import Caller, Counts
from kproxy_tw.bgp.metadata import Opening as StreamOpening
from kproxy_tw.bgp.opening import Opening
from kproxy_tw.bgp.proto.ktbgp_pb2 import DATA_ACTION_KILL, DataRequest, DataResponse
from kproxy_tw.collector.bgp_target import tenants
from kproxy_tw.collector.bgp_target.cease import Cease, cease
from kproxy_tw.collector.bgp_target.downward import HIGH_BYTES
from kproxy_tw.collector.bgp_target.peers import PeerList
from kproxy_tw.collector.bgp_target.session import Outcome, Rejected, Session
from kproxy_tw.collector.bgp_target.stream import StreamBroken
from kproxy_tw.collector.bgp_target.tenants import Tenant
from kproxy_tw.collector.devices import make_device
from tests.collector.bgp_target.target import KEEPALIVE, bgp_open, device

PEER = PeerList([make_device(device(1, "192.0.2.1"))]).find("192.0.2.1")
EXTENDED = b"\x02\x02\x06\x00"
"""Optional parameter: capability 6, extended message (RFC 8654)."""


class PlayedStream:
    """A Data stream whose agent is the test."""

    def __init__(self) -> None:
        self.opened: Counts | None = None
        self.written: list[DataResponse] = []
        self.requests: asyncio.Queue[DataRequest | Exception | None] = asyncio.Queue()
        self.room = asyncio.Event()
        self.room.set()

    async def open(self, counts: Counts) -> None:
        """Note the counters."""
        self.opened = counts

    async def read(self) -> DataRequest | None:
        """What the test sends; an exception is raised."""
        request = await self.requests.get()
        if isinstance(request, Exception):
            raise request
        return request

    async def write(self, response: DataResponse) -> None:
        """Note the message, when there is room."""
        await self.room.wait()
        self.written.append(response)

    def data(self, *chunks: bytes) -> None:
        """Send bytes of the router."""
        self.requests.put_nowait(DataRequest(data=chunks))

    def cut(self) -> None:
        """Lose the stream."""
        self.requests.put_nowait(StreamBroken("cut"))

    @property
    def bytes(self) -> bytes:
        """All bytes for the router."""
        return b"".join(chunk for message in self.written for chunk in message.data)


class PlayedDaemon:
    """The daemon's connection, written down."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.end = ""

    def write(self, data: bytes) -> None:
        """Note bytes."""
        self.written += data

    def read(self, wanted: bool) -> None:
        """Note whether it is read."""
        self.reading = wanted

    def close(self) -> None:
        """Note the orderly end."""
        self.end = self.end or "closed"

    def abort(self) -> None:
        """Note the reset."""
        self.end = self.end or "aborted"


class Scene:
    """One session and what is around it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.tenant = Tenant("agent@example.com")
        self.daemon = PlayedDaemon()
        self.openings: list[Opening | None] = []
        self.told: list[str] = []
        self.refusal: Exception | None = None
        connection = Connection(
            session_id="s", device_ip="192.0.2.1", device_port=1, proxy_ip="192.0.2.2", proxy_port=179
        )
        caller = Caller(email="agent@example.com", token="t")
        assert PEER is not None
        self.session = Session(
            opening=StreamOpening(caller=caller, connection=connection, counts=Counts(), extra={}),
            peer=PEER,
            tenant=self.tenant,
            connect=self._connect,
            clock=self.clock,
            tell=lambda _session, what: self.told.append(what),
        )

    async def _connect(self, _session: Session, opening: Opening | None) -> PlayedDaemon:
        self.openings.append(opening)
        if self.refusal is not None:
            raise self.refusal
        return self.daemon

    def carry(self, up: int = 0, down: int = 0) -> tuple[PlayedStream, asyncio.Task[Outcome]]:
        """Begin another stream."""
        stream = PlayedStream()
        return stream, asyncio.ensure_future(self.session.carry(stream, Counts(up, down)))

    async def established(self) -> tuple[PlayedStream, asyncio.Task[Outcome]]:
        """A stream on which both OPENs have passed."""
        stream, carrying = self.carry()
        stream.data(bgp_open(hold=30))
        await settle()
        self.session.from_daemon(bgp_open(hold=60))
        await settle()
        assert (self.daemon.written, stream.bytes) == (bgp_open(hold=30), bgp_open(hold=60))
        return stream, carrying


async def settle() -> None:
    """Let all tasks come to rest."""
    for _ in range(20):
        await asyncio.sleep(0)


def on_loop(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Deferred[None]]:
    """Run a test on the reactor's loop, as gRPC runs what it calls."""

    @functools.wraps(story)
    def run(*arguments: Any, **named: Any) -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(asyncio.wait_for(story(*arguments, **named), 10)))

    return run


@pytest.fixture
def scene() -> Scene:
    """One session and what is around it."""
    return Scene()


@on_loop
async def test_the_window_is_fifteen_seconds_and_the_hold_time(scene: Scene) -> None:
    """The smaller hold time of both OPENs counts: after 45 s without a stream it is over, and not before."""
    stream, carrying = await scene.established()
    stream.cut()
    assert await carrying is Outcome.BROKEN
    scene.clock.advance(44.9)
    assert (scene.session.over, scene.daemon.end) == (False, "")
    scene.clock.advance(0.2)
    assert (scene.session.over, scene.daemon.end) == (True, "aborted")
    assert scene.told[-1] == "ended: its stream did not come back in time"
    assert scene.tenant.held == 0


@on_loop
async def test_a_stream_in_time_stops_the_window(scene: Scene) -> None:
    """The session goes on, however long then."""
    stream, carrying = await scene.established()
    stream.cut()
    await carrying
    scene.clock.advance(44)
    again, _carrying = scene.carry(1, 1)
    await settle()
    scene.clock.advance(1000)
    assert (scene.session.over, scene.session.resumes, again.opened) == (False, 1, Counts(1, 1))
    scene.session.end("test")


@on_loop
async def test_messages_keep_their_borders_over_a_resume(scene: Scene) -> None:
    """What was written and not read is written again exactly so; the counters stand in the headers."""
    stream, carrying = await scene.established()
    for number in range(3):
        scene.session.from_daemon(KEEPALIVE * (number + 1))
        await settle()
    stream.cut()
    await carrying
    scene.session.from_daemon(KEEPALIVE * 9)
    again, _carrying = scene.carry(1, 2)
    await settle()
    assert again.opened == Counts(1, 4)
    sizes = [sum(map(len, message.data)) // 19 for message in again.written]
    assert sizes == [2, 3, 9]
    scene.session.end("test")


@on_loop
async def test_a_router_that_does_not_read_stops_the_daemon(scene: Scene) -> None:
    """The daemon is read until the bound, and again when there is room; with and without a stream."""
    stream, carrying = await scene.established()
    stream.room.clear()
    while scene.daemon.reading:
        scene.session.from_daemon(KEEPALIVE * 1000)
        await settle()
        assert scene.session.held < HIGH_BYTES + 130_000
    stream.room.set()
    await settle()
    assert (scene.daemon.reading, scene.session.held) == (True, 0)
    stream.cut()
    await carrying
    while scene.daemon.reading:
        scene.session.from_daemon(KEEPALIVE * 1000)
    assert scene.session.held < HIGH_BYTES + 19_000
    scene.carry(1, len(stream.written))
    await settle()
    assert scene.daemon.reading is True
    scene.session.end("test")


@on_loop
async def test_a_daemon_that_does_not_read_stops_the_agent(scene: Scene) -> None:
    """One message is taken beyond, then none until the daemon goes on."""
    stream, _carrying = await scene.established()
    scene.session.daemon_full()
    for _ in range(5):
        stream.data(KEEPALIVE)
    await settle()
    assert (stream.requests.qsize(), scene.tenant.held) == (4, 19)
    scene.session.daemon_ready()
    await settle()
    assert (stream.requests.qsize(), scene.tenant.held) == (0, 0)
    assert scene.daemon.written.endswith(KEEPALIVE * 5)
    scene.session.end("test")


@on_loop
async def test_a_tenant_that_holds_too_much(scene: Scene) -> None:
    """A session that holds something waits for its tenant; one that holds nothing takes one more message."""
    stream, _carrying = await scene.established()
    scene.tenant.hold(tenants.MAX_HELD)
    stream.room.clear()
    scene.session.from_daemon(KEEPALIVE)
    assert scene.daemon.reading is False
    stream.room.set()
    await settle()
    assert (scene.daemon.reading, stream.bytes.endswith(KEEPALIVE)) == (True, True)
    scene.tenant.hold(-tenants.MAX_HELD)
    scene.session.end("test")


@on_loop
async def test_no_daemon(scene: Scene) -> None:
    """The router gets a Cease with the right subcode; the stream ends in order; later bytes go nowhere."""
    scene.refusal = Rejected("no daemon", Cease.OUT_OF_RESOURCES)
    stream, carrying = scene.carry()
    stream.data(bgp_open())
    assert await carrying is Outcome.OVER
    assert stream.bytes == cease(Cease.OUT_OF_RESOURCES)
    assert scene.told == ["ended: no daemon"]


@on_loop
async def test_a_daemon_that_is_gone_while_there_is_no_stream(scene: Scene) -> None:
    """The agent comes back to what the daemon said last, and to its end."""
    stream, carrying = await scene.established()
    stream.cut()
    await carrying
    scene.session.from_daemon(KEEPALIVE)
    scene.session.daemon_lost("closed the connection")
    again, carrying = scene.carry(1, 1)
    assert await carrying is Outcome.OVER
    assert again.bytes.startswith(KEEPALIVE)
    assert again.bytes[19 + 18 : 19 + 21] == b"\x03\x06\x04"


@pytest.mark.parametrize("extended", [True, False])
@on_loop
async def test_edges_of_extended_messages(scene: Scene, extended: bool) -> None:
    """Where both OPENs announce them, a message of 10,000 bytes is followed; else a KILL is safer than a guess."""
    both = bgp_open()[:17] + b"\x21" + bgp_open()[18:28] + b"\x04" + EXTENDED
    stream, carrying = scene.carry()
    stream.data(both if extended else bgp_open())
    await settle()
    scene.session.from_daemon(both)
    scene.session.from_daemon(b"\xff" * 16 + (10_000).to_bytes(2, "big") + b"\x02" + bytes(9981))
    scene.session.daemon_lost("closed the connection")
    assert await carrying is Outcome.OVER
    assert (stream.written[-1].action == DATA_ACTION_KILL) is not extended


@on_loop
async def test_all_ends_leave_nothing(scene: Scene) -> None:
    """Bytes that were held are given back to the tenant however it ends."""
    stream, carrying = await scene.established()
    stream.room.clear()
    scene.session.daemon_full()
    stream.data(bytes(1000))
    scene.session.from_daemon(KEEPALIVE)
    await settle()
    scene.session.from_daemon(KEEPALIVE)
    assert scene.tenant.held == 1019
    scene.session.end("test")
    await carrying
    assert (scene.tenant.held, scene.clock.getDelayedCalls()) == (0, [])


@on_loop
async def test_neither_open_nor_stream(scene: Scene) -> None:
    """Without both there is nothing to connect the daemon for."""
    stream, carrying = scene.carry()
    await settle()
    stream.cut()
    assert await carrying is Outcome.BROKEN
    scene.session.to_daemon.introduction.give_up()
    await settle()
    assert (scene.session.over, scene.openings) == (True, [])
