"""Both ends of a session's numbered messages: what to send again after a broken stream, and the proof of a gap.

Each end numbers the messages that it writes and counts those that it has read, over all streams of the session. On a
new stream each tells the other both counts (``counter-up``, ``counter-down``), and sends again what the other has not
read. Pure: the agent and kcollect's target keep one :class:`Exchange` for each session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from kproxy_tw.errors import KproxyError

REPLAY_BYTES = 1 << 20
"""So much of what was sent is kept, the messages' own weight included."""

MESSAGE_WEIGHT = 224
"""What a message costs beside its bytes, about: many small ones do not outgrow the limit."""

SETTLED_SECONDS = 120.0
"""On an unbroken stream, what is older than this has arrived: four times what a dead path needs to be noticed."""

Chunks = tuple[bytes, ...]
"""The pieces of one message; empty for a message without data."""


class Gap(KproxyError):
    """The counts prove that bytes are lost, or that the ends speak of different sessions; ``str()`` says which."""


class ReplayBuffer:
    """The last messages sent, oldest first. :ivar sent: how many there were, the number of the last one."""

    def __init__(self, limit: int = REPLAY_BYTES) -> None:
        self.sent = 0
        self._limit = limit
        self._kept: deque[tuple[int, float, Chunks]] = deque()  # weight, when it was sent, what
        self._weight = 0

    @property
    def weight(self) -> int:
        """What is kept, in bytes."""
        return self._weight

    def append(self, chunks: Sequence[bytes], now: float) -> int:
        """Number a message that is about to be written. The oldest ones make room.

        :param now: monotonic seconds.
        """
        kept = tuple(chunks) if len(chunks) < 2 else (b"".join(chunks),)  # many small pieces weigh more than one
        weight = MESSAGE_WEIGHT + sum(map(len, kept))
        self._kept.append((weight, now, kept))
        self._weight += weight
        self.sent += 1
        while self._weight > self._limit:
            self._drop_oldest()
        return self.sent

    def settle(self, before: float) -> None:
        """Forget what was sent earlier than ``before``: for a stream that was never broken since."""
        while self._kept and self._kept[0][1] < before:
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
        return [chunks for _weight, _sent_at, chunks in islice(self._kept, missing)]

    def _drop_oldest(self) -> None:
        self._weight -= self._kept.popleft()[0]


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
