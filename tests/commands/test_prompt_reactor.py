"""The daemons' reactor: a write leaves at once, one without room waits for it, and a reader hears of everything."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

from twisted.internet import reactor
from twisted.internet.abstract import FileDescriptor
from twisted.internet.fdesc import readFromFD, setNonBlocking, writeToFD
from twisted.internet.task import deferLater

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.commands.prompt_reactor import PromptReactor

TURN = 0.01
BIG = 5_000_000
"""More than any socket's buffer holds."""


class Line(FileDescriptor):
    """One end of a socket pair, as Twisted's transports are built."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__(reactor)
        self._end = end
        self.connected = True
        self.attempts = 0
        self.heard = b""
        setNonBlocking(end)

    def fileno(self) -> int:
        """Of the socket."""
        return self._end.fileno()

    def doRead(self) -> Any:
        """Take what has come."""
        return readFromFD(self.fileno(), self._hear)

    def writeSomeData(self, data: bytes) -> Any:  # noqa: N802 - Twisted's name
        """Write as much as there is room for."""
        self.attempts += 1
        return writeToFD(self.fileno(), data)

    def _hear(self, data: bytes) -> None:
        self.heard += data


@pytest.fixture
def lines() -> Iterator[tuple[Line, Line]]:
    """Both ends."""
    first, second = (Line(end) for end in socket.socketpair())
    yield first, second
    for line in (first, second):
        line.stopReading()
        line.stopWriting()
        line._end.close()


@ensureDeferred
async def test_a_write_leaves_at_once(lines: tuple[Line, Line]) -> None:
    """In the next turn, in one attempt, together with what was written beside it; nobody waits for room then."""
    first, second = lines
    assert isinstance(reactor, PromptReactor)
    first.write(b"one ")
    first.write(b"two")
    assert first in reactor.getWriters()
    await deferLater(reactor, 0)
    assert second._end.recv(100) == b"one two"
    assert first.attempts == 1
    assert first not in reactor.getWriters()


@ensureDeferred
async def test_a_write_without_room_waits_for_it(lines: tuple[Line, Line]) -> None:
    """All of it arrives, and nobody tries without end in the meantime."""
    first, second = lines
    first.write(bytes(BIG))
    await deferLater(reactor, 20 * TURN)
    assert first in reactor.getWriters()
    assert first.attempts <= 3
    second.startReading()
    while len(second.heard) < BIG:
        await deferLater(reactor, TURN)
    assert first not in reactor.getWriters()


@ensureDeferred
async def test_who_no_longer_writes_is_left_alone(lines: tuple[Line, Line]) -> None:
    """A write that is withdrawn in the same turn does not happen."""
    first, _second = lines
    first.write(b"late")
    first.stopWriting()
    await deferLater(reactor, TURN)
    assert first.attempts == 0


@ensureDeferred
async def test_a_file_can_be_read() -> None:
    """No selector watches ordinary files; they are always ready."""
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        line = Line(socket.socket())
        line._end.close()
        line.fileno = file.fileno  # type: ignore[method-assign]
        line.startReading()
        while line.heard != b"content":
            await deferLater(reactor, TURN)
        line.stopReading()


@ensureDeferred
async def test_calls_that_are_put_off_in_a_call_come_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked for in one turn, so that the loop's timer is set once, after all of them."""
    loop = asyncio.get_event_loop()
    timers: list[float] = []
    came: list[str] = []
    set_timer = loop.call_at

    def call_at(at: float, *rest: Any) -> asyncio.TimerHandle:
        timers.append(at)
        return set_timer(at, *rest)

    monkeypatch.setattr(loop, "call_at", call_at)

    def due() -> None:
        before = len(timers)
        for delay, name in ((3 * TURN, "third"), (0, "first"), (TURN, "second")):
            reactor.callLater(delay, came.append, name)
        assert len(timers) == before

    await deferLater(reactor, 0, due)
    await deferLater(reactor, 2 * TURN)
    assert came == ["first", "second"]
    await deferLater(reactor, 2 * TURN)
    assert came == ["first", "second", "third"]


@ensureDeferred
async def test_a_call_that_is_moved_ahead_in_a_call_comes_then() -> None:
    """Moving sets the timer, and what is put off behind it does not take it back."""
    came: list[str] = []
    late = reactor.callLater(60, came.append, "moved")

    def due() -> None:
        late.reset(TURN)
        reactor.callLater(50, came.append, "never").cancel()

    await deferLater(reactor, 0, due)
    await deferLater(reactor, 2 * TURN)
    assert came == ["moved"]
