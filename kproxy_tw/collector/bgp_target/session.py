"""One router's BGP connection, from its streams to the daemon. Pure: streams, daemon and clock are given.

A session is carried by one stream at a time. When that breaks, the daemon's connection stays for a while and the next
stream of the same session-id goes on where the last one ended, or the session ends: never with a wrong byte.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from typing import Any

from kproxy_tw.bgp.metadata import Counts
from kproxy_tw.bgp.metadata import Opening as StreamOpening
from kproxy_tw.bgp.opening import Opening
from kproxy_tw.bgp.replay import Exchange, Gap
from kproxy_tw.collector.bgp_target.carriage import Carriage, Ending
from kproxy_tw.collector.bgp_target.cease import Cease
from kproxy_tw.collector.bgp_target.downward import Downward
from kproxy_tw.collector.bgp_target.peers import Peer
from kproxy_tw.collector.bgp_target.stream import Stream, StreamBroken
from kproxy_tw.collector.bgp_target.tenants import Tenant
from kproxy_tw.collector.bgp_target.to_daemon import Daemon, ToDaemon
from kproxy_tw.errors import KproxyError, MalformedInput

REPLAY_BYTES = 896 << 10
"""What is kept of what was sent; more than can be under way, see :mod:`kproxy_tw.bgp.grpc_options`."""

OPEN_SECONDS = 5.0
"""How long a router's OPEN is waited for before the daemon is asked without it."""

RESUME_SECONDS = 15.0
"""How long a session without a stream is kept, beside its hold time."""

USUAL_HOLD_SECONDS = 90
MOST_HOLD_SECONDS = 240
"""Hold time that counts while none is known (RFC 4271 section 10), and the longest that does."""


class Rejected(KproxyError):
    """A session does not get a daemon. :ivar subcode: what the router is told."""

    def __init__(self, problem: str, subcode: Cease = Cease.CONNECTION_REJECTED) -> None:
        super().__init__(problem)
        self.subcode = subcode


class Outcome(enum.Enum):
    """How carrying a session ended."""

    OVER = "the session is over"
    GOES_ON = "the session waits for another stream, as the agent wants it"
    BROKEN = "this stream is gone, or another one has taken its place"


Connect = Callable[["Session", Opening | None], Awaitable[Daemon]]
"""Connects a session to the daemon; gets the router's OPEN, if there is one. Raises :exc:`Rejected`."""


