"""The breaker that all senders share."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

from twisted.internet.task import Clock

from kproxy_tw.deliver.breaker import Breaker
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.lanes.client import DeviceSessions
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.service import DeliveryService
from kproxy_tw.deliver.spool.custody import Custody
from kproxy_tw.deliver.spool.segment import Place
from kproxy_tw.devices.device import Device
from kproxy_tw.ledger import Ledger
from kproxy_tw.testing.offload import inline
from kproxy_tw.testing.upstream import RecordedRequest, RecordingSession
from tests.deliver.sending import GOOD, Sending, status


def broken() -> Breaker:
    """One that has seen five failures at 0 s."""
    breaker = Breaker()
    for _failure in range(5):
        breaker.failed(0.0)
    return breaker


def test_it_opens_after_five_failures_in_a_row() -> None:
    """Four do nothing, nor do any number with a success in between."""
    breaker = Breaker()
    for _round in range(3):
        for _failure in range(4):
            breaker.failed(0.0)
        assert breaker.admits(0.0)
        breaker.worked()
    assert not breaker.is_open
    assert broken().is_open
    assert not broken().admits(0.0)


def test_one_probe_an_interval_until_one_gets_through() -> None:
    """A thousand ask ten times a second for a minute: one in five seconds is admitted."""
    breaker = broken()
    admitted = [tenth for tenth in range(600) if any(breaker.admits(tenth / 10) for _sender in range(1000))]
    assert admitted == list(range(50, 600, 50))
    breaker.failed(59.0)
    assert breaker.is_open
    breaker.worked()
    assert all(breaker.admits(60.0) for _sender in range(1000))


def test_a_sender_that_is_not_admitted_waits_as_behind_a_failure() -> None:
    """It asks again at 1, 3 and 7 s; the third time the interval is over, and its probe opens the way for all."""
    breaker = broken()
    sending = Sending(GOOD, GOOD, breaker=breaker)
    sending.submit(b"1", b"2")
    sending.clock.advance(1.0)
    sending.clock.advance(2.0)
    assert sending.sent == []
    sending.clock.advance(4.0)
    assert sending.sent == [b"1", b"2"]
    assert not breaker.is_open
    assert (sending.ledger.messages_retried, sending.ledger.records_forwarded) == (0, 20)


def test_a_stop_tries_all_the_same() -> None:
    """It may be the last occasion."""
    sending = Sending(GOOD, GOOD, breaker=broken())
    sending.submit(b"1")
    assert sending.sent == []
    sending.drain()
    assert sending.sent == [b"1"]


def test_refusals_of_a_message_say_that_the_backend_is_there() -> None:
    """Five messages that are wrong do not keep the others from it."""
    breaker = Breaker()
    sending = Sending(otherwise=status(400), breaker=breaker)
    sending.submit(b"1", b"2", b"3", b"4", b"5", b"6")
    assert len(sending.sent) == 6
    assert not breaker.is_open


def test_twenty_agents_do_not_come_all_at_once() -> None:
    """A backend that is down for five minutes: no second has more than 15 % of their attempts, the first ten aside."""
    clock, random, came = Clock(), Random(8), list[int]()  # noqa: S311

    def refuse(_asked: RecordedRequest) -> tuple[int, dict[str, str], bytes]:
        came.append(int(clock.seconds()))
        return status(503)

    def sessions() -> DeviceSessions:
        return DeviceSessions(
            flow=RecordingSession(otherwise=refuse), snmp=RecordingSession(), further=RecordingSession
        )

    for _agent in range(20):
        service = DeliveryService(
            reactor=clock,
            new_sessions=sessions,
            url="https://flow.example.com/chf",
            config=DeliverConfig(concurrent_posts=1),
            offload=inline,
            wall=clock.seconds,
            uniform=random.uniform,
        )
        service.startService()
        for number in range(5):
            service.sender(Device(device_id=number, company_id=1, name="edge"), Ledger()).submit(Message(b"1", 0, 0.0))
    clock.pump([0.25] * 1200)
    late = [second for second in came if second >= 10]
    assert max(Counter(late).values()) <= 0.15 * len(late)
    assert len(late) <= 20 * 290 / 5


class Site:
    """Many devices of one kproxy, each with a message a second, and a backend that a test tells what to answer."""

    def __init__(self, devices: int) -> None:
        self.clock = Clock()
        self.came: list[float] = []
        self.refused: set[str] | None = set()
        self.ledgers = [Ledger() for _device in range(devices)]
        random = Random(4)  # noqa: S311
        self.service = DeliveryService(
            reactor=self.clock,
            new_sessions=self._sessions,
            url="https://flow.example.com/chf",
            config=DeliverConfig(concurrent_posts=1),
            offload=inline,
            wall=self.clock.seconds,
            uniform=random.uniform,
        )
        self.service.startService()

    def _sessions(self) -> DeviceSessions:
        session = RecordingSession(otherwise=self._answer)
        return DeviceSessions(flow=session, snmp=RecordingSession(), further=RecordingSession)

    def _answer(self, asked: RecordedRequest) -> tuple[int, dict[str, str], bytes]:
        self.came.append(self.clock.seconds())
        refused = self.refused is None or asked.url.rpartition("edge%3A")[2] in self.refused
        return status(403) if refused else GOOD

    def run(self, seconds: int) -> None:
        """Let each device send for so long."""
        for _second in range(seconds):
            for number, ledger in enumerate(self.ledgers):
                device = Device(device_id=number, company_id=1, name="edge")
                self.service.sender(device, ledger).submit(Message(b"1", 0, self.clock.seconds()))
            self.clock.pump([0.5, 0.5])

    def sent(self) -> list[int]:
        """Messages of each device that have arrived."""
        return [ledger.messages_sent for ledger in self.ledgers]


def test_refused_credentials_are_tried_once_a_minute_whatever_the_number_of_devices() -> None:
    """100 devices, a token that is no good for ten minutes: five attempts, then one each minute; then all go on."""
    site = Site(100)
    site.refused = None
    site.run(600)
    assert len(site.came) <= 5 + 600 / 60
    assert all(later - earlier >= 60 for earlier, later in pairwise(site.came[4:]))
    assert len(site.came) >= 5 + 600 // 66
    assert not site.service.healthy()
    assert site.service.check().status == "failing"
    site.refused, before = set(), len(site.came)
    site.run(130)
    assert min(site.sent()) > 0
    came = Counter(int(at) for at in site.came[before:])
    assert max(came.values()) <= 0.15 * sum(came.values())
    assert site.service.healthy()


def test_one_device_that_is_refused_holds_up_no_other() -> None:
    """It tries once a minute; that the backend takes the others' messages says that the credentials are right."""
    site = Site(4)
    site.refused = {"2"}
    site.run(300)
    assert site.sent() == [300, 300, 0, 300]
    assert len(site.came) - 900 == 6  # at 0, 60, 120 ... 300 s


def test_in_trouble_the_disk_keeps_all_but_the_newest() -> None:
    """Of twelve messages of which the disk has ten, that under way and five stay; back, these go in their order."""
    custody = Custody()
    sending = Sending(status(503), otherwise=GOOD, keeper=custody)
    sending.submit(*(b"%d" % number for number in range(10)))
    errand = custody.errand(sending.clock.seconds())
    assert custody.done(errand, [Place(1, number) for number in range(10)]) == []
    sending.submit(b"10", b"11")
    released = custody.errand(float("-inf")).released
    assert [place.offset for place in released] == [1, 2, 3, 4, 5, 6]
    assert sending.sender.standing.status().queue_length == 6
    sending.clock.advance(1.0)
    assert sending.sent == [b"0", b"0", b"7", b"8", b"9", b"10", b"11"]


def test_what_the_disk_has_not_got_stays_in_memory() -> None:
    """Nothing is given up for the sake of order."""
    sending = Sending(status(503), otherwise=GOOD, keeper=Custody())
    sending.submit(*(b"%d" % number for number in range(12)))
    assert sending.sender.standing.status().queue_length == 12
    sending.clock.advance(1.0)
    assert len(sending.sent) == 13
