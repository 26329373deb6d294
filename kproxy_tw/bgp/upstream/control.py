"""The control stream: kept for ever, one heartbeat a minute, questions out, replies in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs
import grpc.aio

from kproxy_tw.backoff import Uniform, full_jitter
from kproxy_tw.bgp.control import Pulse
from kproxy_tw.bgp.metadata import Caller, control_pairs
from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.bgp.reasons import explain
from kproxy_tw.bgp.upstream.calls import answered
from kproxy_tw.bgp.upstream.channels import Channels, Lane
from kproxy_tw.bgp.upstream.config import BackendConfig
from kproxy_tw.bgp.upstream.pump import Pump

MAX_QUEUED = 1024
"""Messages waiting for a server that does not read; those beyond are asked again on the next stream."""

STEADY_SECONDS = 10.0
"""A stream that broke sooner counts as one more failure in a row."""

ANSWER_SECONDS = 30.0
"""A server that has not taken the stream after this is given up."""

LOG_EVERY = 60
"""Of failures in a row, the first is logged and then one in so many."""


@attrs.frozen(kw_only=True)
class ControlParts:
    """What the control stream works with.

    :ivar seconds, wall: monotonic, and since the epoch.
    :ivar open_questions: the questions without an answer, to be asked on a new stream.
    :ivar replied: takes each reply that is no heartbeat.
    """

    config: BackendConfig
    caller: Caller
    channels: Channels
    seconds: Callable[[], float]
    wall: Callable[[], float]
    uniform: Uniform
    open_questions: Callable[[], Iterable[ktbgp_pb2.ControlRequest]]
    replied: Callable[[ktbgp_pb2.ControlResponse], None]


class ControlStream:
    """Begins with :meth:`start`, and comes back after every failure until :meth:`stop`."""

    log = Logger()

    def __init__(self, parts: ControlParts) -> None:
        self.pulse = Pulse()
        self._parts = parts
        self._queue: deque[ktbgp_pb2.ControlRequest] = deque()
        self._pump: Pump | None = None
        self._failures = 0
        self._up_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open the stream. Inside the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._live())
        self._task.add_done_callback(self._gone)

    async def stop(self) -> None:
        """Close the stream."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def ask(self, request: ktbgp_pb2.ControlRequest) -> None:
        """Send a question if there is a stream; the next one begins with all open questions."""
        if self._pump is not None and len(self._queue) < MAX_QUEUED:
            self._queue.append(request)
            self._pump.wake()

    async def _live(self) -> None:
        lane = self._parts.channels.open()
        try:
            while True:
                reason = await self._one_stream(lane)
                await asyncio.sleep(self._pause(reason))
        finally:
            await lane.channel.close()

    def _pause(self, reason: str) -> float:
        """Note why a stream ended; seconds until the next one."""
        steady = self._up_since is not None and self._parts.seconds() - self._up_since > STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        self._up_since = None
        self.pulse.lost(reason, self._parts.wall())
        config = self._parts.config
        wait = full_jitter(self._failures, config.backoff_seconds, config.max_backoff_seconds, self._parts.uniform)
        if self._failures % LOG_EVERY == 1:
            self.log.warn("the Control stream is down: {reason}; will try again", reason=reason)
        return wait

    async def _one_stream(self, lane: Lane) -> str:
        """Keep one stream; why it ended."""
        self.pulse.began()
        self._queue = deque(self._parts.open_questions())
        call = lane.stub.Control(metadata=control_pairs(self._parts.caller))
        self._pump = pump = Pump(call, self._next, self._written)
        loop = asyncio.get_running_loop()
        reading, beating = loop.create_task(self._read(call)), loop.create_task(self._beat(pump))
        try:
            await asyncio.wait([reading, beating], return_when=asyncio.FIRST_COMPLETED)
            return (reading if reading.done() else beating).result()
        finally:
            self._pump = None
            reading.cancel()
            beating.cancel()
            await asyncio.wait([reading, beating])
            await pump.stop()
            call.cancel()

    def _next(self) -> ktbgp_pb2.ControlRequest | None:
        return self._queue.popleft() if self._queue else None

    def _written(self, request: ktbgp_pb2.ControlRequest) -> None:
        if request.action == ktbgp_pb2.CONTROL_ACTION_KEEPALIVE:
            self.pulse.beat(self._parts.seconds(), self._parts.wall())

    async def _read(self, call: Any) -> str:
        target = self._parts.config.target
        try:
            if await answered(call, ANSWER_SECONDS) is not None:
                self._connected()
                while (reply := await call.read()) is not grpc.aio.EOF:
                    self._received(reply)
            return explain((await call.code()).name, await call.details(), target)
        except TimeoutError:
            return f"{target} did not answer within {ANSWER_SECONDS:g} s"
        except grpc.aio.AioRpcError as error:
            return explain(error.code().name, error.details(), target)

    def _connected(self) -> None:
        self._up_since = self._parts.seconds()
        self.pulse.connected(self._parts.wall())
        self.log.info("the Control stream to {target} is up", target=self._parts.config.target)

    def _received(self, reply: ktbgp_pb2.ControlResponse) -> None:
        self.pulse.received()
        if reply.action == ktbgp_pb2.CONTROL_ACTION_KEEPALIVE:
            self.pulse.answered(self._parts.seconds(), self._parts.wall())
        else:
            self._parts.replied(reply)

    async def _beat(self, pump: Pump) -> str:
        """Send heartbeats, the first one at once: servers send their header with their first answer only."""
        period = self._parts.config.heartbeat_seconds
        while True:
            silent = self.pulse.silent_seconds(self._parts.seconds())
            if silent > period * (self._parts.config.heartbeats_missed - 0.5):
                return f"{self._parts.config.target} has not answered a heartbeat for {silent:.0f} s"
            if len(self._queue) < MAX_QUEUED:
                self._queue.append(ktbgp_pb2.ControlRequest(action=ktbgp_pb2.CONTROL_ACTION_KEEPALIVE))
                pump.wake()
            await asyncio.sleep(period)

    def _gone(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.pulse.lost(f"internal error: {type(error).__name__}", self._parts.wall())
            self.log.failure("the Control stream failed", Failure(error))
