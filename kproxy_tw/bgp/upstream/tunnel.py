"""A session's way to the backend, over as many Data streams as it needs: resumed with its counts, or ended for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs

from kproxy_tw.backoff import Uniform, full_jitter
from kproxy_tw.bgp.interfaces import Connection, Parameters, TunnelEvents
from kproxy_tw.bgp.log_fields import device_field, places
from kproxy_tw.bgp.metadata import Caller, Counts, Metadata, data_pairs, shown
from kproxy_tw.bgp.outage import Outage
from kproxy_tw.bgp.outbox import Outbox
from kproxy_tw.bgp.replay import SETTLED_SECONDS, Exchange
from kproxy_tw.bgp.upstream.channels import Channels, Lane
from kproxy_tw.bgp.upstream.config import BackendConfig
from kproxy_tw.bgp.upstream.data import DataStream, Ending, Outcome

LEAST_ANSWER_SECONDS = 0.1
"""The last attempt gets at least this."""


@attrs.frozen(kw_only=True)
class TunnelParts:
    """What all tunnels share."""

    config: BackendConfig
    caller: Caller
    channels: Channels
    seconds: Callable[[], float]
    uniform: Uniform
    killed: Callable[[str], None]
    """Told the router's address when the backend has ended its session by KILL."""
    ended: Callable[[GrpcTunnel], None]


class GrpcTunnel:
    """Fits ``interfaces.Tunnel``. Begins with :meth:`start`."""

    log = Logger()

    def __init__(
        self, parts: TunnelParts, connection: Connection, parameters: Parameters, events: TunnelEvents
    ) -> None:
        self.connection = connection
        self._parts = parts
        self._names = _names(connection, parameters)
        self._echoed = parameters.metadata
        self._events: TunnelEvents | None = events
        self._outbox = Outbox()
        self._exchange = Exchange()
        self._stream: DataStream | None = None
        self._gate: asyncio.Future[None] | None = None
        self._outage = Outage(parts.seconds(), parts.config.resume_seconds)
        self._limit: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open the first stream. Inside the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._live())
        self._task.add_done_callback(self._gone)

    @property
    def held_bytes(self) -> int:
        """Bytes held for the backend and not sent yet."""
        return self._outbox.held

    @property
    def replay_weight(self) -> int:
        """Bytes held because they may have to be sent again."""
        return self._exchange.out.weight

    def write(self, data: bytes) -> None:
        """Send bytes of the router."""
        if self._events is None or not data:
            return
        if self._outbox.add(data):
            self._events.pause()
        if self._stream is not None:
            self._stream.flush()

    def pause(self) -> None:
        """Give no more bytes of the backend."""
        if self._gate is None and self._events is not None:
            self._gate = asyncio.get_running_loop().create_future()

    def proceed(self) -> None:
        """Give bytes of the backend again."""
        gate, self._gate = self._gate, None
        if gate is not None and not gate.done():
            gate.set_result(None)

    def allow(self, hold_seconds: float) -> None:
        """So much longer than ``resume_seconds`` a broken stream may take; 0 means a session without hold time."""
        self._outage.allow(hold_seconds)

    def echo(self, metadata: Metadata) -> None:
        """The backend has changed what the next stream is to tell it."""
        self._echoed = metadata

    def close(self, reason: str) -> None:
        """The router's connection has ended: send what is held, half-close."""
        if self._events is None or self._task is None:
            return
        self._events = None
        self.log.debug("closing Data stream: {reason}", reason=reason, **self._names)
        self.proceed()
        if self._stream is not None:
            self._stream.half_close()
        self._limit = asyncio.get_running_loop().call_later(self._parts.config.close_seconds, self._task.cancel)

    def abandon(self) -> None:
        """End now, with whatever is held."""
        if self._task is not None:
            self._task.cancel()

    def settle(self, now: float) -> None:
        """Forget what has long arrived, so that a session at rest holds nothing."""
        before = now - SETTLED_SECONDS
        up_since = self._outage.up_since
        if up_since is not None and up_since < before:
            self._exchange.out.settle(before)

    async def _live(self) -> None:
        lane = self._parts.channels.take()
        try:
            ending = await self._keep_up(lane)
        finally:
            await self._parts.channels.give_back(lane)
        if ending.outcome is Outcome.KILLED:
            self._parts.killed(self.connection.device_ip)
        self._close_router(ending.reason, abort=ending.outcome is Outcome.KILLED)

    async def _keep_up(self, lane: Lane) -> Ending:
        """Open streams until one ends for good, or none comes up in time."""
        config, outage, seconds = self._parts.config, self._outage, self._parts.seconds
        while True:
            ending = await self._one_stream(lane)
            if ending.outcome not in (Outcome.BROKEN, Outcome.RESTART):
                return ending
            if outage.broke(seconds(), restart=ending.outcome is Outcome.RESTART) and self._events is not None:
                self._events.interrupted(ending.reason)
            wait = full_jitter(outage.failures, config.retry_seconds, config.max_retry_seconds, self._parts.uniform)
            if wait >= outage.left(seconds()):
                lasted = outage.lasting(seconds())
                return Ending(Outcome.CLOSED, f"no way to the backend for {lasted:.0f} s: {ending.reason}")
            await asyncio.sleep(wait if outage.failures else 0)

    async def _one_stream(self, lane: Lane) -> Ending:
        counts = Counts(up=self._exchange.out.sent, down=self._exchange.received)
        pairs = data_pairs(self._parts.caller, self.connection, counts, self._echoed)
        self.log.info("opening Data stream", client_metadata=shown(pairs), **self._names)
        self._stream = stream = DataStream(
            lane.stub.Data(metadata=pairs),
            target=self._parts.config.target,
            exchange=self._exchange,
            outbox=self._outbox,
            deliver=self._deliver,
            taken=self._relieve,
            seconds=self._parts.seconds,
        )
        if self._events is None:
            stream.half_close()
        left = self._outage.left(self._parts.seconds())
        seconds = max(LEAST_ANSWER_SECONDS, min(self._parts.config.answer_seconds, left))
        try:
            return await stream.run(self._opened, first=not self._outage.streams, answer_seconds=seconds)
        finally:
            self._stream = None

    def _opened(self, metadata: Metadata) -> None:
        self._outage.up(self._parts.seconds())
        if self._events is not None:
            self._events.opened(metadata, self._outage.streams - 1)

    def _deliver(self, data: bytes) -> asyncio.Future[None] | None:
        if self._events is not None:
            self._events.received(data)
        return self._gate

    def _relieve(self) -> None:
        if self._outbox.relieved() and self._events is not None:
            self._events.resume()

    def _close_router(self, reason: str, *, abort: bool) -> None:
        events, self._events = self._events, None
        if events is not None:
            events.closed(reason, abort=abort)

    def _gone(self, task: asyncio.Task[Any]) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._outbox.clear()
        self._parts.ended(self)
        if task.cancelled():
            self._close_router("kbgp is stopping", abort=False)
        elif (error := task.exception()) is not None:
            self.log.failure("the session's way to the backend failed", Failure(error), **self._names)
            self._close_router(f"internal error: {type(error).__name__}", abort=True)


def _names(connection: Connection, parameters: Parameters) -> dict[str, Any]:
    """Name a session in the log."""
    device = device_field(
        connection,
        company_id=parameters.company_id,
        name=parameters.device_name,
        device_id=parameters.device_id,
    )
    return {"device": device, **places(connection)}
