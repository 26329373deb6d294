"""MessageQueue: what waits for the backend, bounded per device and in total.

A full queue drops its oldest message that is not under way: the newest telemetry is worth most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from kproxy_tw.deliver.message import Message


class SharedRoom:
    """The bound on all queues together: when it is exceeded, the queue that holds most bytes gives way.

    :param max_bytes: of all message bodies.
    """

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._queues: set[MessageQueue] = set()

    def join(self, queue: MessageQueue) -> None:
        """Count ``queue`` from now on."""
        self._queues.add(queue)

    def leave(self, queue: MessageQueue) -> None:
        """Stop counting ``queue``, which is empty for good."""
        self._queues.discard(queue)

    def make(self) -> None:
        """Let the largest queues drop their oldest messages until all fit, or only messages under way are left."""
        while self.bytes > self._max_bytes:
            largest = max(self._queues, key=lambda queue: queue.waiting_bytes)
            if not largest.drop_oldest():
                return


class MessageQueue:
    """One device's messages, oldest first; those taken stay in the books until they are done.

    :param room: shared with the other devices' queues.
    :param dropped: told of every message that had to give way.
    :ivar highwater: the longest it ever was.
    """

    def __init__(
        self, *, max_messages: int, max_bytes: int, room: SharedRoom, dropped: Callable[[Message], None]
    ) -> None:
        self.waiting_bytes = 0
        self.highwater = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._room = room
        self._dropped = dropped
        self._waiting: deque[Message] = deque()
        self._taken: list[Message] = []
        room.join(self)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    @property
    def waiting(self) -> int:
        """Messages that are not under way."""
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """Of all bodies, those under way included."""
        return self.waiting_bytes + sum(len(message.body) for message in self._taken)

    @property
    def oldest(self) -> Message | None:
        """The message that has been under way for longest, or else the first to go."""
        return self._taken[0] if self._taken else self._waiting[0] if self._waiting else None

    def push(self, message: Message) -> None:
        """Append a message; whatever no longer fits is dropped, in the worst case the new one itself."""
        self._waiting.append(message)
        self._count(len(message.body))
        while len(self) > self._max_messages or self.bytes > self._max_bytes:
            if not self.drop_oldest():
                break
        self._room.make()
        self.highwater = max(self.highwater, len(self))

    def take(self) -> Message | None:
        """Give the oldest message out that is not under way; ``None`` when there is none."""
        if not self._waiting:
            return None
        message = self._waiting.popleft()
        self.waiting_bytes -= len(message.body)
        self._taken.append(message)
        return message

    def done(self, message: Message) -> None:
        """Strike a message that was taken off the books: it has its fate."""
        self._taken.remove(message)
        self._room.bytes -= len(message.body)

    def put_back(self, message: Message) -> None:
        """Let a message that was taken wait again, before all others."""
        self._taken.remove(message)
        self._waiting.appendleft(message)
        self.waiting_bytes += len(message.body)

    def replace(self, message: Message, parts: Sequence[Message]) -> None:
        """Let ``parts`` wait in the place of a message that was taken, before all others."""
        self.done(message)
        for part in reversed(parts):
            self._waiting.appendleft(part)
            self._count(len(part.body))
        self._room.make()

    def drop_oldest(self) -> bool:
        """Drop the oldest message that is not under way; false when there is none."""
        if not self._waiting:
            return False
        message = self._waiting.popleft()
        self._count(-len(message.body))
        self._dropped(message)
        return True

    def clear(self) -> list[Message]:
        """Take out everything that is not under way; the caller gives each message its fate."""
        waiting = list(self._waiting)
        self._count(-self.waiting_bytes)
        self._waiting.clear()
        return waiting

    def _count(self, size: int) -> None:
        self.waiting_bytes += size
        self._room.bytes += size
