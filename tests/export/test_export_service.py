"""Exports in the background: their rhythm, and what failures do to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

import attrs
import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.errors import UpstreamError
from kproxy_tw.export.lines import WaitingLines
from kproxy_tw.export.service import ExportService, daemon_thread


@attrs.define
class Client:
    """Takes posts, or says why not."""

    posted: list[tuple[bytes, str]] = attrs.Factory(list)
    problem: str = ""
    aborted: int = 0

    def post(self, body: bytes, content_type: str) -> None:
        """Note it."""
        if self.problem:
            raise UpstreamError(self.problem)
        self.posted.append((body, content_type))

    def abort(self) -> None:
        """Count it."""
        self.aborted += 1


def made(
    client: Client, waiting: WaitingLines, offload: Callable[..., Any] = maybeDeferred
) -> tuple[Clock, ExportService]:
    """A service that exports every 10 s."""
    clock = Clock()
    service = ExportService(
        reactor=clock,
        offload=offload,
        client=client,
        kind="logs",
        url="https://example.com/logs",
        content_type="application/x-ndjson",
        every=10.0,
        take=waiting.take,
        dropped=lambda: waiting.dropped,
    )
    service.startService()
    return clock, service


def test_every_ten_seconds_what_is_there() -> None:
    """Nothing is posted when nothing waits."""
    client, waiting = Client(), WaitingLines()
    clock, service = made(client, waiting)
    clock.advance(10)
    waiting.add(b"one")
    clock.advance(10)
    clock.advance(10)
    assert client.posted == [(b"one\n", "application/x-ndjson")]
    assert (service.status().sent, service.status().failed) == (1, 0)


def test_failures_double_the_pause_and_lose_nothing() -> None:
    """10, 20, 40 seconds and so on, an hour at most; the line is there when it works again."""
    client, waiting = Client(problem="status 503"), WaitingLines()
    clock, service = made(client, waiting)
    waiting.add(b"one")
    times: list[int] = []
    for second in range(200):
        clock.advance(1)
        if service.status().failed > len(times):
            times.append(second + 1)
    assert times == [10, 30, 70, 150]
    assert service.status().last_error == "status 503"
    client.problem = ""
    clock.advance(3600)
    assert client.posted == [(b"one\n", "application/x-ndjson")]
    assert service.status().last_error == ""


def test_stopping_cuts_a_post_short() -> None:
    """The thread is told to hurry, and not waited for; what it says later is nobody's concern."""
    client, waiting = Client(), WaitingLines()
    thread: Deferred[None] = Deferred()
    clock, service = made(client, waiting, offload=lambda work: thread)
    waiting.add(b"one")
    clock.advance(10)
    service.stopService()
    assert (client.aborted, clock.getDelayedCalls()) == (1, [])
    thread.errback(UpstreamError("cut"))


@ensureDeferred
async def test_a_thread_that_nobody_waits_for() -> None:
    """Results and errors come back in the reactor's thread; the thread does not keep the process alive."""
    from twisted.internet import reactor

    seen: list[threading.Thread] = []

    def work() -> int:
        seen.append(threading.current_thread())
        if len(seen) > 1:
            raise UpstreamError("no")
        return 42

    offload = daemon_thread(reactor)
    assert await offload(work) == 42
    with pytest.raises(UpstreamError):
        await offload(work)
    assert [thread.daemon for thread in seen] == [True, True]
    assert threading.current_thread() not in seen


def test_a_post_that_hangs_is_cut() -> None:
    """After half a minute."""
    client, waiting = Client(), WaitingLines()
    clock, _service = made(client, waiting, offload=lambda work: Deferred())
    waiting.add(b"one")
    clock.advance(10)
    clock.advance(30)
    assert client.aborted == 1
