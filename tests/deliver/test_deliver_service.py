"""DeliveryService: all senders together."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.task import Clock

import attrs

from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.lanes.client import DeviceSessions
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.service import DeliveryService
from kproxy_tw.devices.device import Device
from kproxy_tw.errors import UpstreamError
from kproxy_tw.ledger import Ledger
from kproxy_tw.testing.offload import inline
from kproxy_tw.testing.upstream import Line, RecordingSession
from kproxy_tw.upstream.answer import HttpAnswer
from tests.deliver.sending import GOOD, later, status

EDGE = Device(device_id=7, company_id=1, name="edge")
CORE = Device(device_id=8, company_id=1, name="core")


class Delivering:
    """A started service whose n-th device's flow session plays the n-th line for ever."""

    def __init__(self, *lines: Line, **limits: Any) -> None:
        self.clock = Clock()
        self.sessions: list[DeviceSessions] = []
        self._lines = list(lines)
        self.ledgers = {7: Ledger(), 8: Ledger()}
        self.service = DeliveryService(
            reactor=self.clock,
            new_sessions=self._new_sessions,
            url="https://flow.example.com/chf",
            config=DeliverConfig(**{"concurrent_posts": 1} | limits),
            offload=inline,
            wall=self.clock.seconds,
            uniform=lambda _low, high: high,
        )
        self.service.startService()

    def _new_sessions(self) -> DeviceSessions:
        line = self._lines.pop(0)
        self.sessions.append(
            DeviceSessions(flow=RecordingSession(otherwise=line), snmp=RecordingSession(), further=RecordingSession)
        )
        return self.sessions[-1]

    def submit(self, device: Device, *bodies: bytes) -> None:
        """One record for each body."""
        ledger = self.ledgers[device.device_id]
        for body in bodies:
            ledger.receive(1)
            self.service.sender(device, ledger).submit(Message(body, 1, self.clock.seconds()))


def test_device_keeps_its_sender_and_takes_its_new_name() -> None:
    """Two sessions are made per device, once; a rename in the API is followed."""
    delivering = Delivering(GOOD, GOOD)
    sender = delivering.service.sender(EDGE, delivering.ledgers[7])
    assert delivering.service.sender(attrs.evolve(EDGE, name="new"), Ledger()) is sender
    assert sender.sender_id == "1:new:7"
    delivering.service.sender(CORE, delivering.ledgers[8])
    assert len(delivering.sessions) == 2
    assert delivering.sessions[0].flow is not delivering.sessions[0].snmp


def test_stop_drains_all_devices_side_by_side() -> None:
    """A device whose backend hangs does not take time from the others, and all is over at the deadline."""
    delivering = Delivering(later(), GOOD, drain_seconds=8.0)
    delivering.submit(EDGE, b"1", b"2")
    delivering.submit(CORE, b"3")
    stopped = delivering.service.stopService()
    delivering.clock.advance(7.9)
    assert not stopped.called
    delivering.clock.advance(0.1)
    assert stopped.called
    assert delivering.ledgers[7].records_dropped["shutdown"] == 2
    assert delivering.ledgers[8].records_forwarded == 1
    assert all(each.balanced() for each in delivering.ledgers.values())
    assert all(session.flow.closed and session.snmp.closed for session in recorded(delivering))
    assert delivering.clock.getDelayedCalls() == []


def recorded(delivering: Delivering) -> list[Any]:
    """The sessions, with what the fake has on top."""
    return list(delivering.sessions)


def test_removed_device_loses_what_waits_with_the_reason() -> None:
    """Only the message under way may still arrive; a device that comes back has a new sender."""
    answer = later()
    delivering = Delivering(answer, GOOD)
    delivering.submit(EDGE, b"1", b"2", b"3")
    gone = delivering.service.remove(7)
    assert delivering.ledgers[7].records_dropped["unregistered"] == 2
    answer.callback(HttpAnswer(status=200))
    assert gone.called
    assert delivering.ledgers[7].records_forwarded == 1
    assert recorded(delivering)[0].flow.closed
    delivering.submit(EDGE, b"4")
    assert (len(delivering.sessions), delivering.ledgers[7].records_forwarded) == (2, 2)
    assert delivering.service.remove(99).called


