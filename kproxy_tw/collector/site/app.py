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
from kproxy_tw.collector.site.snmp import polled_content, polled_device_content
from kproxy_tw.collector.snmp.names import DescribedInterfaces
from kproxy_tw.collector.snmp.reads import PollReads
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.collector.traffic.recent import RecentAnswers
from kproxy_tw.offload import Offload
from kproxy_tw.web.page import PageContent, timed
from kproxy_tw.web.pagesite import PageRun
from kproxy_tw.web.turns import PageTurns

MAX_PAGES = 8
"""Pages that are being made, or wait for it; the next ones get 503. With the time of a query, this bounds the wait."""

T = TypeVar("T")

PAGES_AT_ONCE = 2
"""Their queries take longer than they do."""

_DEVICE = re.compile("/(devices|snmp)/([0-9]{1,10})", re.ASCII)


class CollectorPages:
    """The pages of kcollect; fits ``web.pagesite.PageSource``.

    :param offload: runs queries away from the reactor, a few at a time.
    :param problem: what keeps kcollect from storing, in one line; empty when nothing does.
    :param bgp: the gRPC target as it is; ``None`` where there is none.
    :param polls: what agents say by SNMP; asked in the page's own thread.
    :param device_names: gives the names of all devices, by id.
    """

    def __init__(
        self,
        *,
        store: FlowStore,
        offload: Offload,
        problem: Callable[[], str],
        bgp: Callable[[], TargetStatus | None],
        polls: PollReads,
        device_names: Callable[[], Mapping[int, str]],
    ) -> None:
        self._store = store
        self._offload = offload
        self._problem = problem
        self._bgp = bgp
        self._polls = polls
        self._device_names = device_names
        self._answers = RecentAnswers()
        self._turns = PageTurns(PAGES_AT_ONCE)
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
        if path == "/snmp":
            return lambda moment: polled_content(moment, query)
        device = _DEVICE.fullmatch(path)
        if device is None or int(device[2]) > MAX_DEVICE_ID:
            return None
        content = device_content if device[1] == "devices" else polled_device_content
        return lambda moment: content(moment, int(device[2]), query)

    def _run(self, make: Make, use: Callable[[PageContent | None], T]) -> Deferred[T]:
        moment = Moment(
            store=self._store,
            answers=self._answers,
            totals=self._store.totals(),
            polls=self._polls,
            device_names=self._device_names(),
            interface_name=DescribedInterfaces(self._polls.interfaces),
            bgp=self._bgp(),
            problem=self._problem(),
            now=time.time(),
        )
        return Deferred.fromCoroutine(self._in_turn(lambda: use(timed(lambda: make(moment)))))

    async def _in_turn(self, work: Callable[[], T]) -> T:
        with self._budget.hold(1):
            return await self._turns.run(lambda: self._offload(work))
