"""The registry against a real HTTP server, with real threads and a real disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.web.client import Agent

import attrs
from pytest_twisted import ensureDeferred

from kproxy_tw.devices.client import DeviceApi
from kproxy_tw.devices.config import DevicesConfig
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.registry import Changes, Registry
from kproxy_tw.devices.service import RefreshService
from kproxy_tw.devices.sources import Sources
from kproxy_tw.devices.store import DeviceStore
from kproxy_tw.interfaces import Answer
from kproxy_tw.testing.device_api import LoopbackDeviceApi
from kproxy_tw.upstream.answer import HttpAnswer
from tests.devices.api_objects import api_object


class PlainSession:
    """An ``UpstreamSession`` over plain HTTP, without credentials and bounds."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
        limit: int = 1 << 20,
    ) -> Answer:
        """One request on a connection of its own."""
        client = treq.client.HTTPClient(Agent(reactor))
        response: Any = await client.request(method, url, data=body, timeout=seconds)
        return HttpAnswer(status=response.code, body=await treq.content(response))

    async def close(self) -> None:
        """Nothing stays open."""


@attrs.define
class Setup:
    """A service over real HTTP, threads and disk; ``answers`` fire when the pipeline is told."""

    url: str
    directory: Path
    registry: Registry = attrs.field(factory=Registry)
    sources: Sources = attrs.field(factory=lambda: Sources(DevicesConfig()))
    first_list: Deferred[Changes] = attrs.field(factory=lambda: Deferred[Changes]())
    answers: dict[str, Deferred[Device | None]] = attrs.field(factory=dict)

    def service(self) -> RefreshService:
        """The service under test."""
        loop: Any = reactor
        offload = partial(deferToThreadPool, loop, loop.getThreadPool())
        return RefreshService(
            reactor=loop,
            api=DeviceApi(PlainSession(), self.url, offload=offload),
            store=DeviceStore(self.directory, origin=self.url, offload=offload),
            registry=self.registry,
            sources=self.sources,
            config=DevicesConfig(),
            changed=lambda changes: None if self.first_list.called else self.first_list.callback(changes),
            answered=lambda address, device: self.answers[address].callback(device),
        )

    def ask(self, service: RefreshService, address: str) -> Deferred[Device | None]:
        """A datagram comes from ``address``; what the pipeline will be told."""
        now = loop_seconds()
        self.sources.arrived(address, 9, b"x", flow_type="ipfix", now=now, received_ns=0)
        answer = self.answers[address] = Deferred[Device | None]()
        service.ask(address)
        return answer


def loop_seconds() -> float:
    """The reactor's clock."""
    loop: Any = reactor
    return float(loop.seconds())


@ensureDeferred
async def test_list_and_questions_over_http(tmp_path: Path) -> None:
    """The list, an IPv6 address in a path, and an unknown address work with a real server."""
    server = LoopbackDeviceApi()
    server.devices.append(api_object(1, "10.0.0.1"))
    setup = Setup(server.start(reactor), tmp_path)
    service = setup.service()
    service.startService()
    try:
        assert [device.device_id for device in (await setup.first_list).added] == [1]
        server.devices.append(api_object(2, "2001:db8::2"))
        found = await setup.ask(service, "2001:db8::2")
        assert found is not None
        assert found.device_id == 2
        assert await setup.ask(service, "10.0.0.3") is None
        assert server.asked[0] == "/api/internal/devices"
        assert service.check().status == "ok"
    finally:
        await service.stopService()
        await server.stop()


@ensureDeferred
async def test_a_restart_while_the_api_is_in_trouble(tmp_path: Path) -> None:
    """A second run whose API answers 503 knows the devices of the first one."""
    server = LoopbackDeviceApi()
    server.devices.append(api_object(1, "10.0.0.1"))
    url = server.start(reactor)
    first, second = Setup(url, tmp_path), Setup(url, tmp_path)
    try:
        service = first.service()
        service.startService()
        await first.first_list
        while not (tmp_path / "devices.json").exists():
            await deferLater(reactor, 0.01)
        await service.stopService()
        server.status = HTTPStatus.SERVICE_UNAVAILABLE
        service = second.service()
        service.startService()
        assert [device.device_id for device in (await second.first_list).added] == [1]
        while not service.endpoint().last_error:
            await deferLater(reactor, 0.01)
        assert service.endpoint().last_status == 503
        assert second.registry.by_address("10.0.0.1") == first.registry.by_address("10.0.0.1")
        await service.stopService()
    finally:
        await server.stop()
