"""SpoolService: keeps messages on disk that the backend has not taken yet; all disk work in a thread of its own.

A message that is delivered at once never sees the disk. One that is still there after a quarter second is written,
together with all others of that age, by one synchronization: so a crash loses what came in the last half second, or
4 MiB. What memory has no room for, and what is left at a stop, lives on disk alone until it is delivered from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.spool.custody import Custody, Errand
from kproxy_tw.deliver.spool.limits import Lost, SpoolStatus, Stock
from kproxy_tw.deliver.spool.record import SpoolRecord
from kproxy_tw.deliver.spool.segment import Place
from kproxy_tw.deliver.spool.store import Spool, Stored
from kproxy_tw.deliver.spool.tally import Books, Tally
from kproxy_tw.offload import ends_with_process
from kproxy_tw.status import Check

COMMIT_SECONDS = 0.5
"""How long a message may be in memory alone: half of it may pass before it is written, half until the next write."""

COMMIT_BYTES = 4 << 20
"""So many bytes that only the disk can keep are written at once."""

STOP_ROUNDS = 4
"""Writes that a stop tries before it gives up what is left."""

FAILED_LOG_SECONDS = 60.0

T = TypeVar("T")


class SpoolService(Service):
    """Fits ``Keeper``; and gives messages back from the disk, see :meth:`take`.

    :param max_bytes: of the spool, for the status.
    :param inherited: told how many more messages, and flows in them, are on disk from runs before this one.
    :param lost: told of records that will never be delivered.
    :param books: gives the flows received so far, and those of them without a fate.
    :param wall: seconds since 1970.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        spool: Spool,
        max_bytes: int,
        inherited: Callable[[int, int], None],
        lost: Callable[[Lost], None],
        books: Callable[[], Books],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._spool = spool
        self._max_bytes = max_bytes
        self._inherited = inherited
        self._lost = lost
        self._books = books
        self._wall = wall
        self._instance = uuid4()
        self._met_bug = partial(_met_bug, self.log)
        self._booked = Stock(0, 0)
        self._written = Books(0, 0)
        self._custody = Custody()
        self._thread = ThreadPool(1, 1, "spool")
        ends_with_process(self._thread)
        self._turns = LoopingCall(self._begin, COMMIT_SECONDS / 2)
        self._in_thread: Callable[[Callable[[], Any]], Deferred[Any]] = partial(
            deferToThreadPool, reactor, self._thread
        )
        self._writing: Deferred[None] | None = None
        self._status = SpoolStatus()
        self._problem = ""
        self._problem_since = 0.0
        self._quiet_until = 0.0
        self._stock: Deferred[None] | None = None
        self._usable = False
        self.entered = self._custody.entered
        self.left = self._custody.left
        self.let_go = self._custody.let_go

    def startService(self) -> None:
        """Open the directory; what it holds is read meanwhile. Without a disk that works the daemon uses memory alone.

        :raises ConfigError: another process has it.
        """
        super().startService()
        try:
            self._spool.open()
        except OSError as problem:
            self._failed(f"messages: {problem.strerror or problem}")
            return
        self._usable = True
        self._thread.start()
        for path in self._spool.set_aside:
            self.log.warn("a part of the spool that cannot be used was set aside: {path}", path=path)
        if self._spool.tallies.crash_gap:
            self.log.warn(
                "the last run did not end in order: up to {flows} flows that it had received were in memory alone,"
                " beside those of its last half second",
                flows=self._spool.tallies.crash_gap,
            )
        self._stock = Deferred.fromCoroutine(self._take_stock())
        self._stock.addErrback(self._met_bug)
        self._turns.start(COMMIT_SECONDS / 2, now=False)

    def stopService(self) -> Deferred[None]:
        """Write what is left, and close the directory."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def waiting(self) -> SpoolStatus:
        """What is on the disk, as of the last write."""
        return self._status

    def shown(self) -> dict[str, int]:
        """The same under its public names; ``OldestMs`` is an age."""
        status = self._status
        age = round(self._wall() * 1000) - status.oldest_ms if status.oldest_ms else 0
        return {
            "Messages": status.messages,
            "Bytes": status.bytes if status.messages else 0,
            "OldestMs": max(0, age),
            "MaxBytes": self._max_bytes,
            "CrashGap": self._spool.tallies.crash_gap,
            "Quarantined": len(self._spool.set_aside),
        }

    def check(self) -> Check:
        """The check ``spool``: failing while the disk does not take what it is given; warns of what was set aside."""
        if self._problem:
            seconds = self._reactor.seconds() - self._problem_since
            return Check(name="spool", status="failing", detail=self._problem, seconds=seconds)
        aside = self._spool.set_aside
        words = f"; spool_quarantined: what could not be used was set aside as {aside[-1]}" if aside else ""
        detail = f"{self._status.messages} messages on disk{words}"
        return Check(name="spool", status="ok", detail=detail, warning=bool(aside))

    def has_room(self, size: int) -> bool:
        """Whether messages of ``size`` bytes together would be taken over now."""
        return self._usable and self._custody.has_room(size)

    def take_over(self, message: Message) -> bool:
        """A sender has no room for the message, or stops."""
        taken = self._usable and self._custody.take_over(message)
        if self._custody.over_bytes >= COMMIT_BYTES and not self._problem:
            self._begin(0)
        return taken

    async def take(self, max_bytes: int) -> Sequence[Stored]:
        """The oldest messages that only the disk has, about ``max_bytes`` of them; they are the caller's now.

        The caller ends each by :meth:`done`, or gives it back by :meth:`give_back`.
        """
        if not self._usable:
            return []
        taken: Sequence[Stored]
        taken, lost = await self._in_thread(partial(self._spool.take, max_bytes))
        self._tell(lost)
        return taken

    def done(self, stored: Stored) -> None:
        """It has its fate."""
        self._custody.end(stored.place)

    def give_back(self, stored: Sequence[Stored]) -> None:
        """They could not be delivered now."""
        self._custody.release(each.place for each in stored)

    def _begin(self, age: float) -> None:
        """Write what is older than ``age`` seconds, unless a write is under way."""
        if self._writing is None and self._usable:
            errand, books = self._custody.errand(self._reactor.seconds() - age), self._books()
            if errand or books != self._written:
                self._written = books
                self._writing = Deferred.fromCoroutine(self._run(errand))
                self._writing.addErrback(self._met_bug)
                self._writing.addCallback(self._ended)

    def _ended(self, _result: object) -> None:
        self._writing = None
        if self._custody.over_bytes >= COMMIT_BYTES and not self._problem:
            self._begin(0)

    async def _run(self, errand: Errand) -> None:
        now, wall_ms = self._reactor.seconds(), round(self._wall() * 1000)
        records = [
            SpoolRecord(message.batch, message.flows, wall_ms - round((now - message.created) * 1000), message.body)
            for message in errand.messages
            if message.batch is not None
        ]
        refusals = self._spool.refusals
        try:
            places, lost, self._status = await self._in_thread(partial(_apply, self._spool, records, errand))
        except OSError as problem:
            self._custody.failed(errand)
            self._failed(f"messages: {problem.strerror or problem}")
            return
        self._tell(lost)
        self._tell(self._custody.done(errand, places))
        written = await self._write_tally(synchronize=bool(records))
        if self._spool.refusals > refusals:
            self._failed("what has become of messages")
        elif written:
            self._problem = ""

    async def _write_tally(self, *, synchronize: bool) -> bool:
        """:param synchronize: see ``TallyFile.write``. :returns: whether it is written."""
        tally = Tally.of(self._instance, self._wall(), self._written, self._status.flows)
        try:
            await self._in_thread(partial(self._spool.tallies.write, tally, synchronize=synchronize))
        except OSError as problem:
            self._failed(f"the tally: {problem.strerror or problem}")
            return False
        return True

    async def _take_stock(self) -> None:
        """A segment at a time, so that what comes in is written in between."""
        try:
            more = True
            while more:
                more, self._status = await self._in_thread(partial(_take_stock, self._spool))
                self._book()
        except OSError as problem:
            self._failed(f"messages: {problem.strerror or problem}")
            return
        if self._booked.flows:
            self.log.info("{flows} flows wait on disk from before", flows=self._booked.flows)

    def _book(self) -> None:
        """What was found on disk is in the books before anything becomes of it."""
        found, before = self._spool.inherited, self._booked
        if found != before:
            self._booked = found
            self._inherited(found.messages - before.messages, found.flows - before.flows)

    def _tell(self, lost: Sequence[Lost]) -> None:
        self._book()
        for each in lost:
            self._lost(each)

    def _failed(self, what: str) -> None:
        now = self._reactor.seconds()
        if not self._problem:
            self._problem_since = now
        self._problem = f"the disk does not keep {what}"
        if now >= self._quiet_until:
            self._quiet_until = now + FAILED_LOG_SECONDS
            self.log.error("{problem}; messages stay in memory, the oldest go when it is full", problem=self._problem)

    async def _stop(self) -> None:
        if not self._usable:
            return
        self._turns.stop()
        if self._stock is not None:
            await self._stock
        for _round in range(STOP_ROUNDS):
            self._begin(0)
            if self._writing is None:
                break
            await self._writing
        self._usable = False
        self._tell([*self._custody.abandon(), *self._spool.untold])
        tally = Tally.of(self._instance, self._wall(), self._books(), self._status.flows, ended=True)
        await self._in_thread(partial(_close, self._spool, tally))
        self._thread.stop()


def _apply(
    spool: Spool, records: Sequence[SpoolRecord], errand: Errand
) -> tuple[list[Place | None], list[Lost], SpoolStatus]:
    """Do all of an errand. :raises OSError: nothing of it is done."""
    places, lost = spool.append(records) if records else ([], [])
    spool.done(errand.ended)
    return places, [*lost, *spool.release(errand.released)], spool.status()


def _take_stock(spool: Spool) -> tuple[bool, SpoolStatus]:
    """One segment more. :return: whether there may be another one; what waits as far as it is known."""
    return spool.take_stock(), spool.status()


def _close(spool: Spool, tally: Tally) -> None:
    """Close, with a last tally if the disk takes it."""
    with suppress(OSError):
        spool.tallies.write(tally, synchronize=True)
    spool.close()


def _met_bug(log: Logger, failure: Failure) -> None:
    log.failure("the spool met a bug; please report this", failure)
