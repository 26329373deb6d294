"""Server-sent events (WHATWG HTML, section 9.2): one document a second for everybody who watches."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from kproxy_tw.web.answering import TEXT, answer

EVENTS = "text/event-stream; charset=utf-8"

WATCHERS = 4
"""Most clients at a time; each keeps one of the site's few connections for as long as it likes."""

PERIOD_SECONDS = 1.0

PATIENCE_SECONDS = 30.0
"""A client that has not read for so long is cut off."""

RETRY = b"retry: 5000\n\n"
"""How long a browser waits before it connects again, in milliseconds."""


class EventStream:
    """The stream behind ``/events``. While nobody watches it does nothing.

    :param document: makes the JSON of one event.
    :param reactor: provides the time.
    """

    log = Logger()

    def __init__(self, document: Callable[[], Deferred[bytes]], reactor: Any) -> None:
        self._document = document
        self._reactor = reactor
        self._watchers: dict[_Watcher, None] = {}
        self._ticks: LoopingCall | None = None

    def answer(self, request: Any) -> bytes | Deferred[None]:
        """Answer a request: with events until its client leaves, or with a refusal if there are too many."""
        if len(self._watchers) >= WATCHERS:
            request.setHeader("Retry-After", "10")
            return answer(request, "Too many clients watch already.\n", TEXT, 503)
        request.setHeader("Content-Type", EVENTS)
        if request.method == b"HEAD":
            return b""
        request.write(RETRY)
        left: Deferred[None] = Deferred()  # the application cancels it when the client is gone
        watcher = _Watcher(request, self._reactor.seconds)
        self._watchers[watcher] = None
        left.addBoth(self._leave, watcher)
        if self._ticks is None:
            self._begin()
        return left

    def _begin(self) -> None:
        self._ticks = ticks = LoopingCall(lambda: Deferred.fromCoroutine(self._tick()))
        ticks.clock = self._reactor
        ticks.start(PERIOD_SECONDS).addErrback(self._failed)

    async def _tick(self) -> None:
        event = b"data: " + (await self._document()).strip() + b"\n\n"
        for watcher in tuple(self._watchers):
            watcher.show(event)

    def _leave(self, result: Failure | None, watcher: _Watcher) -> Failure | None:
        self._watchers.pop(watcher, None)
        if not self._watchers and self._ticks is not None:
            ticks, self._ticks = self._ticks, None
            if ticks.running:  # not after a failure
                ticks.stop()
        return result

    def _failed(self, failure: Failure) -> None:
        self.log.failure("making an event met a bug; please report this", failure)
        for watcher in tuple(self._watchers):
            watcher.cut()


@implementer(IPushProducer)
class _Watcher:
    """One client; while it does not read, it misses events."""

    def __init__(self, request: Any, seconds: Callable[[], float]) -> None:
        self._request = request
        self._seconds = seconds
        self._blocked_since: float | None = None
        request.registerProducer(self, True)

    def show(self, event: bytes) -> None:
        """Send an event."""
        if self._blocked_since is None:
            self._request.write(event)
        elif self._seconds() - self._blocked_since > PATIENCE_SECONDS:
            self.cut()

    def cut(self) -> None:
        """End the connection."""
        self._request.channel.transport.abortConnection()

    def pauseProducing(self) -> None:
        """The client does not read."""
        self._blocked_since = self._seconds()

    def resumeProducing(self) -> None:
        """It reads again."""
        self._blocked_since = None

    def stopProducing(self) -> None:
        """It is gone; the application hears of it, too."""
