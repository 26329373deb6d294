"""One stream that carries a session: counters compared, lost messages sent again, then bytes both ways. Pure."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Any

from kproxy_tw.bgp.metadata import Counts
from kproxy_tw.bgp.proto.ktbgp_pb2 import DATA_ACTION_KILL, DATA_ACTION_RESTART, DataResponse
from kproxy_tw.bgp.replay import SETTLED_SECONDS, Chunks, Exchange, Gap
from kproxy_tw.collector.bgp_target.downward import Downward
from kproxy_tw.collector.bgp_target.stream import Stream
from kproxy_tw.collector.bgp_target.tenants import Tenant
from kproxy_tw.collector.bgp_target.to_daemon import ToDaemon

KILL = DataResponse(action=DATA_ACTION_KILL)


class Ending(enum.Enum):
    """How a stream ended that did not break."""

    CLOSED = "the router closed the connection"
    KILLED = "kbgp killed the session"
    RESTARTED = "kbgp goes on with another stream"
    FINISHED = "the router has got the last byte"


class Carriage:
    """One stream of a session.

    :param clock: Twisted's ``IReactorTime``.
    """

    def __init__(
        self, *, stream: Stream, exchange: Exchange, to_daemon: ToDaemon, downward: Downward, tenant: Tenant, clock: Any
    ) -> None:
        self._stream = stream
        self._exchange = exchange
        self._to_daemon = to_daemon
        self._downward = downward
        self._tenant = tenant
        self._clock = clock
        self._began = clock.seconds()
        self._restarting = False

    async def run(self, counts: Counts, opened: Callable[[], None]) -> Ending:
        """Carry until one side ends.

        :param counts: what the agent says it has sent and received.
        :param opened: called once both sides agree on how far they are.
        :raises Gap: they cannot agree; the agent has been told to kill the session.
        :raises StreamBroken: the stream is gone.
        :raises MalformedInput: the router does not speak BGP.
        """
        state = Counts(up=self._exchange.received, down=self._exchange.out.sent)
        await self._stream.open(state)
        try:
            again = self._exchange.resume(peer_sent=counts.up, peer_received=counts.down)
        except Gap:
            await self._stream.write(KILL)
            raise
        opened()
        down = asyncio.ensure_future(self._down(again))
        up = asyncio.ensure_future(self._up())
        try:
            await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
            return down.result() if down.done() else await self._upward_ended(up.result(), down)
        finally:
            for way in (down, up):
                way.cancel()
            await asyncio.gather(down, up, return_exceptions=True)

    async def _upward_ended(self, how: Ending, down: asyncio.Task[Ending]) -> Ending:
        if how is not Ending.RESTARTED:
            return how
        self._restarting = True
        self._downward.wake()
        return await down

    async def _up(self) -> Ending:
        while True:
            while self._tenant.full and self._to_daemon.held:
                await self._room_of_tenant()
            request = await self._stream.read()
            if request is None:
                return Ending.CLOSED
            if request.action == DATA_ACTION_KILL:
                return Ending.KILLED
            self._exchange.received += 1
            if request.action == DATA_ACTION_RESTART:
                return Ending.RESTARTED
            await self._to_daemon.feed(b"".join(request.data))

    async def _down(self, again: list[Chunks]) -> Ending:
        for chunks in again:
            await self._stream.write(DataResponse(data=chunks))
        while True:
            chunks = tuple(self._downward.take())
            if chunks:
                self._number(chunks)
                await self._stream.write(DataResponse(data=chunks))
            elif self._restarting:
                self._number(())
                await self._stream.write(DataResponse(action=DATA_ACTION_RESTART))
                return Ending.RESTARTED
            elif self._downward.ended:
                if not self._downward.clean:
                    await self._stream.write(KILL)
                return Ending.FINISHED
            else:
                await self._downward.wait()

    def _number(self, chunks: Chunks) -> None:
        now = self._clock.seconds()
        if now - self._began > SETTLED_SECONDS:
            self._exchange.out.settle(now - SETTLED_SECONDS)
        self._exchange.out.append(chunks, now)

    async def _room_of_tenant(self) -> None:
        room = asyncio.Event()
        self._tenant.when_room(room.set)
        await room.wait()
