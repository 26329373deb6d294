"""SelfMetrics: reads our own counters every few seconds, and tells them to whoever is to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from kproxy_tw.errors import UpstreamError
from kproxy_tw.selfmetrics.forms import Meters as AllMeters
from kproxy_tw.selfmetrics.meters import Meters, Series

READ_SECONDS = 5.0


class Receiver(Protocol):
    """Who is told."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def every(self) -> float:
        """Seconds between two tellings."""

    async def send(self, meters: AllMeters, at: int) -> None:
        """Tell all, as of ``at`` seconds since 1970. :raises UpstreamError: it did not work."""

    async def close(self) -> None:
        """No more will be told."""


class SelfMetrics(Service):
    """See the module. A receiver that fails is told again at its next turn, and misses what was in between.

    :param read: gives the counters.
    :param wall: gives seconds since 1970.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        read: Callable[[], Mapping[Series, int]],
        receivers: Sequence[Receiver],
        wall: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._read = read
        self._receivers = receivers
        self._wall = wall
        self._meters = Meters(reactor.seconds())
        self._loops: list[LoopingCall] = []
        self._telling: dict[Receiver, Deferred[None]] = {}
        self._failing: set[Receiver] = set()

    def startService(self) -> None:
        """Read, and tell the first time when a receiver's time has passed once."""
        super().startService()
        self._loop(READ_SECONDS, self._update)
        for receiver in self._receivers:
            self._loop(receiver.every, self._tell, receiver)

    def stopService(self) -> Deferred[None]:
        """Tell no more; what is under way is cut short."""
        super().stopService()
        for loop in self._loops:
            loop.stop()
        self._loops = []
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        for telling in list(self._telling.values()):
            telling.cancel()
        for receiver in self._receivers:
            await receiver.close()

    def _loop(self, seconds: float, call: Callable[..., None], *arguments: Receiver) -> None:
        loop = LoopingCall(call, *arguments)
        loop.clock = self._reactor
        loop.start(seconds, now=False).addErrback(self._bug)
        self._loops.append(loop)

    def _update(self) -> None:
        self._meters.update(self._read(), self._reactor.seconds())

    def _tell(self, receiver: Receiver) -> None:
        if receiver in self._telling:
            return
        self._update()
        telling = Deferred.fromCoroutine(receiver.send(self._meters.all(), round(self._wall())))
        self._telling[receiver] = telling
        telling.addCallbacks(self._told, self._not_told, (receiver,), {}, (receiver,))
        telling.addErrback(self._bug)
        telling.addBoth(self._ended, receiver)

    def _ended(self, _result: None, receiver: Receiver) -> None:
        del self._telling[receiver]

    def _told(self, _done: None, receiver: Receiver) -> None:
        if receiver in self._failing:
            self._failing.discard(receiver)
            self.log.info("{receiver} takes metrics again", receiver=receiver.name)

    def _not_told(self, failure: Failure, receiver: Receiver) -> None:
        if failure.trap(UpstreamError, CancelledError) is UpstreamError and receiver not in self._failing:
            self._failing.add(receiver)
            why = failure.getErrorMessage()
            self.log.warn("{receiver} does not take our metrics: {why}", receiver=receiver.name, why=why)

    def _bug(self, failure: Failure) -> None:
        self.log.failure("metrics met a bug; please report this", failure)
