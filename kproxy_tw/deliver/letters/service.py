"""DeadLetters: sets aside what the backend refuses for good, without the reactor waiting for the disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from kproxy_tw.deliver.letters.store import DeadLetterStore
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.offload import Offload

MAX_PENDING = 64
"""Messages on their way to the disk; what comes beyond them is not set aside."""

LOG_SECONDS = 60.0


class DeadLetters(Service):
    """Takes refused messages.

    :param clock: ``seconds()`` gives monotonic seconds.
    :param wall: gives seconds since 1970.
    """

    log = Logger()

    def __init__(self, *, store: DeadLetterStore, offload: Offload, clock: Any, wall: Callable[[], float]) -> None:
        self._store = store
        self._offload = offload
        self._clock = clock
        self._wall = wall
        self._pending: set[Deferred[None]] = set()
        self._quiet_until = float("-inf")

    def keep(self, batch: BatchId | None, body: bytes, status: int) -> None:
        """Set a message aside. Never blocks, and never fails."""
        if len(self._pending) >= MAX_PENDING or batch is None:
            return
        part = f".{batch.part}" if batch.part else ""
        name = f"{round(self._wall() * 1000):013d}-{status}-{batch.device_id}-{batch.sequence}{part}"
        writing = Deferred.fromCoroutine(self._write(name, body))
        self._pending.add(writing)
        writing.addBoth(lambda _done: self._pending.discard(writing))

    def stopService(self) -> Deferred[None]:
        """Fires when all is written."""
        super().stopService()
        return DeferredList(list(self._pending)).addCallback(lambda _all: None)

    async def _write(self, name: str, body: bytes) -> None:
        try:
            await self._offload(partial(self._store.keep, name, body))
        except OSError as problem:
            if self._clock.seconds() >= self._quiet_until:
                self._quiet_until = self._clock.seconds() + LOG_SECONDS
                self.log.error("cannot keep a refused message: {problem}", problem=problem)
