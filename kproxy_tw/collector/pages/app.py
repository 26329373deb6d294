"""``/totals``, ``/flows``, ``/metrics``, ``/healthz``, ``/readyz``: what programs and monitoring read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from kproxy_tw.collector.answers import answer, query_text, wants_pretty
from kproxy_tw.collector.bounded_json import dump_json_list
from kproxy_tw.collector.budget import Budget
from kproxy_tw.collector.counts import CollectorCounts
from kproxy_tw.collector.query import DEFAULT_LIMIT, MAX_DEVICE_ID, MAX_LIMIT, query_number, recent_flows
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.offload import Offload
from kproxy_tw.web.text import utc_time

MAX_READERS = 32
"""Queries under way at once; the next ones get 503."""

TEXT = "text/plain; charset=utf-8"


class Pages:
    """Handlers of what is read.

    :param offload: runs queries away from the reactor.
    :param problem: what keeps kcollect from storing, in one line; empty when nothing does.
    """

    def __init__(
        self,
        *,
        store: FlowStore,
        counts: CollectorCounts,
        offload: Offload,
        problem: Callable[[], str],
    ) -> None:
        self._store = store
        self._counts = counts
        self._offload = offload
        self._problem = problem
        self._readers = Budget("queries", count=MAX_READERS, size=MAX_READERS)

    async def totals(self, request: Any) -> bytes:
        """What each device has sent, exactly."""
        pretty = wants_pretty(request)
        body = await self._read(lambda: self._totals_json(pretty))
        return answer(request, body)

    async def flows(self, request: Any) -> bytes:
        """The newest flows, of all devices or of one."""
        pretty = wants_pretty(request)
        device = query_text(request, "device_id")
        device_id = None if device is None else query_number("device_id", device, low=0, high=MAX_DEVICE_ID)
        asked = query_text(request, "limit")
        limit = DEFAULT_LIMIT if asked is None else query_number("limit", asked, low=1, high=MAX_LIMIT)
        body = await self._read(
            lambda: dump_json_list(recent_flows(self._store, device_id=device_id, limit=limit), pretty=pretty) + b"\n"
        )
        return answer(request, body)

    async def metrics(self, request: Any) -> bytes:
        """What kcollect counts, for Prometheus."""
        return answer(request, self._counts.exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def healthz(self, request: Any) -> bytes:
        """Whether the process answers."""
        return answer(request, b"ok\n", content_type=TEXT)

    async def readyz(self, request: Any) -> bytes:
        """Whether flows are being stored."""
        problem = self._problem()
        return answer(request, f"{problem or 'ok'}\n".encode(), status=503 if problem else 200, content_type=TEXT)

    async def _read(self, work: Callable[[], bytes]) -> bytes:
        with self._readers.hold(1):
            return await self._offload(work)

    def _totals_json(self, pretty: bool) -> bytes:
        devices = [total.as_json(utc_time(total.last_received)) for total in self._store.totals()]
        return b'{"Devices":%s%b}\n' % (b" " if pretty else b"", dump_json_list(devices, pretty=pretty))
