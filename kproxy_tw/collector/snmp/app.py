"""``POST /snmp``, ``PUT .../tags/snmp`` and what programs read of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kproxy_tw.collector.answers import Refused, answer, answer_json, query_text, wants_pretty
from kproxy_tw.collector.bounded_json import dump_json, dump_json_list
from kproxy_tw.collector.budget import Budget
from kproxy_tw.collector.counts import CollectorCounts
from kproxy_tw.collector.devices import Device, DeviceDirectory
from kproxy_tw.collector.query import MAX_DEVICE_ID, query_number
from kproxy_tw.collector.snmp.figures import (
    InterfaceFigures,
    api_interface,
    component_objects,
    counter_object,
    device_object,
    interface_figures,
    interface_object,
)
from kproxy_tw.collector.snmp.parse import parse_document, parse_report
from kproxy_tw.collector.snmp.store import HISTORY_POLLS, SnmpStore
from kproxy_tw.errors import MalformedInput
from kproxy_tw.offload import Offload
from kproxy_tw.web.text import utc_time

MAX_WRITING = 128
MAX_WRITING_BYTES = 64 << 20
"""Bodies that wait to be stored: count and bytes."""

MAX_READERS = 16
MAX_POLLS = 1000


class SnmpApp:
    """Handlers of what agents say of devices by SNMP.

    :param offload: runs blocking work away from the reactor.
    """

    def __init__(
        self,
        *,
        directory: DeviceDirectory,
        store: SnmpStore,
        counts: CollectorCounts,
        offload: Offload,
    ) -> None:
        self._directory = directory
        self._store = store
        self._counts = counts
        self._offload = offload
        self._writing = Budget("SNMP bodies", count=MAX_WRITING, size=MAX_WRITING_BYTES)
        self._readers = Budget("queries", count=MAX_READERS, size=MAX_READERS)

    async def put_document(self, request: Any, company_id: int, device_id: int) -> bytes:
        """Merge the interface document of a device into what is known; 200 when it is stored."""
        if self._known(device_id).company_id != company_id:
            raise Refused(403, "the device belongs to another company")
        body = request.content.getvalue()

        def work() -> None:
            self._store.keep_document(device_id, parse_document(body))

        with self._writing.hold(len(body)):
            await self._offload(work)
        self._counts.snmp.inc()
        return answer_json(request, {})

    async def post_report(self, request: Any) -> bytes:
        """Store the report of a poll; 200 when it is stored."""
        body = request.content.getvalue()

        def work() -> int:
            report = parse_report(body)
            if self._directory.by_id(report.device_id) is None:
                raise MalformedInput(f"there is no device {report.device_id}")
            self._store.keep_report(report)
            return len(report.interfaces)

        with self._writing.hold(len(body)):
            stored = await self._offload(work)
        self._counts.snmp_reports.inc()
        return answer_json(request, {"stored": stored})

    async def api_interfaces(self, request: Any, device_id: int) -> bytes:
        """The interfaces of a device as the device API gives them."""
        device, pretty = self._known(device_id), wants_pretty(request)

        def work() -> bytes:
            found = interface_figures(self._store.interfaces(device_id), self._store.counters(device_id, 1))
            objects = [api_interface(device_id, device.company_id, one) for one in found]
            return dump_json_list(objects, pretty=pretty) + b"\n"

        return answer(request, await self._read(work))

    async def devices(self, request: Any) -> bytes:
        """Every device that was polled."""
        pretty = wants_pretty(request)

        def work() -> bytes:
            return dump_json({"Devices": self._devices()}, pretty=pretty) + b"\n"

        return answer(request, await self._read(work))

    async def interfaces(self, request: Any) -> bytes:
        """The interfaces of a device, with their rates in the last poll."""
        device_id, pretty = self._asked_device(request), wants_pretty(request)

        def work() -> bytes:
            return dump_json_list(map(interface_object, self._figures(device_id, 1)), pretty=pretty) + b"\n"

        return answer(request, await self._read(work))

    async def counters(self, request: Any) -> bytes:
        """What the last polls say of a device's interfaces, oldest first."""
        device_id, pretty = self._asked_device(request), wants_pretty(request)
        asked = query_text(request, "polls")
        polls = HISTORY_POLLS if asked is None else query_number("polls", asked, low=1, high=MAX_POLLS)

        def work() -> bytes:
            rows = self._store.counters(device_id, polls)
            return dump_json_list((counter_object(row, utc_time) for row in rows), pretty=pretty) + b"\n"

        return answer(request, await self._read(work))

    async def health(self, request: Any) -> bytes:
        """Processors, memories and temperatures of a device, as its last poll that told of any has them."""
        device_id, pretty = self._asked_device(request), wants_pretty(request)

        def work() -> bytes:
            return dump_json_list(component_objects(self._store.components(device_id)), pretty=pretty) + b"\n"

        return answer(request, await self._read(work))

    def _devices(self) -> list[dict[str, Any]]:
        names = {device.id: device.name for device in self._directory.all()}
        return [device_object(row, names, utc_time) for row in self._store.devices()]

    def _figures(self, device_id: int, polls: int) -> list[InterfaceFigures]:
        return interface_figures(self._store.interfaces(device_id), self._store.counters(device_id, polls))

    def _asked_device(self, request: Any) -> int:
        text = query_text(request, "device_id")
        if text is None:
            raise MalformedInput("device_id is missing")
        return query_number("device_id", text, low=0, high=MAX_DEVICE_ID)

    def _known(self, device_id: int) -> Device:
        device = self._directory.by_id(device_id)
        if device is None:
            raise Refused(404, "no such device")
        return device

    async def _read(self, work: Callable[[], bytes]) -> bytes:
        with self._readers.hold(1):
            return await self._offload(work)
