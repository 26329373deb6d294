"""What SNMP says of a device on its way out: interface documents and reports, over its second HTTPS session."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs

from kproxy_tw.backoff import Uniform
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.queue import MessageQueue, SharedRoom
from kproxy_tw.deliver.retry import Backoff, Fate, verdict
from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.snmp.config import Comparison
from kproxy_tw.snmp.outputs.document import Entry, Untold

HEADERS = {"Content-Type": "application/json"}

MAX_REPORTS = 288
"""Reports of one device that may wait: a day of polls each five minutes."""

MAX_REPORT_BYTES = 8 << 20
"""Bytes of one device's reports that may wait."""

HOLD_SECONDS = 60.0
"""Between two attempts when the credentials are refused."""

ABSENT_SECONDS = 3600.0
"""Between two attempts when the backend takes no such thing."""

RETRY_MAX_SECONDS = 300.0

SessionOf = Callable[[], UpstreamSession | None]
"""Gives the session to use now; ``None`` while there is none."""


class Source(Protocol):
    """Gives the bodies of one outlet."""

    def take(self) -> bytes | None:
        """The body to send next, the same as long as it is not done; ``None`` when there is none."""

    def done(self) -> None:
        """The body taken last has its fate."""


@attrs.define(kw_only=True)
class OutletStatus:
    """How one kind of request fares.

    :ivar url: where it goes; empty where it does not.
    :ivar taken, refused, failed: requests that were taken, refused for good, and that failed and were tried again.
    :ivar bytes: of what was taken.
    :ivar last_status: of the last answer, 0 before the first.
    :ivar last_error: what was wrong with the last attempt; empty if nothing.
    """

    url: str
    taken: int = 0
    refused: int = 0
    failed: int = 0
    bytes: int = 0
    last_status: int = 0
    last_error: str = ""


class Outlet:
    """Sends what a source has, one body at a time, each until it is taken, or refused for good.

    :param name: the device's, for the log.
    :param session: carries the requests; it is somebody else's to close.
    :param uniform: draws the jitter of the waits.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        name: str,
        method: str,
        url: str,
        session: SessionOf,
        source: Source,
        wall: Callable[[], float] = time.time,
        uniform: Uniform = random.uniform,
    ) -> None:
        self._reactor = reactor
        self._name = name
        self._method = method
        self._session = session
        self._source = source
        self._wall = wall
        self._fresh = lambda: Backoff(uniform, cap=RETRY_MAX_SECONDS)
        self._waits = self._fresh()
        self._loop: Deferred[None] | None = None
        self._closed = False
        self.status = OutletStatus(url=url)

    def start(self) -> None:
        """The source may have something."""
        if self._loop is None and self.status.url and not self._closed:
            self._loop = Deferred.fromCoroutine(self._run())
            self._loop.addErrback(self._broken)

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        if self._loop is not None:
            self._loop.cancel()

    def _broken(self, failure: Failure) -> None:
        self._loop = None
        if failure.check(CancelledError) is None:
            self.log.failure("what SNMP says of {device} is no longer sent", failure, device=self._name)

    async def _run(self) -> None:
        # In a turn of its own: a reading that brings several things is complete by then.
        await deferLater(self._reactor, 0)
        while not self._closed and (body := self._source.take()) is not None:
            wait = await self._attempt(body)
            if wait > 0:
                await deferLater(self._reactor, wait)
        self._loop = None

    async def _attempt(self, body: bytes) -> float:
        """Try once. :return: seconds to wait before the next attempt."""
        session = self._session()
        if session is None:
            return HOLD_SECONDS
        try:
            answer = await session.request(self._method, self.status.url, body=body, headers=HEADERS)
        except UpstreamError as problem:
            return self._retry(str(problem), 0.0)
        self.status.last_status = answer.status
        judged = verdict(answer.status, answer.headers.get("retry-after"), self._wall())
        if judged.fate is Fate.DELIVERED:
            return self._taken(body)
        said = f"{self.status.url}: HTTP {answer.status}"
        if judged.fate in (Fate.RETRY, Fate.HOLD):
            return self._retry(said, HOLD_SECONDS if judged.fate is Fate.HOLD else judged.wait)
        self.status.refused += 1
        self._source.done()
        self._tell(f"{said}: it takes no such thing; asked again in an hour")
        return ABSENT_SECONDS

    def _taken(self, body: bytes) -> float:
        self._source.done()
        self.status.taken += 1
        self.status.bytes += len(body)
        self.status.last_error = ""
        self._waits = self._fresh()
        return 0.0

    def _retry(self, problem: str, least: float) -> float:
        self.status.failed += 1
        self._tell(f"{problem}; it is tried again")
        return max(self._waits.next(), least)

    def _tell(self, problem: str) -> None:
        if not self.status.last_error:
            self.log.warn("SNMP of {device}: {problem}", device=self._name, problem=problem)
        self.status.last_error = problem


class Reports:
    """Reports of one device that wait; the oldest give way.

    :param room: shared with the other devices.
    :ivar displaced: reports that gave way.
    """

    def __init__(self, room: SharedRoom) -> None:
        self.displaced = 0
        self._room = room
        self._under_way: Message | None = None
        self._queue = MessageQueue(
            max_messages=MAX_REPORTS, max_bytes=MAX_REPORT_BYTES, room=room, dropped=self._give_way
        )

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, body: bytes, now: float) -> None:
        """One more. :param now: monotonic seconds."""
        self._queue.push(Message(body, 0, now))

    def take(self) -> bytes | None:
        """The oldest; the same again until it has its fate."""
        if self._under_way is None:
            self._under_way = self._queue.take()
        return None if self._under_way is None else self._under_way.body

    def done(self) -> None:
        """What was taken has its fate."""
        if self._under_way is not None:
            self._queue.done(self._under_way)
            self._under_way = None

    def clear(self) -> None:
        """The device is gone."""
        self.done()
        self._queue.clear()
        self._room.leave(self._queue)

    def _give_way(self, _message: Message) -> None:
        self.displaced += 1


class DeviceUplink:
    """One device's interface documents and reports on their way out.

    :param document_url: takes interface documents by PUT.
    :param report_url: takes reports by POST; empty: there are none.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        name: str,
        session: SessionOf,
        document_url: str,
        report_url: str,
        comparison: Comparison,
        room: SharedRoom,
        uniform: Uniform = random.uniform,
    ) -> None:
        self._reactor = reactor
        self.untold = Untold(comparison)
        self.waiting = Reports(room)
        outlet = partial(Outlet, reactor=reactor, name=name, session=session, uniform=uniform)
        self.documents = outlet(method="PUT", url=document_url, source=self.untold)
        self.reports = outlet(method="POST", url=report_url, source=self.waiting)

    def describe(self, entries: Mapping[int, Entry], system: Entry) -> None:
        """The device has these interfaces now, and this system group."""
        self.untold.found(entries, system)
        self.documents.start()

    def report(self, body: bytes) -> None:
        """Send a report, where there is somebody who takes them."""
        if self.reports.status.url:
            self.waiting.add(body, self._reactor.seconds())
            self.reports.start()

    def close(self) -> None:
        """Send nothing more."""
        self.documents.close()
        self.reports.close()
        self.waiting.clear()
