"""Timers and threads around the pipelines."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import capturedLogs

import numpy as np
import pytest_twisted

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.deliver.message import Message
from kproxy_tw.devices.device import Device
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.ledger import Ledger
from kproxy_tw.ordered.service import OrderedServices
from kproxy_tw.pipeline import DevicePipeline, SampleConfig
from kproxy_tw.sample.pending import ByteBudget
from kproxy_tw.service import (
    MOST_CONVERSIONS,
    TICK_SECONDS,
    TURN_SECONDS,
    TURN_WORK_SECONDS,
    PipelineService,
    ProblemLog,
)
from kproxy_tw.testing.exporters import NetFlow5Exporter
from kproxy_tw.testing.traffic import make_flows

NOW = 1_790_000_000.0


def pipeline() -> DevicePipeline:
    """A pipeline of one device."""
    return DevicePipeline(
        device=Device(device_id=7, company_id=1, name="edge"),
        config=SampleConfig(),
        ledger=Ledger(),
        budget=ByteBudget(1 << 20),
        random=np.random.default_rng(3),
        now=0.0,
    )


def put(device: DevicePipeline, flows: int) -> None:
    """Let flows come in."""
    exporter = NetFlow5Exporter(NOW)
    data = exporter.datagram(make_flows(flows, np.random.default_rng(1)), NOW)
    device.take(walk(data, TemplateCache(), int(NOW * 1e9)))


@pytest_twisted.ensureDeferred
async def test_the_tick_makes_one_message_of_what_waits_and_stop_makes_the_last() -> None:
    """After a second the flows are out in one message; those that come later leave when the service stops."""
    messages: list[Message] = []
    gathered: list[DevicePipeline] = []
    service = PipelineService(
        reactor=reactor, gather=gathered.append, submit=lambda _pipeline, message: messages.append(message)
    )
    device = pipeline()
    service.startService()
    service.add(device)
    put(device, 20)
    put(device, 10)
    await deferLater(reactor, 1.3)
    assert [message.flows for message in messages] == [30]
    assert decode_body(messages[0].body, gzipped=True).batch.length == 30
    put(device, 5)
    await service.stopService()
    assert [message.flows for message in messages] == [30, 5]
    assert gathered.count(device) >= 2
    assert device.ledger.records_in_flight == 35  # delivery's, from here on


def test_ticks_of_many_devices_leave_the_reactor_room() -> None:
    """Ticks that take their time are not done in a row; each is done once, and none is forgotten."""
    clock, done = Clock(), list[str]()

    def gather(device: DevicePipeline) -> None:
        clock.rightNow += TURN_WORK_SECONDS * 0.6  # as the work of a tick does
        done.append(f"tick {devices.index(device)}")
        clock.callLater(0, done.append, "something else")

    service = PipelineService(reactor=clock, gather=gather, submit=lambda _pipeline, _message: None)
    devices = [pipeline() for _device in range(5)]
    service._turns.start(TURN_SECONDS, now=False)
    for device in devices:
        service.add(device)
    clock.advance(TICK_SECONDS)
    others = ["something else"] * 2
    assert done == ["tick 0", "tick 1", *others, "tick 2", "tick 3", *others, "tick 4", "something else"]
    service._turns.stop()
    clock.advance(TICK_SECONDS)
    assert done.count("tick 0") == 1


def test_conversions_that_are_done_at_once_do_not_tick_in_a_row() -> None:
    """However many there are, one more turn comes of it, and that leaves the reactor room."""
    clock, done = Clock(), list[str]()

    def gather(_device: DevicePipeline) -> None:
        clock.rightNow += TURN_WORK_SECONDS * 0.6  # as the work of a tick does
        done.append("tick")
        clock.callLater(0, done.append, "something else")

    service = PipelineService(reactor=clock, gather=gather, submit=lambda _pipeline, _message: None)
    service._turns.start(TURN_SECONDS, now=False)
    for _device in range(6):
        service.add(pipeline())
    service._running.update(Deferred() for _job in range(MOST_CONVERSIONS))
    clock.advance(TICK_SECONDS)
    for job in list(service._running):
        service._done(job)
    assert done == []
    clock.advance(0)
    service._turns.stop()
    assert done == ["tick", "tick", "something else", "something else"] * 3


@pytest_twisted.ensureDeferred
async def test_few_conversions_are_under_way_at_once() -> None:
    """The ticks of many devices that are due together go on as conversions are done."""
    under_way: list[int] = []
    messages: list[Message] = []
    service = PipelineService(
        reactor=reactor,
        gather=lambda _device: under_way.append(len(service._running)),
        submit=lambda _pipeline, message: messages.append(message),
    )
    service.startService()
    for _device in range(4 * MOST_CONVERSIONS):
        device = pipeline()
        put(device, 3)
        service.add(device)
    for _step in range(100):
        if len(messages) == 4 * MOST_CONVERSIONS:
            break
        await deferLater(reactor, 0.1)
    assert [message.flows for message in messages] == [3] * 4 * MOST_CONVERSIONS
    assert max(under_way) < MOST_CONVERSIONS
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_a_removed_pipeline_is_not_ticked() -> None:
    """What waits in it stays for whoever removed it."""
    messages: list[Message] = []
    service = PipelineService(
        reactor=reactor, gather=lambda _: None, submit=lambda _pipeline, message: messages.append(message)
    )
    device = pipeline()
    service.startService()
    service.add(device)
    put(device, 5)
    service.remove(device)
    await service.stopService()
    assert messages == []
    assert device.pending.count == 5


@pytest_twisted.ensureDeferred
async def test_a_bug_at_one_device_does_not_stop_the_ticks_of_others() -> None:
    """The tick that raises is logged; the other device's flows go out."""
    messages: list[Message] = []
    broken, sound = pipeline(), pipeline()

    def gather(device: DevicePipeline) -> None:
        if device is broken:
            raise ZeroDivisionError

    service = PipelineService(
        reactor=reactor, gather=gather, submit=lambda _pipeline, message: messages.append(message)
    )
    service.startService()
    service.add(broken)
    service.add(sound)
    put(sound, 5)
    with capturedLogs() as events:
        await deferLater(reactor, 1.3)
    service.remove(broken)
    await service.stopService()
    assert [message.flows for message in messages] == [5]
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]


