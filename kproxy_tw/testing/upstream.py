"""RecordingSession: an ``UpstreamSession`` that answers from a script and remembers what it was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from twisted.internet.defer import Deferred

import attrs

from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer
from kproxy_tw.upstream.answer import HttpAnswer


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """One call of :meth:`RecordingSession.request`, with every argument as it was given."""

    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]
    seconds: float
    limit: int


Line = (
    Answer
    | tuple[int, Mapping[str, str], bytes]
    | BaseException
    | Deferred[Answer]
    | Callable[[RecordedRequest], Answer | tuple[int, Mapping[str, str], bytes]]
)
"""One line of the script: an answer, ``(status, headers, body)``, an exception to raise, a Deferred to wait for,
or a function of the request."""


class RecordingSession:
    """A scripted session; fits ``interfaces.UpstreamSession``.

    :param answers: one line for each request, in order.
    :param otherwise: the line for every request after the last one; without it such a request fails the
        test with :exc:`AssertionError`.
    :ivar requests: what was asked, in order.
    :ivar closed: whether :meth:`close` was called; later requests raise :exc:`UpstreamError`.
    """

    def __init__(self, answers: Iterable[Line] = (), *, otherwise: Line | None = None) -> None:
        self.requests: list[RecordedRequest] = []
        self.closed = False
        self._script: deque[Line] = deque(answers)
        self._otherwise = otherwise
        self._waiting: set[Deferred[Answer]] = set()

    def add(self, *answers: Line) -> None:
        """Append lines to the script."""
        self._script.extend(answers)

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
        limit: int = 1 << 20,
    ) -> Answer:
        """Record the request and play the next line of the script."""
        if self.closed:
            raise UpstreamError("the session is closed")
        asked = RecordedRequest(
            method=method, url=url, body=body, headers=dict(headers or {}), seconds=seconds, limit=limit
        )
        self.requests.append(asked)
        return await self._play(self._next(asked), asked)

    async def close(self) -> None:
        """Refuse further requests; those that wait for a Deferred of the script fail with :exc:`UpstreamError`."""
        self.closed = True
        for deferred in list(self._waiting):
            deferred.errback(UpstreamError("the session is closed"))

    def _next(self, asked: RecordedRequest) -> Line:
        line = self._script.popleft() if self._script else self._otherwise
        if line is None:
            raise AssertionError(f"a request that the script has no answer for: {asked.method} {asked.url}")
        return line

    async def _play(self, line: Line, asked: RecordedRequest) -> Answer:
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, Deferred):
            return await self._wait(line)
        said = line(asked) if callable(line) else line
        if isinstance(said, tuple):
            status, headers, body = said
            return HttpAnswer(status=status, headers={k.lower(): v for k, v in headers.items()}, body=body)
        return said

    async def _wait(self, deferred: Deferred[Answer]) -> Answer:
        self._waiting.add(deferred)
        try:
            return await deferred
        finally:
            self._waiting.discard(deferred)
