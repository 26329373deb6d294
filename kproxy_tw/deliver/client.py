"""DeviceSender: one device's messages on their way out, in order, one POST at a time, until each has a fate."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs

from kproxy_tw.backoff import Uniform
from kproxy_tw.deliver.condition import Condition
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.keeper import Keeper, Letters, NoKeeper, NoLetters
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.parking import Parking
from kproxy_tw.deliver.queue import MessageQueue, SharedRoom
from kproxy_tw.deliver.retry import Backoff, Fate, Verdict, verdict
from kproxy_tw.deliver.spool.record import BatchId, Origin
from kproxy_tw.deliver.target import target
from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer, UpstreamSession
from kproxy_tw.ledger import Ledger

HEADERS = {"Content-Type": "application/binary", "Content-Encoding": "gzip"}

BATCH_HEADER = "X-Kproxy-Batch"
"""Names the message, so that a collector that sees it twice can tell."""

KEPT_REASONS = frozenset({"queue_full", "shutdown"})
"""For these a message is given up only where nobody can keep it for later."""

LOG_EVERY = 60
"""Of failures in a row, the first is logged and then one in so many."""

_TOLD = {
    Fate.RETRY: "cannot deliver for {sender}: {error}; will try again",
    Fate.HOLD: "cannot deliver for {sender}: {error}; messages are held, with one attempt a minute",
    Fate.REFUSE: "a message of {sender} was refused: {error}; it is tried three times over ten minutes",
    Fate.REJECT: "a message of {sender} is lost: {error}",
}

_HINTS = {
    401: "the e-mail or the token is not accepted; check -api_email and KENTIK_API_TOKEN",
    403: "this user may not send flow; check -api_email and its rights",
    404: "no such URL; check -region, -api and -flow_url",
    413: "the message is too large for it",
}


@attrs.frozen(kw_only=True)
class DeviceSessions:
    """The two sessions that a device has.

    :ivar flow: carries its flow.
    :ivar snmp: is kept for what is polled from it, so that neither waits for the other.
    """

    flow: UpstreamSession
    snmp: UpstreamSession

    async def close(self) -> None:
        """Close both."""
        await self.flow.close()
        await self.snmp.close()


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


class DeviceSender:
    """Owns a device's messages from :meth:`submit` on: each is acknowledged, or dropped with its reason counted.

    :param sessions: of this device; closed by :meth:`drain`.
    :param url: the flow endpoint.
    :param sender_id: ``company:name:id``.
    :param ledger: the device's; every record of a message submitted is in flight there.
    :param room: shared with the other senders.
    :param origin: what the messages are numbered under.
    :param keeper: has messages that memory has no room for, and those that are left at a stop.
    :param letters: has messages that the backend refuses for good.
    :param wall: seconds since 1970, for ``Retry-After`` dates.
    :param uniform: draws the jitter of the waits.
    :ivar bytes_sent: of the messages that it has delivered.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        sessions: DeviceSessions,
        url: str,
        sender_id: str,
        ledger: Ledger,
        config: DeliverConfig,
        room: SharedRoom,
        origin: Origin,
        keeper: Keeper | None = None,
        letters: Letters | None = None,
        wall: Callable[[], float] = time.time,
        uniform: Uniform = random.uniform,
    ) -> None:
        self.sessions = sessions
        self.ledger = ledger
        self.bytes_sent = 0
        self._reactor = reactor
        self._url = url
        self._sender_id = sender_id
        self._config = config
        self._wall = wall
        self._uniform = uniform
        self._condition = Condition()
        self._origin = origin
        self._keeper = keeper or NoKeeper()
        self._letters = letters or NoLetters()
        self._parking = Parking(reactor, self._try_again)
        self._numbers = count(1)
        self._room = room
        self._queue = MessageQueue(
            max_messages=config.max_messages,
            max_bytes=config.max_device_bytes,
            room=room,
            dropped=lambda message: self._give_up(message, "queue_full"),
        )
        self._loop: Deferred[None] | None = None
        self._idle: Deferred[None] | None = None
        self._pause: Deferred[None] | None = None
        self._retry_at = 0.0
        self._closing = ""
        self._deadline = float("inf")

    @property
    def sender_id(self) -> str:
        """``company:name:id``."""
        return self._sender_id

    def rename(self, sender_id: str) -> None:
        """The device has a new name or company: used from the next attempt on."""
        self._sender_id = sender_id

    def submit(self, message: Message) -> None:
        """Take a message over. After :meth:`drain` began it goes the way of the rest."""
        message = attrs.evolve(message, batch=BatchId(*self._origin, next(self._numbers)))
        if self._closing:
            self._give_up(message, self._closing)
            return
        if not len(self._queue):
            self._condition.waits(self._reactor.seconds())
        self._keeper.entered(message)
        self._queue.push(message)
        self._start()

    async def drain(self, deadline_seconds: float, reason: str = "shutdown") -> None:
        """Try to send what waits, keep or drop the rest, close the sessions.

        :param deadline_seconds: so long at most, and no longer than there is something to hope for.
        :param reason: what the ledger is told of the records that are dropped.
        """
        self._closing = reason
        self._deadline = self._reactor.seconds() + deadline_seconds
        self._resume()
        self._start()
        if self._loop is not None:
            timer = self._reactor.callLater(deadline_seconds, self._loop.cancel)
            self._idle = Deferred()
            await self._idle
            if timer.active():
                timer.cancel()
        self.discard(reason)
        if (message := self._queue.take()) is not None:
            self._give_up(message, reason)
            self._queue.done()
        self._room.leave(self._queue)
        await self.sessions.close()

    def discard(self, reason: str) -> None:
        """Keep or drop what waits, except the message under way."""
        for message in (*self._parking.clear(), *self._queue.clear()):
            self._give_up(message, reason)

    @property
    def highwater(self) -> int:
        """The most messages that ever waited."""
        return self._queue.highwater

    @property
    def waiting(self) -> int:
        """Messages without a fate, that under way included."""
        return len(self._queue) + len(self._parking)

    @property
    def oldest_ms(self) -> int:
        """Age of the oldest of them."""
        oldest = self._queue.oldest
        return round((self._reactor.seconds() - oldest.created) * 1000) if oldest is not None else 0

    @property
    def last_attempt(self) -> float:
        """Monotonic seconds; minus infinity before the first."""
        return self._condition.last_attempt

    @property
    def retry_in_ms(self) -> int:
        """Until the next attempt, 0 if none is waited for."""
        return max(0, round((self._retry_at - self._reactor.seconds()) * 1000)) if self._pause is not None else 0

    def problem(self) -> str:
        """Why delivery counts as failing; empty while it does not."""
        return self._condition.problem(
            self._reactor.seconds(),
            waiting=len(self._queue),
            attempts=self._config.failing_attempts,
            seconds=self._config.failing_seconds,
        )

    def status(self) -> SenderStatus:
        """How it fares now."""
        condition = self._condition
        return SenderStatus(
            url=self._url,
            connected=condition.connected,
            last_status=condition.last_status,
            last_error=condition.last_error,
            last_attempt=condition.last_attempt,
            retry_in_ms=self.retry_in_ms,
            queue_length=self.waiting,
            queue_bytes=self._queue.bytes + self._parking.bytes,
            queue_highwater=self.highwater,
            oldest_ms=self.oldest_ms,
            problem=self.problem(),
        )

    def _start(self) -> None:
        if self._loop is None and len(self._queue):
            self._loop = Deferred.fromCoroutine(self._run())
            self._loop.addBoth(self._ended)

    def _ended(self, result: Failure | None) -> None:
        self._loop = None
        if isinstance(result, Failure) and not (self._closing and result.check(CancelledError)):
            # The message stays first in the queue, and the next submission starts the loop again.
            self._condition.failed(self._reactor.seconds(), 0, f"internal error: {type(result.value).__name__}")
            self.log.failure("delivery for {sender} stopped", result, sender=self._sender_id)
        if self._idle is not None:
            self._idle.callback(None)

    async def _run(self) -> None:
        while (message := self._queue.take()) is not None:
            if not await self._deliver(message):
                return
            self._queue.done()

    async def _deliver(self, message: Message) -> bool:
        """Repeat attempts until ``message`` has a fate; false when the deadline comes before the next one."""
        backoff = Backoff(self._uniform, self._config.backoff_seconds, self._config.max_backoff_seconds)
        while True:
            said = await self._attempt(message)
            if said.fate is Fate.DELIVERED:
                self._acknowledged(message)
                return True
            if said.fate in (Fate.REFUSE, Fate.REJECT):
                self._refused(message, said.fate)
                return True
            hold = self._config.hold_seconds
            if not await self._wait(hold if said.fate is Fate.HOLD else said.wait + backoff.next()):
                return False
            self.ledger.messages_retried += 1

    async def _attempt(self, message: Message) -> Verdict:
        try:
            answer = await self.sessions.flow.request(
                "POST",
                target(self._url, self._sender_id),
                body=message.body,
                headers=HEADERS | {BATCH_HEADER: str(message.batch)},
                seconds=self._config.post_seconds,
                limit=self._config.max_answer_bytes,
            )
        except UpstreamError as error:
            return self._note(Verdict(Fate.RETRY), 0, str(error))
        said = verdict(answer.status, answer.headers.get("retry-after"), self._wall())
        return self._note(said, answer.status, _describe(answer))

    def _note(self, said: Verdict, status: int, error: str) -> Verdict:
        """Remember how an attempt ended, and tell what is new about it."""
        now, condition = self._reactor.seconds(), self._condition
        held, failures = condition.held, condition.failures
        if said.fate is Fate.DELIVERED:
            condition.delivered(now, status)
            if failures:
                self.log.info("delivery for {sender} works again", sender=self._sender_id)
            return said
        condition.failed(now, status, error, held=said.fate is Fate.HOLD)
        if failures % LOG_EVERY == 0 or condition.held > held:
            tell = self.log.warn if said.fate is Fate.RETRY else self.log.error
            tell(_TOLD[said.fate], sender=self._sender_id, error=error)
        return said

    def _refused(self, message: Message, fate: Fate) -> None:
        """Try it again later, or set it aside for good."""
        if fate is Fate.REFUSE and self._parking.park(message):
            return
        self._letters.keep(message.batch, message.body, self._condition.last_status)
        self._drop(message, "rejected")

    def _try_again(self, message: Message) -> None:
        if not len(self._queue):
            self._condition.waits(self._reactor.seconds())
        self._queue.push(message)
        self._start()

    def _give_up(self, message: Message, reason: str) -> None:
        """Memory is to forget a message: it is kept elsewhere, or dropped."""
        if reason not in KEPT_REASONS or not self._keeper.take_over(message):
            self._drop(message, reason)

    def _drop(self, message: Message, reason: str) -> None:
        self._keeper.left(message)
        self.ledger.drop(reason, message.flows)

    def _acknowledged(self, message: Message) -> None:
        self._keeper.left(message)
        self.ledger.forward(message.flows)
        self.ledger.messages_sent += 1
        self.ledger.bytes_sent += len(message.body)
        self.bytes_sent += len(message.body)

    async def _wait(self, seconds: float) -> bool:
        """Wait, or until :meth:`_resume`; false, at once, if the deadline comes first."""
        self._retry_at = self._reactor.seconds() + seconds
        if self._retry_at >= self._deadline:
            return False
        self._pause = Deferred()
        timer = self._reactor.callLater(seconds, self._resume)
        try:
            await self._pause
        finally:
            self._pause = None
            if timer.active():
                timer.cancel()
        return True

    def _resume(self) -> None:
        if self._pause is not None:
            self._pause.callback(None)


def _describe(answer: Answer) -> str:
    """Say what an answer that is no success means. Its body is left out: it may repeat what we sent."""
    if 300 <= answer.status <= 399:
        return f"the backend answered {answer.status}: a redirect, which credentials do not follow; check -flow_url"
    hint = _HINTS.get(answer.status)
    return f"the backend answered {answer.status}" + (f": {hint}" if hint else "")
