"""DeviceSender: one device's messages on their way out, the oldest first, until each has a fate."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs

from kproxy_tw.backoff import Uniform
from kproxy_tw.deliver.attempt import Outcome, attempt
from kproxy_tw.deliver.breaker import Breaker
from kproxy_tw.deliver.condition import Condition
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.keeper import Keeper, Letters, NoKeeper, NoLetters
from kproxy_tw.deliver.lanes.client import DeviceSessions, Lanes, Pause
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.parking import Parking
from kproxy_tw.deliver.queue import MessageQueue, SharedRoom
from kproxy_tw.deliver.retry import Backoff, Fate
from kproxy_tw.deliver.split import split
from kproxy_tw.deliver.spool.record import BatchId, Origin
from kproxy_tw.deliver.standing import Standing
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.ledger import Ledger
from kproxy_tw.offload import Offload

KEPT_REASONS = frozenset({"queue_full", "shutdown"})
"""For these a message is given up only where nobody can keep it for later."""

FRESH_MESSAGES = 5
"""While the backend is in trouble, so many wait in memory where the disk has the older ones: when it is back these go
at once, and the others at the pace of the backlog."""

LOG_EVERY = 60
"""Of failures in a row, the first is logged and then one in so many."""

_TOLD = {
    Fate.RETRY: "cannot deliver for {sender}: {error}; will try again",
    Fate.HOLD: "cannot deliver for {sender}: {error}; messages are held, with one attempt a minute",
    Fate.SPLIT: "a message of {sender} was refused: {error}; and there are no smaller parts to send it in",
    Fate.REFUSE: "a message of {sender} was refused: {error}; it is tried three times over ten minutes",
}


def _wait_behind(outcome: Outcome, backoff: Backoff, hold_seconds: float, *, all_held: bool) -> float:
    """Seconds until a message is tried again."""
    if outcome.fate is not Fate.HOLD:
        return outcome.verdict.wait + backoff.next()
    # While all are held, the next probe is for another device: it may be this one alone that is refused.
    return hold_seconds + (backoff.next() if all_held else 0.0)


class DeviceSender:
    """Owns a device's messages from :meth:`submit` on: each is acknowledged, or dropped with its reason counted.

    :param sessions: of this device; closed by :meth:`drain`.
    :param url: the flow endpoint.
    :param sender_id: ``company:name:id``.
    :param ledger: the device's; every record of a message submitted is in flight there.
    :param room: shared with the other senders.
    :param breaker: shared with them, too.
    :param offload: splits messages away from the reactor.
    :param origin: what the messages are numbered under.
    :param keeper: has messages that memory has no room for, and those that are left at a stop.
    :param letters: has messages that the backend refuses for good.
    :param wall: seconds since 1970, for ``Retry-After`` dates.
    :param uniform: draws the jitter of the waits.
    :ivar bytes_sent: of the messages that it has delivered.
    :ivar standing: how it fares.
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
        breaker: Breaker,
        offload: Offload,
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
        self._breaker = breaker
        self._queue = MessageQueue(
            max_messages=config.max_messages,
            max_bytes=config.max_device_bytes,
            room=room,
            dropped=lambda message: self._give_up(message, "queue_full"),
        )
        self._offload = offload
        self._one_is_enough = False
        self._pause = Pause(reactor)
        self._lanes = Lanes(sessions, run=self._run, most=self._most_lanes, broke=self._broke_off)
        self._closing = ""
        self.standing = Standing(
            reactor=reactor,
            url=url,
            config=config,
            queue=self._queue,
            parking=self._parking,
            condition=self._condition,
            pause=self._pause,
        )

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
        self.ledger.create_message()
        if self._closing:
            self._give_up(message, self._closing)
            return
        if not len(self._queue):
            self._condition.waits(self._reactor.seconds())
        self._keeper.entered(message)
        self._queue.push(message)
        self._leave_to_disk()
        self._lanes.start()

    async def drain(self, deadline_seconds: float, reason: str = "shutdown") -> None:
        """Try to send what waits, keep or drop the rest, close the sessions.

        :param deadline_seconds: so long at most, and no longer than there is something to hope for.
        :param reason: what the ledger is told of the records that are dropped.
        """
        self._closing = reason
        self._pause.deadline = self._reactor.seconds() + deadline_seconds
        self._pause.end()
        self._lanes.start()
        timer = self._reactor.callLater(deadline_seconds, self._lanes.cancel)
        await self._lanes.idle()
        if timer.active():
            timer.cancel()
        self.discard(reason)
        self._room.leave(self._queue)
        await self.sessions.close()

    def discard(self, reason: str) -> None:
        """Keep or drop what waits, except the messages under way."""
        for message in (*self._parking.clear(), *self._queue.clear()):
            self._give_up(message, reason)

    def _most_lanes(self) -> int:
        """As many as there are messages; a backend that is in trouble gets one attempt at a time."""
        alone = self._one_is_enough or self._condition.failures
        return min(1 if alone else self._config.concurrent_posts, len(self._queue))

    def _broke_off(self, failure: Failure) -> None:
        if self._closing and failure.check(CancelledError):
            return
        # The message is first in the queue again, and the next submission starts the loop anew.
        self._condition.failed(self._reactor.seconds(), 0, f"internal error: {type(failure.value).__name__}")
        self.log.failure("delivery for {sender} stopped", failure, sender=self._sender_id)

    async def _run(self, session: UpstreamSession) -> bool:
        """Deliver until nothing waits; the loop of a further session ends at the first trouble.

        :return: whether it makes sense to try what waits.
        """
        patient = session is self.sessions.flow
        while (message := self._queue.take()) is not None:
            settled = False
            try:
                settled = await self._deliver(message, session, patient=patient)
            finally:
                if not settled:
                    self._queue.put_back(message)
            if not settled:
                return not patient
        return True

    async def _deliver(self, message: Message, session: UpstreamSession, *, patient: bool) -> bool:
        """Give ``message`` its fate.

        :param patient: repeat attempts for as long as it takes.
        :return: false when it has none: the deadline comes before the next attempt, or there is to be none.
        """
        backoff = Backoff(self._uniform, self._config.backoff_seconds, self._config.max_backoff_seconds)
        while True:
            if not self._admitted():
                self._one_is_enough = True
                if patient and await self._pause.wait(backoff.next()):
                    continue
                return False
            outcome = await attempt(
                session,
                self._url,
                sender_id=self._sender_id,
                batch=message.batch,
                body=message.body,
                config=self._config,
                wall=self._wall,
            )
            if outcome.fate not in (Fate.RETRY, Fate.HOLD):
                self._breaker.worked()
                await self._settle(message, outcome)
                return True
            self._breaker.failed(self._reactor.seconds(), refused=outcome.fate is Fate.HOLD)
            if not patient:
                self._one_is_enough = True
                self.ledger.messages_retried += 1
                return False
            self._note(outcome)
            hold = self._config.hold_seconds
            if not await self._pause.wait(_wait_behind(outcome, backoff, hold, all_held=self._breaker.is_open)):
                return False
            self.ledger.messages_retried += 1

    def _admitted(self) -> bool:
        """Whether an attempt may be made now; at a stop each sender has one, for it may be the last."""
        return bool(self._closing) or self._breaker.admits(self._reactor.seconds())

    def _leave_to_disk(self) -> None:
        """Forget the oldest of what waits if the disk has it and the backend is in trouble."""
        while self._condition.failures and self._queue.waiting > FRESH_MESSAGES:
            message = self._queue.take()
            if message is None or not self._keeper.let_go(message):
                if message is not None:
                    self._queue.put_back(message)
                return
            self._queue.done(message)

    def _note(self, outcome: Outcome) -> None:
        """Remember how an attempt ended, and tell what is new about it."""
        now, condition = self._reactor.seconds(), self._condition
        held, failures = condition.held, condition.failures
        if outcome.fate is Fate.DELIVERED:
            condition.delivered(now, outcome.status)
            self._one_is_enough = False
            if failures:
                self.log.info("delivery for {sender} works again", sender=self._sender_id)
            return
        condition.failed(now, outcome.status, outcome.problem, held=outcome.fate is Fate.HOLD)
        if failures % LOG_EVERY == 0 or condition.held > held:
            tell = self.log.warn if outcome.fate is Fate.RETRY else self.log.error
            tell(_TOLD[outcome.fate], sender=self._sender_id, error=outcome.problem)

    async def _settle(self, message: Message, outcome: Outcome) -> None:
        """The backend has taken the message, or refused it."""
        halves = await self._offload(partial(split, message)) if outcome.fate is Fate.SPLIT else ()
        if halves:
            self._replace(message, halves, outcome.problem)
            return
        self._note(outcome)
        self._queue.done(message)
        if outcome.fate is Fate.DELIVERED:
            self._acknowledged(message)
        elif outcome.fate is Fate.SPLIT or not self._parking.park(message):
            self._set_aside(message)

    def _replace(self, message: Message, halves: Sequence[Message], problem: str) -> None:
        """Send the halves instead of the whole."""
        if self.ledger.messages_split % LOG_EVERY == 0:
            self.log.warn("{problem}; messages of {sender} go in halves", problem=problem, sender=self._sender_id)
        self.ledger.split_message()
        self._keeper.left(message)
        for half in halves:
            self._keeper.entered(half)
        self._queue.replace(message, halves)

    def _set_aside(self, message: Message) -> None:
        """The backend has refused it for good."""
        if self.ledger.dead_letters % LOG_EVERY == 0:
            why = self._condition.last_error
            self.log.error("a message of {sender} is lost: {why}", sender=self._sender_id, why=why)
        self._letters.keep(message.batch, message.body, self._condition.last_status)
        self._keeper.left(message)
        self.ledger.refuse_message(message.flows)

    def _try_again(self, message: Message) -> None:
        if not len(self._queue):
            self._condition.waits(self._reactor.seconds())
        self._queue.push(message)
        self._lanes.start()

    def _give_up(self, message: Message, reason: str) -> None:
        """Memory is to forget a message: it is kept elsewhere, or dropped."""
        if reason not in KEPT_REASONS or not self._keeper.take_over(message):
            self._drop(message, reason)

    def _drop(self, message: Message, reason: str) -> None:
        self._keeper.left(message)
        self.ledger.drop_messages(reason, 1, message.flows)

    def _acknowledged(self, message: Message) -> None:
        self._keeper.left(message)
        self.ledger.deliver_message(message.flows, len(message.body))
        self.bytes_sent += len(message.body)