@pytest_twisted.ensureDeferred
async def test_a_bug_behind_the_conversion_is_told() -> None:
    """It is neither lost nor does it stop the ticks."""

    def submit(_pipeline: DevicePipeline, _message: Message) -> None:
        raise ZeroDivisionError

    service = PipelineService(reactor=reactor, gather=lambda _device: None, submit=submit)
    service.startService()
    device = pipeline()
    service.add(device)
    put(device, 5)
    with capturedLogs() as events:
        while not any("log_failure" in event for event in events):
            await deferLater(reactor, 0.1)
        put(device, 5)
        await service.stopService()
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError] * 2


class Recorded(Service):
    """Writes down when it starts and when it has stopped; stopping takes a turn of the reactor."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.label = name
        self._events = events

    def startService(self) -> None:
        """Note it."""
        self._events.append(f"{self.label} up")

    def stopService(self) -> Deferred[None]:
        """Note it when it is done."""
        return deferLater(reactor, 0.01, self._events.append, f"{self.label} down")


@pytest_twisted.ensureDeferred
async def test_services_stop_one_after_the_other_in_reverse_order() -> None:
    """The socket closes before the pipeline, the pipeline before delivery."""
    events: list[str] = []
    root = OrderedServices()
    for name in ("delivery", "pipeline", "socket"):
        Recorded(name, events).setServiceParent(root)
    root.startService()
    await root.stopService()
    assert events == ["delivery up", "pipeline up", "socket up", "socket down", "pipeline down", "delivery down"]


def test_problems_are_told_once_a_minute_and_device() -> None:
    """A peer cannot fill the log, and one device's problems do not hide another's."""
    clock = Clock()
    complain = ProblemLog(clock)
    with capturedLogs() as events:
        for device in ("edge", "edge", "core"):
            complain(device, "192.0.2.1", "too short")
        clock.advance(60)
        complain("edge", "192.0.2.1", "too short")
    assert [event["device"] for event in events] == ["edge", "core", "edge"]