class Session:
    """One session.

    :param opening: of its first stream.
    :param connect: how to get the daemon.
    :param clock: Twisted's ``IReactorTime``.
    :param tell: called with each change of state, in words.
    """

    def __init__(
        self,
        *,
        opening: StreamOpening,
        peer: Peer,
        tenant: Tenant,
        connect: Connect,
        clock: Any,
        tell: Callable[[Session, str], None],
    ) -> None:
        self.opening = opening
        self.peer = peer
        self.tenant = tenant
        self.started = clock.seconds()
        self.attached = False
        self.over = False
        self.resumes = 0
        self.to_daemon = ToDaemon(tenant)
        self.downward = Downward(tenant)
        self._exchange = Exchange(REPLAY_BYTES)
        self._connect = connect
        self._clock = clock
        self._tell = tell
        self._beginning: asyncio.Task[None] | None = None
        self._carrying = asyncio.Lock()
        self._carrier: asyncio.Task[Ending] | None = None
        self._streams = 0
        self._ending = ""
        self._window: Any = None

    @property
    def state(self) -> str:
        """``established``, ``interrupted`` (its stream is gone), ``connecting`` or ``ending``."""
        if self._ending or self.over:
            return "ending"
        if not self.attached:
            return "interrupted"
        return "established" if self.to_daemon.connected else "connecting"

    @property
    def held(self) -> int:
        """Bytes that wait for one side or the other."""
        return self.to_daemon.held + self.downward.held

    @property
    def hold_seconds(self) -> int:
        """The hold time that both sides agreed on, as far as it is known."""
        sides = [side.hold_time for side in (self.to_daemon.introduction.opening, self.downward.opening) if side]
        agreed = min(sides, default=USUAL_HOLD_SECONDS)
        return min(agreed or MOST_HOLD_SECONDS, MOST_HOLD_SECONDS)

    def continues(self, opening: StreamOpening) -> bool:
        """Whether another stream is of the same connection of the same agent."""
        mine = self.opening
        return (mine.connection, mine.caller.instance) == (opening.connection, opening.caller.instance)

    async def carry(self, stream: Stream, counts: Counts) -> Outcome:
        """Carry the session on this stream until one of the two ends. A newer stream takes the place of this one.

        :param counts: what the agent says it has sent and received.
        """
        self._streams += 1
        mine = self._streams
        if self._carrier is not None:
            self._carrier.cancel()
        async with self._carrying:
            if mine != self._streams:
                return Outcome.BROKEN
            carriage = Carriage(
                stream=stream,
                exchange=self._exchange,
                to_daemon=self.to_daemon,
                downward=self.downward,
                tenant=self.tenant,
                clock=self._clock,
            )
            carrier = self._carrier = asyncio.ensure_future(carriage.run(counts, self._opened))
            try:
                await asyncio.wait({carrier})
            finally:
                carrier.cancel()
                await asyncio.wait({carrier})
                self._carrier = None
                outcome = self._released(carrier)
        return outcome

    def finish(self, subcode: Cease, reason: str) -> None:
        """End it with a word to the router: a NOTIFICATION where one fits between two messages, else a KILL."""
        if self.over or self._ending:
            return
        self._ending = reason
        self.downward.end(subcode, reason)
        self.to_daemon.end()
        if not self.attached:
            self.end(reason)

    def end(self, reason: str, *, flush: bool = False) -> None:
        """It is over.

        :param flush: whether the daemon gets what was written for it.
        """
        if self.over:
            return
        self.over = True
        self._cancel_window()
        if self._beginning is not None:
            self._beginning.cancel()
        self.to_daemon.end(flush=flush)
        self.downward.drop()
        if self._carrier is not None:
            self._carrier.cancel()
        self._tell(self, f"ended: {reason}")

    def from_daemon(self, data: bytes) -> None:
        """Take bytes of the daemon."""
        if self.over or self.downward.ended:
            return
        known = self.downward.opening is not None
        self.downward.received(data)
        if not known and self.downward.opening is not None:
            self._introduced()
        if self.downward.full:
            self.to_daemon.read(False)

    def daemon_full(self) -> None:
        """Leave the agent's messages where they are."""
        self.to_daemon.full()

    def daemon_ready(self) -> None:
        """Take the agent's messages again."""
        self.to_daemon.ready()

    def daemon_lost(self, reason: str) -> None:
        """Give the router what the daemon said before, and an end."""
        if self.over or self._ending:
            return
        self._ending = f"the BGP daemon {reason}"
        self.to_daemon.lost()
        self.downward.end(Cease.ADMINISTRATIVE_RESET, f"{self._ending}; try again")

    def _opened(self) -> None:
        self._cancel_window()
        self.attached = True
        if self._beginning is None:
            self._beginning = asyncio.ensure_future(self._begin())
        else:
            self.resumes += 1
            self._tell(self, "resumed")

    async def _begin(self) -> None:
        opening = await self.to_daemon.introduction.wait(OPEN_SECONDS)
        if opening is None and not self.attached:
            self.end("it lost its stream before the router said an OPEN")
            return
        try:
            daemon = await self._connect(self, opening)
        except Rejected as problem:
            self.finish(problem.subcode, str(problem))
            return
        if self.over or self._ending:
            daemon.abort()
            return
        self.to_daemon.joined(daemon)
        self.downward.on_room = lambda: self.to_daemon.read(True)
        self._introduced()
        self._tell(self, "connected to the BGP daemon")

    def _introduced(self) -> None:
        sides = self.to_daemon.introduction.opening, self.downward.opening
        if all(side is not None and side.extended_messages for side in sides):
            self.downward.extend()

    def _released(self, carrier: asyncio.Task[Ending]) -> Outcome:
        """See how a stream ended: with the session, or without it."""
        self.attached = False
        problem = None if carrier.cancelled() else carrier.exception()
        ending = None if carrier.cancelled() or problem else carrier.result()
        if isinstance(problem, Gap):
            self.end(f"it cannot be resumed: {problem}")
        elif isinstance(problem, MalformedInput):
            self.end(f"the router sends no BGP: {problem}")
        elif problem is not None and not isinstance(problem, StreamBroken):
            self.end("an error of kcollect; its log has it")
            raise problem
        elif ending in (Ending.CLOSED, Ending.KILLED):
            self.end(ending.value, flush=ending is Ending.CLOSED)
        elif ending is Ending.FINISHED:
            self.end(self._ending)
        if self.over:
            return Outcome.OVER
        self._wait_for_another()
        return Outcome.GOES_ON if ending is Ending.RESTARTED else Outcome.BROKEN

    def _wait_for_another(self) -> None:
        self._cancel_window()
        seconds = RESUME_SECONDS + self.hold_seconds
        self._window = self._clock.callLater(seconds, self._window_over)
        self._tell(self, f"without a stream; kept for {seconds:.0f} s")

    def _window_over(self) -> None:
        self._window = None
        self.end(self._ending or "its stream did not come back in time")

    def _cancel_window(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            window.cancel()
