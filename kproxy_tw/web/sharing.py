"""What is known of exporters, for other kproxys that the same exporters send to (``-state_peers``)."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import DeferredLock
from twisted.web.http import FORBIDDEN, NO_CONTENT, NOT_MODIFIED, SERVICE_UNAVAILABLE
from twisted.web.iweb import IRequest

from kproxy_tw.addresses import plain_address
from kproxy_tw.errors import StoreError
from kproxy_tw.web.answering import answer, answer_json

JSON_LINES = "application/jsonl"

MAX_WAITING = 16
"""Questions that wait while one is answered: the file of a large site has some megabytes."""


class SharedState(Protocol):
    """What the memory gives."""

    def allows(self, address: str) -> bool:
        """Whether a kproxy at this address may ask."""

    async def told(self, known: str) -> tuple[str, bytes | None]:
        """Version and bytes; no bytes when ``known`` is the version, or nothing is there."""


class Sharing:
    """Answers other kproxys, one at a time, and nobody else."""

    def __init__(self, shared: SharedState | None) -> None:
        self._shared = shared
        self._one_at_a_time = DeferredLock()

    async def answer(self, request: IRequest) -> bytes:
        """The file, 304 when the peer has it, 204 before there is one, 403 for whoever is no peer."""
        peer = getattr(request.getClientAddress(), "host", "")
        if self._shared is None or not peer or not self._shared.allows(plain_address(peer)):
            return answer_json(request, {"error": "only for the kproxys that -state_peers names"}, FORBIDDEN)
        if len(self._one_at_a_time.waiting) >= MAX_WAITING:
            return answer_json(request, {"error": "too many ask at a time"}, SERVICE_UNAVAILABLE)
        known = request.getHeader("If-None-Match") or ""
        await self._one_at_a_time.acquire()
        try:
            version, body = await self._shared.told(known)
        except StoreError as problem:
            return answer_json(request, {"error": str(problem)}, SERVICE_UNAVAILABLE)
        finally:
            self._one_at_a_time.release()
        if not version:
            return answer(request, b"", JSON_LINES, NO_CONTENT)
        request.setHeader("ETag", version)
        return answer(request, b"" if body is None else body, JSON_LINES, NOT_MODIFIED if body is None else 200)
