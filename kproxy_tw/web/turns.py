"""Places for making pages, a few at a time, and the interpreter's lock for everybody else meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore

RENDER_THREADS = 2
"""Pages made at once; the reactor's other threads are for other work."""

SHORT_SECONDS = 0.0005
"""While pages are made, a thread that wants the interpreter's lock gets it after so long. As a rule it takes 5 ms, and
the reactor would wait for so long each time that something has come."""

T = TypeVar("T")


class PageTurns:
    """Gives places. There is one of it in a process; it is called from the reactor's thread."""

    def __init__(self) -> None:
        self._places = DeferredSemaphore(RENDER_THREADS)
        self._usual = sys.getswitchinterval()
        self._running = 0

    def run(self, work: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """Begin ``work``, which goes on in a thread, when there is a place for it; it has it until it is done."""
        return self._places.run(lambda: Deferred.fromCoroutine(self._run(work)))

    async def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        self._running += 1
        sys.setswitchinterval(SHORT_SECONDS)
        try:
            return await work()
        finally:
            self._running -= 1
            if not self._running:
                sys.setswitchinterval(self._usual)
