"""Which address shows which page, and the thread that makes it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from twisted.internet.defer import Deferred

from kproxy_tw.collector.bgp_target.status import TargetStatus
from kproxy_tw.collector.budget import Budget
from kproxy_tw.collector.query import MAX_DEVICE_ID
from kproxy_tw.collector.site.content import Make, Moment, device_content, home_content, traffic_content
from kproxy_tw.collector.site.names import InterfaceName
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.collector.traffic.recent import RecentAnswers
from kproxy_tw.offload import Offload
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.pagesite import PageRun

MAX_PAGES = 8
"""Pages that are being made, or wait for it; the next ones get 503. With the time of a query, this bounds the wait."""

T = TypeVar("T")

_DEVICE = re.compile("/devices/([0-9]{1,10})", re.ASCII)


class CollectorPages:
    """The pages of kcollect; fits ``web.pagesite.PageSource``.

    :param offload: runs queries away from the reactor, a few at a time.
    :param problem: what keeps kcollect from storing, in one line; empty when nothing does.
    :param bgp: the gRPC target as it is; ``None`` where there is none.
    :param interface_names: gives what is known of interfaces at this moment; each page calls for it, and asks it in
        the page's own thread.
    """

    def __init__(
        self,
        *,
        store: FlowStore,
        offload: Offload,
        problem: Callable[[], str],
        bgp: Callable[[], TargetStatus | None],
        interface_names: Callable[[], InterfaceName],
    ) -> None:
        self._store = store
        self._offload = offload
        self._problem = problem
        self._bgp = bgp
        self._interface_names = interface_names
        self._answers = RecentAnswers()
        self._budget = Budget("pages", count=MAX_PAGES, size=MAX_PAGES)

    def find(self, path: str, query: Mapping[str, str]) -> PageRun | None:
        """The page at a path; ``None`` when there is none. Nothing is made yet."""
        make = self._make(path, query)
        return None if make is None else partial(self._run, make)

    def _make(self, path: str, query: Mapping[str, str]) -> Make | None:
        if path == "/":
            return home_content
        if path in ("/traffic", "/talkers"):
            by = "source" if path == "/talkers" else "device"
            return lambda moment: traffic_content(moment, query, path=path, by=by)
        device = _DEVICE.fullmatch(path)
        if device is None or int(device[1]) > MAX_DEVICE_ID:
            return None
        return lambda moment: device_content(moment, int(device[1]), query)

    def _run(self, make: Make, use: Callable[[PageContent | None], T]) -> Deferred[T]:
        moment = Moment(
            store=self._store,
            answers=self._answers,
            totals=self._store.totals(),
            interface_name=self._interface_names(),
            bgp=self._bgp(),
            problem=self._problem(),
            now=time.time(),
        )
        return Deferred.fromCoroutine(self._in_turn(lambda: use(make(moment))))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        with self._budget.hold(1):
            return await self._offload(work)
