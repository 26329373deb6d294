"""BacklogService: delivers what only the disk has, oldest first, and slower than what is new.

A backend that comes back after an outage must not be drowned: while devices send, the backlog goes at no more than
their rate, so that both together are at most twice the normal one; and one message at a time.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

import attrs

from kproxy_tw.backoff import Uniform
from kproxy_tw.deliver.attempt import Outcome, attempt
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.keeper import Letters, NoLetters
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.parking import TRIES, TRY_SECONDS
from kproxy_tw.deliver.retry import Backoff, Fate, Verdict
from kproxy_tw.deliver.split import split
from kproxy_tw.deliver.spool.record import BatchId, Origin
from kproxy_tw.deliver.spool.service import SpoolService
from kproxy_tw.deliver.spool.store import Stored
from kproxy_tw.deliver.target import Recipient, sender_id
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.ledger import Ledger
from kproxy_tw.offload import Offload

TAKE_BYTES = 1 << 20
"""Read from the disk at once."""

IDLE_SECONDS = 1.0
"""Between two looks at a spool that has nothing, or a backend that takes nothing."""

LEAST_BYTES_PER_SECOND = 1 << 20
"""So fast the backlog goes though no device sends."""

RATE_SECONDS = 60.0
"""Over this time the rate of what devices send is taken."""

READING_SECONDS = 1.0

MAX_REFUSED = 32
"""Messages that the backend has refused and that wait for another try."""


@attrs.frozen
class _Refused:
    due: float
    stored: Stored


class Delivering(Protocol):
    """What is delivered from memory, as far as the backlog needs to know."""

    def bytes_sent(self) -> int:
        """Of all messages so far."""

    def healthy(self) -> bool:
        """Whether the backend takes messages, as far as anybody has tried."""


class BacklogService(Service):
    """Takes messages from ``spool`` for as long as it runs.

    :param session: of the backlog alone.
    :param url: the flow endpoint.
    :param recipient: the device with that number; ``None``: it is not known.
    :param knows_devices: whether there is a device list at all.
    :param ledger: where the flows of an origin stand.
    :param live: what is delivered beside it.
    :param offload: splits messages away from the reactor.
    :param wall: seconds since 1970.
    :param letters: has messages that the backend refuses for good.
    :param uniform: draws the jitter of the waits.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        spool: SpoolService,
        session: UpstreamSession,
        url: str,
        recipient: Callable[[int], Recipient | None],
        knows_devices: Callable[[], bool],
        ledger: Callable[[Origin], Ledger],
        live: Delivering,
        config: DeliverConfig,
        offload: Offload,
        wall: Callable[[], float],
        letters: Letters | None = None,
        uniform: Uniform = random.uniform,
    ) -> None:
        self._reactor = reactor
        self._spool = spool
        self._session = session
        self._url = url
        self._recipient = recipient
        self._knows_devices = knows_devices
        self._ledger = ledger
        self._live = live
        self._config = config
        self._offload = offload
        self._wall = wall
        self._uniform = uniform
        self._letters = letters or NoLetters()
        self._refused: deque[_Refused] = deque()
        self._tries: dict[BatchId, int] = {}
        self._readings: deque[tuple[float, int]] = deque()
        self._loop: Deferred[None] | None = None

    def startService(self) -> None:
        """Begin to look at the spool."""
        super().startService()
        self._loop = Deferred.fromCoroutine(self._run())
        self._loop.addErrback(lambda failure: failure.trap(CancelledError) and None)
        self._loop.addErrback(lambda failure: self.log.failure("the backlog met a bug; please report this", failure))

    def stopService(self) -> Deferred[None]:
        """Give back what is not delivered yet."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await self._loop
        self._spool.give_back([refused.stored for refused in self._refused])
        await self._session.close()

    async def _run(self) -> None:
        backoff = self._backoff()
        while True:
            wait = await self._round(backoff)
            if wait == 0:
                backoff = self._backoff()
            await self._sleep(wait or self._uniform(0, IDLE_SECONDS))

    async def _round(self, backoff: Backoff) -> float:
        """Deliver some messages. :return: seconds to stay away after a failure, 0 when there was none."""
        if not (self._spool.waiting().messages and self._knows_devices() and self._live.healthy()):
            return 0
        taken = deque(await self._next())
        try:
            while taken:
                outcome = await self._attempt(taken[0])
                if outcome.fate in (Fate.RETRY, Fate.HOLD):
                    self._ledger(taken[0].record.batch.origin).messages_retried += 1
                    hold = self._config.hold_seconds
                    return hold if outcome.fate is Fate.HOLD else outcome.verdict.wait + backoff.next()
                if not await self._settle(taken[0], outcome):
                    return IDLE_SECONDS
                stored = taken.popleft()
                await self._sleep(self._pause(len(stored.record.body)))
        finally:
            self._spool.give_back(taken)
        return 0

    async def _attempt(self, stored: Stored) -> Outcome:
        """Try one message."""
        record = stored.record
        recipient = self._recipient(record.batch.device_id)
        if recipient is None:
            return Outcome(Verdict(Fate.REJECT), 0, "its device is not registered")
        return await attempt(
            self._session,
            self._url,
            sender_id=sender_id(recipient),
            batch=record.batch,
            body=record.body,
            config=self._config,
            wall=self._wall,
        )

    async def _settle(self, stored: Stored, outcome: Outcome) -> bool:
        """The backend has taken a message, or refused it. False: its halves find no room yet."""
        if outcome.fate is Fate.SPLIT:
            halves = await self._offload(partial(split, self._message(stored)))
            if halves:
                return self._replace(stored, halves)
        elif outcome.fate is Fate.REFUSE and self._again_later(stored):
            return True
        self._end(stored, outcome)
        return True

    def _message(self, stored: Stored) -> Message:
        record = stored.record
        age = self._wall() - record.created_ms / 1000
        return Message(record.body, record.flows, self._reactor.seconds() - age, record.batch)

    def _replace(self, stored: Stored, halves: Sequence[Message]) -> bool:
        """Let the disk keep the halves instead of the whole: they are written before it is struck off."""
        if not self._spool.has_room(sum(len(half.body) for half in halves)):
            return False
        for half in halves:
            self._spool.take_over(half)
        self._ledger(stored.record.batch.origin).split_message()
        self._spool.done(stored)
        return True

    async def _next(self) -> Sequence[Stored]:
        """What was refused long enough ago, or else the oldest of the disk."""
        now, due = self._reactor.seconds(), []
        while self._refused and self._refused[0].due <= now:
            due.append(self._refused.popleft().stored)
        return due or await self._spool.take(TAKE_BYTES)

    def _again_later(self, stored: Stored) -> bool:
        """Keep a refused message aside; false when it had its tries, or too many are there already."""
        batch = stored.record.batch
        tries = self._tries.pop(batch, 0) + 1
        if tries >= TRIES or len(self._refused) >= MAX_REFUSED:
            return False
        self._tries[batch] = tries
        self._refused.append(_Refused(self._reactor.seconds() + TRY_SECONDS, stored))
        return True

    def _end(self, stored: Stored, outcome: Outcome) -> None:
        """Book the fate of a message, and let the disk forget it."""
        record = stored.record
        ledger = self._ledger(record.batch.origin)
        self._tries.pop(record.batch, None)
        self._spool.done(stored)
        if outcome.fate is Fate.DELIVERED:
            ledger.deliver_message(record.flows, len(record.body))
        elif outcome.fate is Fate.REJECT:
            ledger.drop_messages("unregistered", 1, record.flows)
        else:
            ledger.refuse_message(record.flows)
            self._letters.keep(record.batch, record.body, outcome.status)
            device = record.batch.device_id
            self.log.error("a message of device {device} is lost: {why}", device=device, why=outcome.problem)

    def _pause(self, size: int) -> float:
        """How long to wait behind ``size`` bytes, so that the backlog goes no faster than what is new."""
        now, sent = self._reactor.seconds(), self._live.bytes_sent()
        if not self._readings or now - self._readings[-1][0] >= READING_SECONDS:
            self._readings.append((now, sent))
        while now - self._readings[0][0] > RATE_SECONDS:
            self._readings.popleft()
        then, before = self._readings[0]
        rate = (sent - before) / (now - then) if now > then else 0.0
        return size / max(rate, LEAST_BYTES_PER_SECOND)

    def _backoff(self) -> Backoff:
        return Backoff(self._uniform, self._config.backoff_seconds, self._config.max_backoff_seconds)

    def _sleep(self, seconds: float) -> Deferred[None]:
        timer: Any = None
        sleeping: Deferred[None] = Deferred(lambda _deferred: timer.cancel())
        timer = self._reactor.callLater(seconds, sleeping.callback, None)
        return sleeping
