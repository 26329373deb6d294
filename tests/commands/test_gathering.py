"""The loop that gathers events: what comes together is taken together, and nothing is forgotten on the way."""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred

import grpc.aio
import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.commands import gathering
from kproxy_tw.commands.gathering import GatheringLoop, GatheringSelector, all_at_once

ENOUGH = gathering.LEAST_EVENTS
LONG_SECONDS = 60.0
"""A select that waits for this does not come back in time for any test."""

CALLS = 1000

Ends = list[tuple[socket.socket, socket.socket]]


@pytest.fixture
def pairs() -> Iterator[Ends]:
    """Socket pairs, enough to be worth a wait."""
    ends = [socket.socketpair() for _ in range(ENOUGH)]
    yield ends
    for end in (end for pair in ends for end in pair):
        end.close()


@pytest.fixture
def selector(pairs: Ends) -> Iterator[GatheringSelector]:
    """One that gathers, and watches one end of each pair."""
    selector = GatheringSelector()
    selector.gathers = True
    for watched, _other in pairs:
        selector.register(watched, selectors.EVENT_READ)
    yield selector
    selector.close()


def test_what_comes_in_the_wait_is_taken_together(
    selector: GatheringSelector, pairs: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look waits, although something is there at once, and finds what came meanwhile."""

    def meanwhile(seconds: float) -> None:
        waits.append(seconds)
        for _watched, other in pairs[1:]:
            other.send(b"x")

    waits: list[float] = []
    monkeypatch.setattr(gathering, "GATHER_SECONDS", LONG_SECONDS)
    pairs[0][1].send(b"x")
    assert len(selector.select()) == 1
    monkeypatch.setattr(time, "sleep", meanwhile)
    assert len(selector.select()) == len(pairs)
    assert waits == [pytest.approx(LONG_SECONDS, abs=5)]


def test_the_look_after_it_comes_soon(
    selector: GatheringSelector, pairs: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long and short waits take turns."""
    waits: list[float] = []
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 2 * LONG_SECONDS)
    monkeypatch.setattr(gathering, "ECHO_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(time, "sleep", waits.append)
    for _watched, other in pairs:
        other.send(b"x")
    for _look in range(4):
        assert len(selector.select()) == len(pairs)
    assert [round(wait / LONG_SECONDS) for wait in waits] == [2, 1, 2]


def test_a_wait_in_vain_is_not_repeated(
    selector: GatheringSelector, pairs: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event at a time is not worth it."""
    waits: list[float] = []
    monkeypatch.setattr(gathering, "GATHER_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(gathering, "REST_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(time, "sleep", waits.append)
    pairs[0][1].send(b"x")
    for _look in range(5):
        assert len(selector.select()) == 1
    assert len(waits) == 1


def test_nobody_waits_while_there_is_other_work(
    selector: GatheringSelector, pairs: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop with something to do gives no timeout; one with a timer does not oversleep."""
    waits: list[float] = []
    monkeypatch.setattr(gathering, "GATHER_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(time, "sleep", waits.append)
    pairs[0][1].send(b"x")
    selector.select()
    assert len(selector.select(0)) == 1
    assert waits == []
    assert len(selector.select(0.25)) == 1
    assert waits == [0.25]


def test_who_waits_in_vain_goes_on_waiting(selector: GatheringSelector, pairs: Ends) -> None:
    """Nothing came while it gathered: the rest of the timeout is waited for as usual."""
    pairs[0][1].send(b"x")
    selector.select()
    pairs[0][0].recv(1)
    began = time.monotonic()
    assert selector.select(0.05) == []
    assert time.monotonic() - began > 0.04


def test_wake_ups_are_handled_as_one() -> None:
    """A hundred bytes, one call, and none is left; a handler that reads one byte finds one."""
    reading, writing = socket.socketpair()
    calls: list[bytes] = []
    with reading, writing:
        reading.setblocking(False)
        handle = all_at_once(reading, lambda: calls.append(reading.recv(1)))
        for _wakeup in range(100):
            writing.send(b"1")
        handle()
        writing.send(b"2")
        handle()
        assert calls == [b"1", b"2"]
        with pytest.raises(BlockingIOError):
            reading.recv(1)


@ensureDeferred
async def test_grpc_is_recognised() -> None:
    """With this gRPC the loop begins to gather, and more calls at once than its wake-ups hold are answered."""
    assert await Deferred.fromFuture(asyncio.ensure_future(_echo(CALLS))) == [b"%d" % call for call in range(CALLS)]
    loop = asyncio.get_event_loop()
    assert isinstance(loop, GatheringLoop)
    assert loop._gathering.gathers


async def _echo(count: int) -> list[bytes]:
    async def call(request: bytes, _context: object) -> bytes:
        return request

    server = grpc.aio.server()
    method: Any = grpc.unary_unary_rpc_method_handler(call)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Call": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask: Any = channel.unary_unary("/test.Echo/Call")
        answers = await asyncio.gather(*(ask(b"%d" % number) for number in range(count)))
    await server.stop(None)
    return list(answers)
