"""How delivery for one device fares: what waits, and what became of the last attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from kproxy_tw.deliver.condition import Condition
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.parking import Parking
from kproxy_tw.deliver.queue import MessageQueue

if TYPE_CHECKING:
    from kproxy_tw.deliver.lanes.client import Pause


@attrs.frozen(kw_only=True)
class SenderStatus:
    """How a sender fares.

    :ivar url: the flow endpoint.
    :ivar connected: whether the last attempt brought an answer.
    :ivar last_status: of the last answer, 0 before the first.
    :ivar last_error: what was wrong with the last attempt; empty if nothing.
    :ivar last_attempt: monotonic seconds; minus infinity before the first.
    :ivar retry_in_ms: until the next attempt, 0 if none is waited for.
    :ivar queue_length, queue_bytes, queue_highwater: of the messages without a fate, that under way included.
    :ivar oldest_ms: age of the oldest of them.
    :ivar problem: why delivery counts as failing; empty while it does not.
    """

    url: str
    connected: bool
    last_status: int
    last_error: str
    last_attempt: float
    retry_in_ms: int
    queue_length: int
    queue_bytes: int
    queue_highwater: int
    oldest_ms: int
    problem: str


@attrs.frozen(kw_only=True, eq=False)
class Standing:
    """A sender, looked at from outside; it changes nothing.

    :param reactor: ``seconds()`` gives monotonic seconds.
    """

    _reactor: Any
    _url: str
    _config: DeliverConfig
    _queue: MessageQueue
    _parking: Parking
    _condition: Condition
    _pause: Pause

    @property
    def queued(self) -> int:
        """Messages without a fate, that under way included."""
        return len(self._queue) + len(self._parking)

    @property
    def highwater(self) -> int:
        """The most messages that ever waited."""
        return self._queue.highwater

    @property
    def last_attempt(self) -> float:
        """Monotonic seconds; minus infinity before the first."""
        return self._condition.last_attempt

    @property
    def last_error(self) -> str:
        """What was wrong with the last attempt; empty if nothing."""
        return self._condition.last_error

    @property
    def retry_in_ms(self) -> int:
        """Until the next attempt, 0 if none is waited for."""
        return self._pause.left_ms

    def oldest_ms(self, now: float) -> int:
        """Age of the oldest message."""
        oldest = self._queue.oldest
        return round((now - oldest.created) * 1000) if oldest is not None else 0

    def problem(self, now: float) -> str:
        """Why delivery counts as failing; empty while it does not."""
        return self._condition.problem(
            now,
            waiting=len(self._queue),
            attempts=self._config.failing_attempts,
            seconds=self._config.failing_seconds,
        )

    def seconds_without_success(self, now: float) -> float:
        """Since the last success, or since something began to wait after that."""
        return now - self._condition.since

    def status(self) -> SenderStatus:
        """Everything as it is now."""
        now, condition = self._reactor.seconds(), self._condition
        return SenderStatus(
            url=self._url,
            connected=condition.connected,
            last_status=condition.last_status,
            last_error=condition.last_error,
            last_attempt=condition.last_attempt,
            retry_in_ms=self.retry_in_ms,
            queue_length=self.queued,
            queue_bytes=self._queue.bytes + self._parking.bytes,
            queue_highwater=self.highwater,
            oldest_ms=self.oldest_ms(now),
            problem=self.problem(now),
        )
