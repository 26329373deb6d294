"""Streams of decoded records of one device: a few at a time, each for a minute, at most a hundred records a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from zope.interface import implementer

import attrs

from kproxy_tw.interfaces import ProxyStatus
from kproxy_tw.web.answering import TEXT, answer
from kproxy_tw.web.events import EVENTS
from kproxy_tw.web.pages.flows import lines

TAPS = 2
"""Most taps at a time."""

TAP_SECONDS = 60.0
"""How long one lasts."""

PERIOD_SECONDS = 1.0


@attrs.frozen(kw_only=True)
class Framing:
    """How records are written. ``begin`` is called with the name of the device."""

    content_type: str
    begin: Callable[[str], bytes]
    records: Callable[[Sequence[str]], bytes]
    end: bytes


def _event(lines_: Sequence[str]) -> bytes:
    return b"data: " + json.dumps(list(lines_)).encode("ascii") + b"\n\n"


def _text(lines_: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines_).encode()


as_events = Framing(
    content_type=EVENTS, begin=lambda _name: b"retry: 600000\n\n", records=_event, end=b"event: end\ndata: over\n\n"
)

as_text = Framing(
    content_type=TEXT,
    begin=lambda name: f"# records of {name} as they are sent, for {TAP_SECONDS:.0f} s\n".encode(),
    records=_text,
    end=b"# over\n",
)


class Taps:
    """Answers requests for a tap.

    :param status: has the records.
    :param reactor: provides the time.
    """

    def __init__(self, status: ProxyStatus, reactor: Any) -> None:
        self._status = status
        self._reactor = reactor
        self._open = 0

    def answer(self, request: Any, device_id: int, framing: Framing) -> bytes | Deferred[None]:
        """Answer with a stream that ends by itself, or with a refusal."""
        found = self._status.tap(device_id)
        if found is None:
            return answer(request, "No device of this id has sent flow since the start.\n", TEXT, 404)
        if self._open >= TAPS:
            request.setHeader("Retry-After", "60")
            return answer(request, f"{TAPS} taps are open already; try again in a minute.\n", TEXT, 503)
        request.setHeader("Content-Type", framing.content_type)
        if request.method == b"HEAD":
            return b""
        request.write(framing.begin(found.device_name.encode("ascii", "backslashreplace").decode()))
        self._open += 1
        streaming = Deferred.fromCoroutine(self._stream(_Reader(request), device_id, framing))
        streaming.addBoth(self._closed)
        return streaming

    async def _stream(self, reader: _Reader, device_id: int, framing: Framing) -> None:
        until, seen = self._reactor.seconds() + TAP_SECONDS, -1
        while self._reactor.seconds() < until:
            found = self._status.tap(device_id)
            if found is None:
                break
            if found.flows is not None and found.number != seen and seen >= 0:
                reader.show(framing.records(await deferToThread(lines, found.flows)))
            seen = found.number
            await deferLater(self._reactor, PERIOD_SECONDS, lambda: None)
        reader.show(framing.end)

    def _closed(self, result: Failure | None) -> Failure | None:
        self._open -= 1
        if isinstance(result, Failure) and result.check(CancelledError):
            return None
        return result


@implementer(IPushProducer)
class _Reader:
    """Who reads; while it does not, it misses records."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._blocked = False
        request.registerProducer(self, True)

    def show(self, data: bytes) -> None:
        """Send something."""
        if not self._blocked:
            self._request.write(data)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The client does not read."""
        self._blocked = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """It reads again."""
        self._blocked = False

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """It is gone; the application hears of it, too."""