def test_removed_device_leaves_nothing_behind() -> None:
    """Devices that come and go for months do not fill the memory."""
    delivering = Delivering(GOOD)
    delivering.submit(EDGE, b"1")
    ledger = weakref.ref(delivering.ledgers.pop(7))
    delivering.service.remove(7)
    gc.collect()
    assert ledger() is None


def test_stop_waits_for_a_device_that_is_being_removed() -> None:
    """No session is left open behind the stop."""
    answer = later()
    delivering = Delivering(answer)
    delivering.submit(EDGE, b"1")
    delivering.service.remove(7)
    stopped = delivering.service.stopService()
    assert not stopped.called
    answer.callback(HttpAnswer(status=200))
    assert stopped.called


def test_total_memory_is_bounded_and_the_largest_queue_gives_way() -> None:
    """A device with a backlog does not push out another one's few messages."""
    delivering = Delivering(later(), later(), max_total_bytes=100)
    delivering.submit(CORE, b"x" * 30)
    delivering.submit(EDGE, *[b"x" * 10] * 10)
    assert delivering.service.waiting()["Bytes"] == 100
    assert delivering.ledgers[7].records_dropped["queue_full"] == 3
    assert delivering.ledgers[8].records_dropped["queue_full"] == 0


def test_endpoint_and_waiting_tell_of_all_devices() -> None:
    """The latest attempt speaks for the URL; the soonest retry is the one shown."""
    delivering = Delivering(status(503, retry_after="20"), UpstreamError("refused"))
    assert delivering.service.endpoint().last_status == 0
    delivering.submit(EDGE, b"1")
    delivering.clock.advance(1)
    delivering.submit(CORE, b"22")
    endpoint = delivering.service.endpoint()
    assert (endpoint.url, endpoint.connected) == ("https://flow.example.com/chf", False)
    assert (endpoint.last_error, endpoint.retry_in_ms) == ("refused", 1000)
    assert delivering.service.waiting() == {"Messages": 2, "Bytes": 3, "OldestMs": 1000, "MaxBytes": 64 << 20}


def test_highwater_is_the_longest_queue_a_device_ever_had() -> None:
    """It stays when the queue is empty again; a device without sender has none."""
    answer = later()
    delivering = Delivering(answer)
    delivering.submit(EDGE, b"1")
    answer.callback(HttpAnswer(status=200))
    assert (delivering.service.highwater(7), delivering.service.waiting()["Messages"]) == (1, 0)
    assert delivering.service.highwater(8) == 0


def test_check_fails_while_a_device_cannot_deliver() -> None:
    """It names how many devices, and why; with all well it is ok."""
    delivering = Delivering(GOOD, UpstreamError("refused"))
    assert delivering.service.check().status == "ok"
    delivering.submit(EDGE, b"1")
    delivering.submit(CORE, b"2")
    assert delivering.service.check().status == "ok"
    delivering.clock.pump([1, 2, 4, 8])
    check = delivering.service.check()
    assert (check.name, check.status) == ("delivery", "failing")
    assert check.detail == "1 of 2 devices: 5 attempts failed, the last one: refused"


def test_delivery_is_not_healthy_while_the_breaker_is_open() -> None:
    """A device that has not tried since says nothing of the backend: what the disk has stays there."""
    delivering = Delivering(GOOD, status(503))
    delivering.submit(EDGE, b"1")
    delivering.submit(CORE, b"2")
    assert delivering.service.healthy()
    for _second in range(32):
        delivering.clock.advance(1.0)
    assert not delivering.service.healthy()
