"""Group commit: many POSTs wait, one thread stores them together. Pure threads, no I/O of its own.

While a commit is under way, further messages gather; the next commit takes them all. So a durable write
costs one disk synchronization however many wait for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import attrs

from kproxy_tw.collector.message import Message
from kproxy_tw.errors import StoreError

MAX_WAITING = 1024
"""Messages that may wait."""

MAX_WAITING_BYTES = 256 << 20
"""Bytes of columns that may wait; one message alone may always."""

GROUP_FLOWS = 200_000
"""Flows after which a group is full; bounds the memory of one commit."""


class QueueFull(StoreError):
    """The store is slower than what comes in; the sender is to try again."""


class StoredInPart(StoreError):
    """Some part of the message is stored already: it can only be taken in parts."""


@attrs.define(slots=True, eq=False)
class _Waiting:
    message: Message
    done: Future[None]


class CommitQueue:
    """Hands messages to ``write`` in groups, in a thread of its own.

    :param write: stores all messages or none, and gives those back that can only be stored in parts; raises
        :exc:`~kproxy_tw.errors.StoreError`.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Message]], Sequence[Message]],
        *,
        max_waiting: int = MAX_WAITING,
        max_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._write = write
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.groups = 0
        self.last_error = ""

    def start(self) -> None:
        """Start the thread."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="kcollect-store", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, then end the thread; blocks until then."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def waiting(self) -> int:
        """Messages that wait."""
        return len(self._waiting)

    def submit(self, message: Message) -> Future[None]:
        """Queue a message. The future gives ``None`` once it is stored durably, else raises ``StoreError``.

        Cancelling the future takes the message back unless it is being written.

        It raises ``StoredInPart`` where parts of the message are to be sent instead.

        :raises QueueFull: too much waits already.
        :raises StoreError: the queue is stopping.
        """
        waiting = _Waiting(message, Future())
        with self._changed:
            if self._stopping:
                raise StoreError("kcollect is stopping")
            too_large = self._bytes and self._bytes + message.size > self._max_bytes
            if too_large or len(self._waiting) >= self._max_waiting:
                raise QueueFull(f"{len(self._waiting)} messages wait to be stored already")
            self._waiting.append(waiting)
            self._bytes += message.size
            self._changed.notify()
        return waiting.done

    def _run(self) -> None:
        while group := self._next_group():
            live = [waiting for waiting in group if waiting.done.set_running_or_notify_cancel()]
            if live:
                self._store(live)

    def _next_group(self) -> list[_Waiting]:
        """What waits, up to a full group; empty once stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            group: list[_Waiting] = []
            flows = 0
            while self._waiting and (not group or flows + self._waiting[0].message.batch.length <= GROUP_FLOWS):
                waiting = self._waiting.popleft()
                group.append(waiting)
                flows += waiting.message.batch.length
                self._bytes -= waiting.message.size
            return group

    def _store(self, group: list[_Waiting]) -> None:
        self.groups += 1
        try:
            in_parts = self._write([waiting.message for waiting in group])
        except BaseException as error:  # the thread must live, and every sender must get an answer
            self.last_error = str(error)
            self._failed(group, error)
            return
        self.last_error = ""
        for waiting in group:
            if any(waiting.message is message for message in in_parts):
                waiting.done.set_exception(StoredInPart("a part of this message is stored already: send it in parts"))
            else:
                waiting.done.set_result(None)

    def _failed(self, group: list[_Waiting], error: BaseException) -> None:
        for waiting in group:
            waiting.done.set_exception(error)
