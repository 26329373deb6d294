"""SNMP's part of the wiring: settings to the poller, readings to where they go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.threads import deferToThreadPool

import attrs

from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.service import DeliveryService
from kproxy_tw.devices.registry import Registry
from kproxy_tw.enrich.interfaces import InterfaceTraffic
from kproxy_tw.intake import Intake
from kproxy_tw.pipeline import DevicePipeline
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.inputs.service import TargetsService
from kproxy_tw.snmp.outputs.events import Line
from kproxy_tw.snmp.outputs.service import ReadingsService, Surroundings
from kproxy_tw.snmp.service import PollerService
from kproxy_tw.snmp.shown import DeviceSnmp
from kproxy_tw.snmp.status import PollerStatus
from kproxy_tw.upstream.regions import Endpoints


class SnmpAssembly:
    """The parts of kproxy that have to do with SNMP. Construction opens nothing.

    :param submit: takes a message of metric records of a device.
    :raises ConfigError: a file that the configuration names cannot be used.
    """

    def __init__(
        self,
        *,
        reactor: Any,
        config: SnmpConfig,
        state_dir: Path,
        endpoints: Endpoints,
        registry: Registry,
        intake: Intake,
        delivery: DeliveryService,
        submit: Callable[[DevicePipeline, Message], None],
    ) -> None:
        self._reactor = reactor
        self._intake = intake
        self._submit = submit
        self.readings = ReadingsService(
            reactor=reactor,
            config=config,
            around=Surroundings(
                device=registry.by_id,
                traffic=self._traffic,
                session=delivery.polled_session,
                submit=self._submit_metrics,
                happened=self._happened,
            ),
            offload=partial(deferToThreadPool, reactor, reactor.getThreadPool()),
            api_url=endpoints.api,
            report_url=endpoints.snmp,
        )
        self.poller = PollerService(
            reactor=reactor, schedule=config.schedule, state_dir=state_dir, listener=self.readings.taken
        )
        self.targets = TargetsService(
            reactor=reactor,
            config=config,
            poller=self.poller,
            devices=registry.devices,
            opened=intake.devices.keys,
            open=lambda device: intake.of_device(device, 0.0),
        )

    def parts(self) -> tuple[IService, ...]:
        """The services, in the order of their start."""
        return self.readings, self.poller, self.targets

    def polling(self) -> PollerStatus:
        """How polling goes."""
        return self.poller.status()

    def device(self, device_id: int, *, whole: bool) -> DeviceSnmp:
        """What is known of a device by SNMP. :param whole: with its interfaces."""
        known, target = self.readings.shown(device_id, whole=whole), self.targets.target(device_id)
        return attrs.evolve(
            known,
            target=target,
            next_poll=0.0 if target is None else known.next_poll,
            problem=self.targets.problem(device_id),
        )

    def _traffic(self, device_id: int) -> InterfaceTraffic | None:
        known = self._intake.devices.get(device_id)
        return None if known is None else known.pipeline.traffic

    def _submit_metrics(self, device_id: int, body: bytes, records: int) -> None:
        """Metric records are records like any: received here, and in flight until they have a fate."""
        known = self._intake.devices.get(device_id)
        if known is not None:
            known.pipeline.ledger.receive(records)
            self._submit(known.pipeline, Message(body, records, self._reactor.seconds()))

    def _happened(self, device_id: int, line: Line, now: float) -> None:
        known = self._intake.devices.get(device_id)
        if known is not None:
            known.events.add(line.kind, line.text, now=now, subject=line.subject)
