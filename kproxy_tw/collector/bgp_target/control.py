"""One agent's Control stream: questions answered, heartbeats echoed, news sent unasked. Pure: the stream is given."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from kproxy_tw.bgp.metadata import Caller
from kproxy_tw.bgp.proto.ktbgp_pb2 import CONTROL_ACTION_KEEPALIVE, ControlRequest, ControlResponse
from kproxy_tw.collector.bgp_target.peers import PeerList
from kproxy_tw.collector.bgp_target.replies import Told

QUESTIONS_PER_SECOND = 100.0
"""An agent asks five times a second at most; faster ones wait, and so does what they send behind."""

MAX_TEXT = 256
"""Characters of a text in a question; a longer one ends the stream."""

TEXTS = ("proto", "device_ip", "proxy_ip")


class ControlStream(Protocol):
    """A Control stream. Its methods raise :exc:`~kproxy_tw.collector.bgp_target.stream.StreamBroken`."""

    async def read(self) -> ControlRequest | None:
        """The next message of the agent; ``None`` when it has half-closed the stream."""

    async def write(self, response: ControlResponse) -> None:
        """Send a message; returns when there is room for the next one."""


class Control:
    """Serves one Control stream.

    :param caller: the agent.
    :param told: what it knows.
    :param peers: the device list as it is.
    :param since: when it came, seconds since 1970.
    :ivar questions: how many it has asked.
    :ivar heartbeats: how many of its heartbeats were echoed.
    :ivar pushed: what it was told unasked.
    """

    def __init__(self, stream: ControlStream, *, caller: Caller, told: Told, peers: PeerList, since: float) -> None:
        self.caller = caller
        self.since = since
        self.questions = 0
        self.heartbeats = 0
        self.pushed = 0
        self._stream = stream
        self._told = told
        self._peers = peers
        self._waiting: deque[ControlResponse] = deque()
        self._changed = asyncio.Event()
        self._outdated = True
        self._closing = False

    def changed(self, peers: PeerList) -> None:
        """Another device list counts from now on."""
        self._peers = peers
        self._outdated = True
        self._changed.set()

    def close(self) -> None:
        """End the stream after what waits to be written."""
        self._closing = True
        self._changed.set()

    async def serve(self) -> None:
        """Serve until the agent half-closes the stream, or it breaks."""
        self._changed.set()
        writing = asyncio.ensure_future(self._write())
        reading = asyncio.ensure_future(self._read())
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                reading.result()
                self.close()
            await writing
        finally:
            writing.cancel()
            reading.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)

    async def _read(self) -> None:
        while (request := await self._stream.read()) is not None:
            if any(len(getattr(request, name)) > MAX_TEXT for name in TEXTS):
                return
            if request.action == CONTROL_ACTION_KEEPALIVE:
                self.heartbeats += 1
                answer = ControlResponse(proto=request.proto, device_ip=request.device_ip, action=request.action)
            else:
                self.questions += 1
                answer = self._told.answer(request, self._peers)
            self._waiting.append(answer)
            self._changed.set()
            await asyncio.sleep(1 / QUESTIONS_PER_SECOND)

    async def _write(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                await self._stream.write(self._waiting.popleft())
            if self._closing:
                return
            if self._outdated:
                await self._write_news()

    async def _write_news(self) -> None:
        self._outdated = False
        for answer in self._told.news(self._peers):
            await self._stream.write(answer)
            self.pushed += 1
            if self._outdated or self._waiting:
                self._outdated = True
                self._changed.set()
                return
