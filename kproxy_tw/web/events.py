"""Server-sent events (WHATWG HTML, section 9.2): what is new, for everybody who watches, at a bounded cost."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

import attrs

from kproxy_tw.web.answering import TEXT, answer

EVENTS = "text/event-stream; charset=utf-8"

WATCHERS = 8
"""Most clients at a time; each keeps one of the site's few connections for as long as it likes."""

PERIOD_SECONDS = 1.0
"""Shortest time between two events."""

LONGEST_PERIOD_SECONDS = 60.0

CPU_SHARE = 0.005
"""Of a core, that one page may cost on average: what is dear to make is made less often."""

PATIENCE_SECONDS = 30.0
"""A client that has not read for so long is cut off."""

RETRY = b"retry: 5000\n\n"
"""How long a browser waits before it connects again, in milliseconds."""

NOTHING_NEW = b": nothing new\n\n"
"""A comment; a client that is gone is noticed by it."""

Seen = dict[str, int]
"""Of each part that a client has, the hash."""


class News(Protocol):
    """What one round has to tell."""

    @property
    def cost_seconds(self) -> float:
        """Processor time that it took to make."""

    def event(self, seen: Seen) -> bytes:
        """The event for a client; ``seen`` is brought up to date."""


@attrs.frozen
class Document:
    """A document in JSON; it is new each time."""

    body: bytes
    cost_seconds: float = 0.0

    def event(self, seen: Seen) -> bytes:
        """The document."""
        return b"data: " + self.body.strip() + b"\n\n"


def _json_parts(parts: Mapping[str, str]) -> dict[str, bytes]:
    return {name: json.dumps(html).encode("ascii") for name, html in parts.items()}


@attrs.frozen
class Fragments:
    """Parts of a page, by the ids of the elements that they go into.

    :ivar parts: HTML; becomes JSON here, in the thread that made it, once for everybody who watches.
    """

    parts: Mapping[str, bytes] = attrs.field(converter=_json_parts)
    cost_seconds: float = 0.0

    def event(self, seen: Seen) -> bytes:
        """Those that the client does not have already."""
        new = {name: part for name, part in self.parts.items() if seen.get(name) != hash(part)}
        if not new:
            return NOTHING_NEW
        seen.update({name: hash(part) for name, part in new.items()})
        told = b", ".join(b"%b: %b" % (json.dumps(name).encode("ascii"), part) for name, part in new.items())
        return b"event: fragments\ndata: {" + told + b"}\n\n"


class EventStream:
    """Tells everybody who watches one thing. While nobody watches it does nothing.

    :param make: makes what is told.
    :param reactor: provides the time.
    """

    log = Logger()

    def __init__(self, make: Callable[[], Deferred[Any]], reactor: Any) -> None:
        self._make = make
        self._reactor = reactor
        self._watchers: dict[_Watcher, None] = {}
        self._next: IDelayedCall | None = None
        self._running = False

    def __len__(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def answer(self, request: Any) -> bytes | Deferred[None]:
        """Answer a request with events until its client leaves."""
        request.setHeader("Content-Type", EVENTS)
        if request.method == b"HEAD":
            return b""
        request.write(RETRY)
        left: Deferred[None] = Deferred()  # the application cancels it when the client is gone
        watcher = _Watcher(request, self._reactor.seconds)
        self._watchers[watcher] = None
        left.addBoth(self._leave, watcher)
        if not self._running:
            self._running = True
            self._tick()
        return left

    def _tick(self) -> None:
        self._next = None
        began = self._reactor.seconds()
        telling = self._make()
        telling.addCallback(self._tell, began)
        telling.addErrback(self._failed)

    def _tell(self, news: News, began: float) -> None:
        for watcher in tuple(self._watchers):
            watcher.show(news)
        if not self._watchers:
            self._running = False
            return
        period = min(max(PERIOD_SECONDS, news.cost_seconds / CPU_SHARE), LONGEST_PERIOD_SECONDS)
        self._next = self._reactor.callLater(max(0.0, began + period - self._reactor.seconds()), self._tick)

    def _leave(self, result: Failure | None, watcher: _Watcher) -> Failure | None:
        self._watchers.pop(watcher, None)
        if not self._watchers and self._next is not None:
            self._next.cancel()
            self._next, self._running = None, False
        return result

    def _failed(self, failure: Failure) -> None:
        self._running = False
        self.log.failure("making an event met a bug; please report this", failure)
        for watcher in tuple(self._watchers):
            watcher.cut()


class EventStreams:
    """The streams behind ``/events``: one for each thing that somebody watches, as long as somebody does.

    :param make: gives, for a name, what makes the news of it; ``None`` when there is no such thing.
    :param reactor: provides the time.
    """

    def __init__(self, make: Callable[[str], Callable[[], Deferred[Any]] | None], reactor: Any) -> None:
        self._make = make
        self._reactor = reactor
        self._streams: dict[str, EventStream] = {}

    @property
    def watchers(self) -> int:
        """How many watch."""
        return sum(map(len, self._streams.values()))

    def answer(self, request: Any, name: str) -> bytes | Deferred[None]:
        """Answer a request with the events of ``name``, or with a refusal."""
        self._streams = {one: stream for one, stream in self._streams.items() if len(stream)}
        if self.watchers >= WATCHERS:
            request.setHeader("Retry-After", "10")
            return answer(request, "Too many clients watch already.\n", TEXT, 503)
        if name not in self._streams:
            make = self._make(name)
            if make is None:
                return answer(request, "There are no events of this.\n", TEXT, 404)
            self._streams[name] = EventStream(make, self._reactor)
        return self._streams[name].answer(request)


@implementer(IPushProducer)
class _Watcher:
    """One client; while it does not read, it misses events."""

    def __init__(self, request: Any, seconds: Callable[[], float]) -> None:
        self._request = request
        self._seconds = seconds
        self._seen: Seen = {}
        self._blocked_since: float | None = None
        request.registerProducer(self, True)

    def show(self, news: News) -> None:
        """Send an event."""
        if self._blocked_since is None:
            self._request.write(news.event(self._seen))
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
