"""Server-sent events: what arrives, how many may watch, and what happens to those who do not read."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.testing.rawhttp import exchange, headers, request, status
from kproxy_tw.testing.status import FixedStatus, sample_daemon
from kproxy_tw.web.events import CPU_SHARE, PATIENCE_SECONDS, PERIOD_SECONDS, WATCHERS, Document, EventStream, Fragments
from kproxy_tw.web.service import HealthService, WebConfig


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a running health service."""
    from twisted.internet import reactor

    service = HealthService(reactor, WebConfig(port=0), FixedStatus(daemon_status=sample_daemon()))
    service.startService()
    yield service.port
    service.stopService()


def watch(port: int, events: int) -> tuple[socket.socket, bytes]:
    """Open the stream and read until so many events are there."""
    client = socket.create_connection(("127.0.0.1", port), timeout=8)
    client.sendall(request("/events").format(port=port).encode())
    seen = b""
    while seen.count(b"data: ") < events or not seen.endswith(b"\n\r\n"):
        piece = client.recv(65536)
        assert piece, seen
        seen += piece
    return client, seen


def watch_soon(port: int) -> socket.socket:
    """The same, as soon as there is room: the server notices with its next event that somebody has left."""
    for _ in range(40):
        try:
            return watch(port, 1)[0]
        except AssertionError:
            time.sleep(0.2)
    raise AssertionError("there is never room")


@ensureDeferred
async def test_the_status_document_again_and_again(port: int) -> None:
    """A client gets the document of ``/admin/status`` in each event."""
    client, seen = await deferToThread(watch, port, 2)
    client.close()
    assert headers(seen)["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in headers(seen)
    documents = [json.loads(line[6:]) for line in seen.split(b"\n") if line.startswith(b"data: ")]
    whole = await deferToThread(exchange, port, request("/admin/status").format(port=port).encode())
    assert [list(document) for document in documents] == [list(json.loads(whole.partition(b"\r\n\r\n")[2]))] * 2


@ensureDeferred
async def test_few_may_watch(port: int) -> None:
    """One client too many is refused, and finds room as soon as another one has left."""
    clients = [(await deferToThread(watch, port, 1))[0] for _ in range(WATCHERS)]
    one_more = request("/events").format(port=port).encode()
    assert status(await deferToThread(exchange, port, one_more)) == 503
    clients.pop().close()
    again = await deferToThread(watch_soon, port)
    for client in (*clients, again):
        client.close()


class Request:
    """As much of a request as the stream uses."""

    method = b"GET"

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False
        self.producer: Any = None
        self.channel = self.transport = self

    def setHeader(self, name: str, value: str) -> None:
        """Headers do not matter here."""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Keep whom to pause."""
        self.producer = producer

    def abortConnection(self) -> None:
        """The connection is cut."""
        self.aborted = True


def test_who_does_not_read_misses_events_and_is_cut_off() -> None:
    """Nothing piles up for a client that does not read; after a while its place is free for another one."""
    clock, slow, brisk = Clock(), Request(), Request()
    stream = EventStream(lambda: succeed(Document(b"{}\n")), clock)
    for client in (slow, brisk):
        stream.answer(client)
    slow.producer.pauseProducing()
    clock.pump([PERIOD_SECONDS] * 10)
    assert slow.written.count(b"data: {}\n\n") == 1
    assert brisk.written.count(b"data: {}\n\n") == 10
    slow.producer.resumeProducing()
    clock.advance(PERIOD_SECONDS)
    assert slow.written.count(b"data: {}\n\n") == 2
    slow.producer.pauseProducing()
    clock.pump([PERIOD_SECONDS] * (int(PATIENCE_SECONDS) + 1))
    assert (slow.aborted, brisk.aborted) == (True, False)


def test_without_watchers_nothing_happens() -> None:
    """Documents are made only while somebody watches, also after a break."""
    clock, made = Clock(), []

    def document() -> Deferred[Document]:
        made.append(clock.seconds())
        return succeed(Document(b"{}"))

    stream = EventStream(document, clock)
    for _ in range(2):
        watching: Any = stream.answer(Request())
        watching.addErrback(lambda _: None)
        clock.advance(PERIOD_SECONDS)
        watching.cancel()
        clock.pump([PERIOD_SECONDS] * 5)
    assert made == [0.0, 1.0, 6.0, 7.0]
    assert not clock.getDelayedCalls()


def test_fragments_are_sent_when_they_are_new() -> None:
    """A client gets each part once, and again when it changes; in between a comment, so that its end is noticed."""
    clock, client, parts = Clock(), Request(), {"live_a": "1", "live_b": "2"}
    stream = EventStream(lambda: succeed(Fragments(dict(parts))), clock)
    stream.answer(client)
    clock.advance(PERIOD_SECONDS)
    parts["live_b"] = "3"
    clock.advance(PERIOD_SECONDS)
    late = Request()
    stream.answer(late)
    clock.advance(PERIOD_SECONDS)
    told = [data for data in client.written if data.startswith(b"event: fragments")]
    assert [json.loads(data.split(b"data: ")[1]) for data in told] == [{"live_a": "1", "live_b": "2"}, {"live_b": "3"}]
    assert [json.loads(data.split(b"data: ")[1]) for data in late.written if b"data: " in data] == [parts]
    assert client.written[-1].startswith(b":")


def test_what_is_dear_to_make_is_made_less_often() -> None:
    """A page that takes 50 ms of a core is made so seldom that it stays within its share."""
    clock, made = Clock(), []

    def page() -> Deferred[Fragments]:
        made.append(clock.seconds())
        return succeed(Fragments({}, cost_seconds=0.05))

    EventStream(page, clock).answer(Request())
    clock.pump([1.0] * 100)
    assert len(made) * 0.05 / 100 <= 1.25 * CPU_SHARE
    assert len(made) > 5
