"""Both ends of a session's numbered messages: what to send again after a broken stream, and the proof of a gap.

Each end numbers the messages that it writes and counts those that it has read, over all streams of the session. On a
new stream each tells the other both counts (``counter-up``, ``counter-down``), and sends again what the other has not
read. Pure: the agent and kcollect's target keep one :class:`Exchange` for each session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from kproxy_tw.errors import KproxyError

REPLAY_BYTES = 1 << 20
"""So much of what was sent is kept, the messages' own weight included."""

MESSAGE_WEIGHT = 48
"""What a message costs beside its bytes, about: many small ones do not outgrow the limit."""

SETTLED_SECONDS = 120.0
"""On an unbroken stream, what is older than this has arrived: four times what a dead path needs to be noticed."""

MARK_SECONDS = 1.0
"""So exactly is kept when a message was sent."""

Chunks = tuple[bytes, ...]
"""The pieces of one message; empty for a message without data. What is kept is one piece."""


class Gap(KproxyError):
    """The counts prove that bytes are lost, or that the ends speak of different sessions; ``str()`` says which."""


class ReplayBuffer:
    """The last messages sent, oldest first. :ivar sent: how many there were, the number of the last one."""

    def __init__(self, limit: int = REPLAY_BYTES) -> None:
        self.sent = 0
        self._limit = limit
        self._kept: deque[bytes] = deque()
        self._weight = 0
        self._marks: deque[tuple[float, int]] = deque()  # a second, and the number of the first message in it

    @property
    def weight(self) -> int:
        """What is kept, in bytes."""
        return self._weight

    def append(self, chunks: Sequence[bytes], now: float) -> int:
        """Number a message that is about to be written. The oldest ones make room.

        :param now: monotonic seconds.
        """
        message = b"".join(chunks)
        self._kept.append(message)
        self._weight += MESSAGE_WEIGHT + len(message)
        self.sent += 1
        if not self._marks or self._marks[-1][0] + MARK_SECONDS <= now:
            self._marks.append((now, self.sent))
        while self._weight > self._limit:
            self._drop_oldest()
        return self.sent

    def settle(self, before: float) -> None:
        """Forget what was sent earlier than ``before``: for a stream that was never broken since."""
        while self._marks and self._marks[0][0] + MARK_SECONDS <= before:
            self._marks.popleft()
            first = self._marks[0][1] if self._marks else self.sent + 1
            while self._kept and self._oldest < first:
                self._drop_oldest()

    def after(self, received: int) -> list[Chunks]:
        """The messages that a peer which has read ``received`` has not, to be written again in this order.

        What it has read is forgotten. :raises Gap: some of them are no longer kept, or were never sent.
        """
        missing = self.sent - received
        if missing < 0 or received < 0:
            raise Gap(f"the other end counts {received} messages of {self.sent} that were sent")
        if missing > len(self._kept):
            raise Gap(f"{missing} messages have not arrived, and only the last {len(self._kept)} are kept")
        while len(self._kept) > missing:
            self._drop_oldest()
        return [(message,) if message else () for message in self._kept]

    @property
    def _oldest(self) -> int:
        """The number of the oldest message that is kept."""
        return self.sent - len(self._kept) + 1

    def _drop_oldest(self) -> None:
        self._weight -= MESSAGE_WEIGHT + len(self._kept.popleft())
        while len(self._marks) > 1 and self._marks[1][1] <= self._oldest:
            self._marks.popleft()


class Exchange:
    """One end's count of a session.

    :ivar out: what this end has sent.
    :ivar received: messages that this end has read and used.
    """

    def __init__(self, limit: int = REPLAY_BYTES) -> None:
        self.out = ReplayBuffer(limit)
        self.received = 0

    def resume(self, *, peer_sent: int, peer_received: int) -> list[Chunks]:
        """Compare counts at the start of a stream; the messages to write again before any new one.

        :raises Gap: the session cannot go on without a lost or doubled byte.
        """
        if peer_sent < self.received:
            raise Gap(f"the other end counts {peer_sent} messages sent, of which {self.received} were read here")
        return self.out.after(peer_received)
