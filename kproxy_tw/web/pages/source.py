"""kproxy's pages by their addresses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from kproxy_tw.interfaces import ProxyStatus
from kproxy_tw.logbook import LogBook
from kproxy_tw.status import DaemonStatus, DeviceStatus
from kproxy_tw.web.page import PageContent, timed
from kproxy_tw.web.pages import configuration, device, kproxy, limits, log, tap, upstream
from kproxy_tw.web.pagesite import PageRun
from kproxy_tw.web.snapshot import Snapshot, daemon_in_slices, take_in_slices
from kproxy_tw.web.tables.choice import choice_of
from kproxy_tw.web.turns import PageTurns

T = TypeVar("T")

_DEVICE = re.compile("/devices/([0-9]{1,19})(/tap)?", re.ASCII)


class KproxyPages:
    """Fits ``pagesite.PageSource``.

    :param status: whom to ask.
    :param reactor: gives turns.
    :param book: of the log; ``token`` is for the form that changes its level.
    """

    def __init__(self, status: ProxyStatus, reactor: Any, book: LogBook, token: str) -> None:
        self._status = status
        self._reactor = reactor
        self._book = book
        self._token = token
        self._turns = PageTurns()

    def in_turn(self, make: Callable[[Snapshot], T]) -> Deferred[T]:
        """Take a snapshot and call ``make`` with it in a thread, a few at a time."""
        return self._turns.run(lambda: self._with_snapshot(make))

    def in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        """The same without a snapshot."""
        return self._turns.run(lambda: deferToThread(work))

    def find(self, path: str, query: Mapping[str, str]) -> PageRun | None:
        """See ``pagesite.PageSource``."""
        one = _DEVICE.fullmatch(path)
        if one is not None:
            return self._device(int(one[1]), tap.content if one[2] else device.content)
        choice = choice_of(query)
        makers: Mapping[str, Callable[[Snapshot], PageContent]] = {
            "/": lambda now: kproxy.content(now, choice),
            "/upstream": upstream.content,
            "/limits": limits.content,
            "/config": configuration.content,
            "/log": lambda now: log.content(self._book, query, self._token, {"brand": "kproxy", "daemon": now.daemon}),
        }
        make = makers.get(path)
        return None if make is None else self._run(make)

    def _run(self, make: Callable[[Snapshot], PageContent]) -> PageRun:
        def run(use: Callable[[PageContent | None], T]) -> Deferred[T]:
            return self.in_turn(lambda now: use(timed(lambda: make(now), now.cost_seconds)))

        return run

    def _device(self, device_id: int, make: Callable[[DaemonStatus, DeviceStatus], PageContent]) -> PageRun:
        def run(use: Callable[[PageContent | None], T]) -> Deferred[T]:
            return self._turns.run(lambda: hold(use))

        async def hold(use: Callable[[PageContent | None], T]) -> T:
            daemon, cost = await daemon_in_slices(self._status, self._reactor)
            began = time.thread_time()
            describe = self._status.hold(device_id)
            if describe is None:
                return await deferToThread(use, None)
            cost += time.thread_time() - began
            return await deferToThread(lambda: use(timed(lambda: make(daemon, describe()), cost)))

        return run

    async def _with_snapshot(self, make: Callable[[Snapshot], T]) -> T:
        # The thread alone has the snapshot: letting go of so many objects takes milliseconds, too.
        return await deferToThread(make, await take_in_slices(self._status, self._reactor))
