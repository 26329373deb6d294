"""Sends what is to be exported now and then, in a thread; a backend that does not want it is asked ever more rarely."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any, Protocol, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from kproxy_tw.errors import UpstreamError
from kproxy_tw.export.status import ExportStatus
from kproxy_tw.offload import Offload

T = TypeVar("T")

POST_SECONDS = 30.0
"""For one post from its first byte to the answer."""

MAX_PAUSE_SECONDS = 3600.0


class Posting(Protocol):
    """Fits :class:`kproxy_tw.export.client.PostClient`."""

    def post(self, body: bytes, content_type: str) -> None:
        """Send, blocking. :raises UpstreamError: it did not work."""

    def abort(self) -> None:
        """Cut it short, from another thread."""


class Batch(Protocol):
    """What one post sends."""

    def body(self) -> bytes:
        """Make the body; called in a thread."""

    def put_back(self) -> None:
        """It could not be sent."""


def daemon_thread(reactor: Any) -> Offload:
    """Make an ``Offload`` that uses a thread of its own each time, for which nobody waits at the process's end.

    A post may hang in a name server's silence, which nothing can cut short.
    """

    def offload(work: Callable[[], T]) -> Deferred[T]:
        outcome: Deferred[T] = Deferred()

        def run() -> None:
            try:
                result = work()
            except Exception:
                reactor.callFromThread(outcome.errback, Failure())
            else:
                reactor.callFromThread(outcome.callback, result)

        Thread(target=run, name="export", daemon=True).start()
        return outcome

    return offload


class ExportService(Service):
    """Exports of one kind.

    :param kind: ``logs`` or ``metrics``.
    :param url: for people; ``client`` knows its own.
    :param take: gives the next batch; ``None`` when there is nothing to send.
    :param dropped: how many lines found no room so far.
    :param every: seconds between two exports.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        offload: Offload,
        client: Posting,
        kind: str,
        url: str,
        content_type: str,
        every: float,
        take: Callable[[], Batch | None],
        dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        self._reactor = reactor
        self._offload = offload
        self._client = client
        self._kind, self._url, self._content_type = kind, url, content_type
        self._every = every
        self._take, self._dropped = take, dropped
        self._timer: IDelayedCall | None = None
        self._under_way: Deferred[None] | None = None
        self._sent = self._failed = self._failures = 0
        self._last_error = ""

    def startService(self) -> None:
        """Export from now on."""
        super().startService()
        self._wait()

    def stopService(self) -> None:
        """Stop; a post under way is cut short, and not waited for."""
        super().stopService()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._under_way is not None:
            self._client.abort()
            self._under_way.cancel()

    def status(self) -> ExportStatus:
        """What became of it."""
        return ExportStatus(
            kind=self._kind,
            url=self._url,
            sent=self._sent,
            failed=self._failed,
            dropped=self._dropped(),
            last_error=self._last_error,
        )

    def _wait(self) -> None:
        seconds = min(self._every * 2.0 ** min(self._failures, 16), max(self._every, MAX_PAUSE_SECONDS))
        self._timer = self._reactor.callLater(seconds, self._export)

    def _export(self) -> None:
        batch = self._take()
        if batch is None:
            self._wait()
            return
        self._under_way = Deferred.fromCoroutine(self._post(batch))
        self._under_way.addErrback(lambda failure: self.log.failure("export met a bug; please report this", failure))
        self._under_way.addBoth(self._done)

    def _send(self, batch: Batch) -> None:
        self._client.post(batch.body(), self._content_type)

    async def _post(self, batch: Batch) -> None:
        cut = self._reactor.callLater(POST_SECONDS, self._client.abort)
        try:
            await self._offload(partial(self._send, batch))
        except (UpstreamError, CancelledError) as problem:
            batch.put_back()
            self._note_failure(str(problem))
        else:
            self._note_success()
        finally:
            if cut.active():
                cut.cancel()

    def _done(self, result: None) -> None:
        self._under_way = None
        if self.running:
            self._wait()

    def _note_failure(self, problem: str) -> None:
        self._failed += 1
        self._failures += 1
        if not self._last_error:
            self.log.warn("{kind} cannot be exported: {problem}; told once", kind=self._kind, problem=problem)
        self._last_error = problem

    def _note_success(self) -> None:
        self._sent += 1
        self._failures = 0
        if self._last_error:
            self.log.info("{kind} are exported again", kind=self._kind)
        self._last_error = ""
