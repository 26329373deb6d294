"""Lanes: the sessions of a device, each with its loop while there is work for it; and the pause that they make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

import attrs

from kproxy_tw.interfaces import UpstreamSession


@attrs.frozen(kw_only=True)
class DeviceSessions:
    """The sessions of a device: two, and more for its flow while one is too slow for it.

    :ivar flow: carries its flow.
    :ivar snmp: is kept for what is polled from it, so that neither waits for the other.
    :ivar further: makes one more for flow.
    """

    flow: UpstreamSession
    snmp: UpstreamSession
    further: Callable[[], UpstreamSession]
    _more: list[UpstreamSession] = attrs.field(factory=list, init=False)

    def idle(self, busy: Collection[UpstreamSession]) -> UpstreamSession:
        """One for flow that is not ``busy``; ``flow`` itself where it can be."""
        for session in (self.flow, *self._more):
            if session not in busy:
                return session
        self._more.append(self.further())
        return self._more[-1]

    async def close(self) -> None:
        """Close all."""
        for session in (self.flow, self.snmp, *self._more):
            await session.close()


class Lanes:
    """A loop for each session that is in use.

    :param run: works over a session until nothing waits; gives whether it makes sense to go on with what does.
    :param most: how many loops there is use for now.
    :param broke: told of a loop that failed, or was cancelled.
    """

    def __init__(
        self,
        sessions: DeviceSessions,
        *,
        run: Callable[[UpstreamSession], Coroutine[Deferred[Any], Any, bool]],
        most: Callable[[], int],
        broke: Callable[[Failure], None],
    ) -> None:
        self._sessions = sessions
        self._run = run
        self._most = most
        self._broke = broke
        self._loops: dict[UpstreamSession, Deferred[bool]] = {}
        self._idle: Deferred[None] | None = None

    def start(self) -> None:
        """Let as many loops run as there is use for."""
        while len(self._loops) < self._most():
            session = self._sessions.idle(self._loops)
            self._loops[session] = Deferred.fromCoroutine(self._run(session))
            self._loops[session].addBoth(self._ended, session)
            if session not in self._loops:
                return  # it has ended already: either nothing waits any more, or there is no point in another try

    def cancel(self) -> None:
        """End all loops."""
        for loop in list(self._loops.values()):
            loop.cancel()

    def idle(self) -> Deferred[None]:
        """Fires when no loop runs; at once if none does."""
        self._idle = Deferred()
        self._tell_idle()
        return self._idle

    def _ended(self, result: bool | Failure, session: UpstreamSession) -> None:
        self._loops.pop(session, None)
        if isinstance(result, Failure):
            self._broke(result)
        elif result:
            self.start()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self._idle is not None and not self._loops and not self._idle.called:
            self._idle.callback(None)


class Pause:
    """A wait that can be cut short.

    :param clock: schedules its end.
    :ivar deadline: monotonic seconds at which no pause may end any more.
    """

    def __init__(self, clock: Any) -> None:
        self.deadline = float("inf")
        self._clock = clock
        self._until = 0.0
        self._waiting: Deferred[None] | None = None

    @property
    def left_ms(self) -> int:
        """Until it ends; 0 if there is none."""
        return 0 if self._waiting is None else max(0, round((self._until - self._clock.seconds()) * 1000))

    async def wait(self, seconds: float) -> bool:
        """Wait, or until :meth:`end`; false, at once, if the deadline comes first."""
        self._until = self._clock.seconds() + seconds
        if self._until >= self.deadline:
            return False
        self._waiting = Deferred()
        timer = self._clock.callLater(seconds, self.end)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if timer.active():
                timer.cancel()
        return True

    def end(self) -> None:
        """Go on now."""
        if self._waiting is not None:
            self._waiting.callback(None)
