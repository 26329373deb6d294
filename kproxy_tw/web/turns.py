"""Turns for making pages, and an interpreter that lets everybody else in between meanwhile."""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore

SHORT_SECONDS = 0.0005
"""While pages are made, a thread that wants the interpreter's lock gets it after so long. As a rule it takes 5 ms, and
the reactor would wait for so long each time that something has come."""

PAGE_OBJECTS = 200_000
"""While pages are made, the cycle collector waits for so many new objects. With a thousand devices the first page is
made of 30,000 and ``/metrics`` of 90,000, none of them in a cycle; to look through those would hold up everybody for
2 to 10 ms at a time, again and again."""

T = TypeVar("T")


class PageTurns:
    """Gives turns. There is one of it in a process; it is called from the reactor's thread.

    :param at_once: pages that are made at the same time. They share the interpreter, so two are ready no sooner than
        one after the other, and the reactor waits for both; more than one is for those that wait for something else.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._places = DeferredSemaphore(at_once)
        self._running = 0
        self._usual = sys.getswitchinterval(), gc.get_threshold()

    def run(self, work: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """Begin ``work``, which goes on in a thread, when there is a place for it; it has it until it is done."""
        return self._places.run(lambda: Deferred.fromCoroutine(self._run(work)))

    async def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        if not self._running:
            self._usual = sys.getswitchinterval(), gc.get_threshold()
            sys.setswitchinterval(SHORT_SECONDS)
            gc.set_threshold(PAGE_OBJECTS, *self._usual[1][1:])
        self._running += 1
        try:
            return await work()
        finally:
            self._running -= 1
            if not self._running:
                sys.setswitchinterval(self._usual[0])
                gc.set_threshold(*self._usual[1])
