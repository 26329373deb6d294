"""One Data stream of a session: the counts at its start, bytes both ways, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs
import grpc.aio

from kproxy_tw.bgp.metadata import Counts, Metadata, counts_of
from kproxy_tw.bgp.outbox import Outbox
from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.bgp.reasons import TRANSIENT, explain
from kproxy_tw.bgp.replay import Exchange, Gap
from kproxy_tw.bgp.upstream.calls import answered
from kproxy_tw.bgp.upstream.pump import HALF_CLOSE, Pump
from kproxy_tw.errors import MalformedInput

KILL_SECONDS = 2.0
"""So long we try to tell the server of a gap."""


class Outcome(Enum):
    """What becomes of a session whose stream has ended."""

    BROKEN = "resume it"
    RESTART = "resume it at once"
    CLOSED = "the backend closed it"
    KILLED = "it must not go on"


@attrs.frozen
class Ending:
    """How a stream ended, and why in words."""

    outcome: Outcome
    reason: str


class DataStream:
    """Speaks for a session on one call.

    :param call: just made, nothing read or written.
    :param exchange: the session's counts; its stream before this one has ended.
    :param outbox: what is to be written.
    :param deliver: takes the backend's bytes; gives a future to wait for before more is read, or ``None``.
    :param taken: told whenever bytes have left the outbox.
    """

    def __init__(
        self,
        call: Any,
        *,
        target: str,
        exchange: Exchange,
        outbox: Outbox,
        deliver: Callable[[bytes], asyncio.Future[None] | None],
        taken: Callable[[], None],
        seconds: Callable[[], float],
    ) -> None:
        self._call = call
        self._target = target
        self._exchange = exchange
        self._outbox = outbox
        self._deliver = deliver
        self._taken = taken
        self._seconds = seconds
        self._pump = Pump(call, self._next)
        self._may_write = False
        self._closing = False
        self._restarting = False

    def flush(self) -> None:
        """The outbox has something."""
        if self._may_write:
            self._pump.wake()

    def half_close(self) -> None:
        """Write what the outbox has, and nothing after it."""
        self._closing = True
        self.flush()

    async def run(self, opened: Callable[[Metadata], None], *, first: bool, answer_seconds: float) -> Ending:
        """Speak until the stream ends, whoever ends it. The call is over then, and nothing is being written.

        :param opened: called when the server has answered and the counts fit.
        :param first: the session's first stream: bytes are sent before the server has answered.
        :param answer_seconds: so long the server has for that.
        """
        if first:
            self._start_writing()
        try:
            ending = await self._answered(opened, first, answer_seconds)
            return ending or await self._read(answer_seconds)
        except grpc.aio.AioRpcError as error:
            return self._ended(error.code(), error.details())
        finally:
            await self._pump.stop()
            self._call.cancel()

    def _start_writing(self) -> None:
        self._may_write = True
        self._pump.wake()

    async def _answered(self, opened: Callable[[Metadata], None], first: bool, seconds: float) -> Ending | None:
        """Wait for the server's metadata and compare the counts; an ending if the session cannot go on."""
        try:
            metadata = await answered(self._call, seconds)
            if metadata is None:
                return self._ended(await self._call.code(), await self._call.details())
            self._compare(counts_of(metadata), first)
        except TimeoutError:
            return Ending(Outcome.BROKEN, f"{self._target} did not answer within {seconds:g} s")
        except (Gap, MalformedInput) as error:
            await self._kill()
            return Ending(Outcome.KILLED, f"the session could not be resumed: {error}")
        opened(metadata)
        self._start_writing()
        return None

    def _compare(self, counts: Counts | None, first: bool) -> None:
        if first:
            if counts not in (None, Counts()):
                raise Gap(f"the other end begins a new session with counts {counts}")
        elif counts is None:
            raise Gap("the other end tells no counts")
        else:
            self._outbox.repeat(self._exchange.resume(peer_sent=counts.down, peer_received=counts.up))

    async def _kill(self) -> None:
        try:
            async with asyncio.timeout(KILL_SECONDS):
                await self._pump.stop()
                await self._call.write(ktbgp_pb2.DataRequest(action=ktbgp_pb2.DATA_ACTION_KILL))
                await self._call.done_writing()
        except (TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the server has found out itself, or will by the counts

    async def _read(self, restart_seconds: float) -> Ending:
        while (response := await self._call.read()) is not grpc.aio.EOF:
            if response.action == ktbgp_pb2.DATA_ACTION_KILL:
                return Ending(Outcome.KILLED, "the backend asked to abort the session")
            self._exchange.received += 1
            if len(response.data):
                wait = self._deliver(b"".join(response.data))
                if wait is not None:
                    await wait
            if response.action == ktbgp_pb2.DATA_ACTION_RESTART and not self._restarting:
                return await self._restart(restart_seconds)
        if self._restarting:
            return Ending(Outcome.RESTART, "the backend asked for a new stream")
        return self._ended(await self._call.code(), await self._call.details())

    async def _restart(self, seconds: float) -> Ending:
        """Say RESTART after what is being written, and wait for the end of the stream."""
        self._restarting = True
        self.flush()
        try:
            async with asyncio.timeout(seconds):
                return await self._read(seconds)
        except TimeoutError:
            return Ending(Outcome.BROKEN, f"{self._target} did not end the stream that it wanted to restart")

    def _next(self) -> object | None:
        """Give the pump what is to be written next. What is new gets its number here."""
        repeated = self._outbox.next_repeated()
        if repeated is not None:
            return ktbgp_pb2.DataRequest(data=repeated)
        if self._restarting:
            return self._next_of_restart()
        chunks = self._outbox.next_new()
        if chunks:
            self._exchange.out.append(chunks, self._seconds())
            self._taken()
            return ktbgp_pb2.DataRequest(data=chunks)
        return HALF_CLOSE if self._closing else None

    def _next_of_restart(self) -> object:
        if not self._may_write:
            return HALF_CLOSE
        self._may_write = False
        self._exchange.out.append((), self._seconds())
        return ktbgp_pb2.DataRequest(action=ktbgp_pb2.DATA_ACTION_RESTART)

    def _ended(self, code: Any, details: str | None) -> Ending:
        if code.name == "OK":
            return Ending(Outcome.CLOSED, "the backend closed the session")
        outcome = Outcome.BROKEN if code.name in TRANSIENT else Outcome.CLOSED
        return Ending(outcome, explain(code.name, details, self._target))
