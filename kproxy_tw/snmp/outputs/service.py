"""ReadingsService: what becomes of each reading, and what is known of each device by SNMP."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs

from kproxy_tw.deliver.queue import SharedRoom
from kproxy_tw.devices.device import Device
from kproxy_tw.enrich.interfaces import InterfaceTable, InterfaceTraffic
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.offload import Offload
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.outputs.book import DeviceBook
from kproxy_tw.snmp.outputs.client import DeviceUplink
from kproxy_tw.snmp.outputs.events import Line, lines
from kproxy_tw.snmp.outputs.prepared import Prepared, prepare
from kproxy_tw.snmp.reading import Reading
from kproxy_tw.snmp.shown import DeviceSnmp, Sending

MAX_REPORT_BYTES = 32 << 20
"""Bytes of all devices' reports that may wait for the backend."""


@attrs.frozen(kw_only=True)
class Surroundings:
    """What a reading meets outside of SNMP.

    :ivar device: the registered device of an id.
    :ivar traffic: what flows say of a device's interfaces; ``None`` when it has sent none.
    :ivar session: a device's session for what is polled; ``None`` while it has none.
    :ivar submit: takes a kflow body of metric records, and how many there are.
    :ivar happened: is told what happened to a device between two polls, at seconds since 1970.
    """

    device: Callable[[int], Device | None]
    traffic: Callable[[int], InterfaceTraffic | None]
    session: Callable[[int], UpstreamSession | None]
    submit: Callable[[int, bytes, int], None]
    happened: Callable[[int, Line, float], None]


@attrs.define(eq=False)
class _Known:
    """A device that was polled."""

    book: DeviceBook
    uplink: DeviceUplink
    metric_records: int = 0


class ReadingsService(Service):
    """Takes readings.

    :param offload: where bodies are made.
    :param api_url: of the device API; interface documents go to a place below it.
    :param report_url: takes reports; empty where nobody does.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        config: SnmpConfig,
        around: Surroundings,
        offload: Offload,
        api_url: str,
        report_url: str,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._around = around
        self._offload = offload
        self._api_url = api_url
        self._report_url = report_url
        self._room = SharedRoom(MAX_REPORT_BYTES)
        self._known: dict[int, _Known] = {}
        self._in_order = DeferredLock()
        self._under_way: set[Deferred[None]] = set()

    def stopService(self) -> Deferred[None]:
        """Fires when what was polled is made into messages; what the backend has not been told is told again later."""
        super().stopService()
        made = DeferredList(list(self._under_way))
        return made.addCallback(lambda _all: self._close_all())

    def taken(self, reading: Reading) -> None:
        """A poll is finished. Fits ``snmp.interfaces.ReadingListener``."""
        device = self._around.device(reading.device_id)
        if device is None or not self.running:
            return
        known = self._known.get(device.device_id)
        if known is None:
            known = self._known[device.device_id] = _Known(DeviceBook(), self._uplink(device))
        known.book.take(reading, self._around.traffic(device.device_id))
        self._tell(device, reading, known)
        work = Deferred.fromCoroutine(self._send(known, device, reading))
        self._under_way.add(work)
        work.addErrback(self._broken, device)
        work.addCallback(lambda _none: self._under_way.discard(work))

    def table(self, device_id: int) -> InterfaceTable | None:
        """Names and speeds for a device's flows; ``None`` where SNMP has told none."""
        known = self._known.get(device_id)
        return None if known is None else known.book.table

    def forget(self, device_id: int) -> None:
        """The device is gone."""
        known = self._known.pop(device_id, None)
        if known is not None:
            known.uplink.close()

    def shown(self, device_id: int, *, whole: bool) -> DeviceSnmp:
        """What is known of a device. :param whole: with its interfaces."""
        known = self._known.get(device_id)
        if known is None:
            return DeviceSnmp()
        book = known.book
        value = DeviceSnmp(
            latest=book.latest,
            next_poll=book.latest.next_poll if book.latest else 0.0,
            system=book.system,
            health=book.health,
            described=book.described,
            counted=book.counted,
            sums=book.sums,
            sending=_sending(known),
        )
        if not whole:
            return value
        return attrs.evolve(
            value,
            interfaces=book.interfaces,
            counters=book.counters,
            flow_rates=book.flow_rates,
            histories={index: book.history(index) for index in book.interfaces.keys() | book.counters.keys()},
        )

    async def _send(self, known: _Known, device: Device, reading: Reading) -> None:
        work = partial(prepare, reading, device, rate=self._config.metric_rate, reported=bool(self._report_url))
        await self._in_order.acquire()
        try:
            prepared: Prepared = await self._offload(work)
        finally:
            self._in_order.release()
        if self._known.get(device.device_id) is not known:
            return
        if prepared.records:
            known.metric_records += prepared.records
            self._around.submit(device.device_id, prepared.metrics, prepared.records)
        if prepared.entries is not None:
            known.uplink.describe(prepared.entries, prepared.system)
        for body in prepared.reports:
            known.uplink.report(body)

    def _tell(self, device: Device, reading: Reading, known: _Known) -> None:
        for line in lines(reading.events):
            self._around.happened(device.device_id, line, reading.started)
        error, sums = reading.error, known.book.sums
        if error is not None and (reading.failures == 1 or sums.polls == 1):
            self.log.warn("SNMP of {device}: {error}", device=device.name, error=error.text)

    def _uplink(self, device: Device) -> DeviceUplink:
        path = f"/company/{device.company_id}/device/{device.device_id}/tags/snmp"
        return DeviceUplink(
            reactor=self._reactor,
            name=device.name,
            session=partial(self._around.session, device.device_id),
            document_url=self._api_url + path,
            report_url=self._report_url,
            comparison=self._config.comparison,
            room=self._room,
        )

    def _broken(self, failure: Failure, device: Device) -> None:
        self.log.failure("what SNMP says of {device} met a bug; please report this", failure, device=device.name)

    def _close_all(self) -> None:
        for device_id in list(self._known):
            self.forget(device_id)


def _sending(known: _Known) -> Sending:
    documents, reports = known.uplink.documents.status, known.uplink.reports.status
    return Sending(
        documents=documents.taken,
        reports=reports.taken,
        refused=documents.refused + reports.refused,
        failed=documents.failed + reports.failed,
        untold=len(known.uplink.untold),
        waiting=len(known.uplink.waiting),
        displaced=known.uplink.waiting.displaced,
        metric_records=known.metric_records,
        problem=documents.last_error or reports.last_error,
    )
