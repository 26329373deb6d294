"""The link between the registry and the API over time, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

import attrs

from kproxy_tw.devices.client import DeviceApi
from kproxy_tw.devices.config import DevicesConfig
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.parse import parse_device
from kproxy_tw.devices.registry import Changes, Registry
from kproxy_tw.devices.service import RefreshService
from kproxy_tw.devices.sources import MAX_ASKED, Held, Sources, Verdict
from kproxy_tw.devices.store import DeviceStore
from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer
from kproxy_tw.testing.offload import inline
from kproxy_tw.testing.upstream import RecordingSession
from kproxy_tw.upstream.answer import HttpAnswer
from tests.devices.api_objects import BASE, api_object, listing, result_of, single

NOON = 1_735_732_800.0  # 2025-01-01T12:00:00Z
DOWN = UpstreamError("no connection")


@attrs.define
class Bench:
    """A service with a scripted API, a clock, and what the pipeline is told."""

    session: RecordingSession
    directory: Path
    clock: Clock = attrs.field(factory=Clock)
    registry: Registry = attrs.field(factory=Registry)
    sources: Sources = attrs.field(factory=lambda: Sources(DevicesConfig()))
    changes: list[Changes] = attrs.field(factory=list)
    answers: list[tuple[str, Device | None, tuple[Held, ...]]] = attrs.field(factory=list)
    service: RefreshService = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.service = RefreshService(
            reactor=self.clock,
            api=DeviceApi(self.session, BASE, offload=inline),
            store=self.store(),
            registry=self.registry,
            sources=self.sources,
            config=DevicesConfig(),
            changed=self.changes.append,
            answered=lambda address, device: self.answers.append((address, device, self.sources.take(address))),
            wall=lambda: NOON + self.clock.seconds(),
            uniform=lambda _low, high: high,
        )

    def store(self) -> DeviceStore:
        """The store that the service uses."""
        return DeviceStore(self.directory, origin=BASE, offload=inline)

    def arrive(self, address: str, payload: bytes = b"x") -> Verdict:
        """A datagram comes from an address without a device, as the intake handles it."""
        verdict = self.sources.arrived(
            address, 9, payload, flow_type="ipfix", now=self.clock.seconds(), received_ns=int(NOON * 1e9)
        )
        if verdict is Verdict.ASK:
            self.service.ask(address)
        return verdict

    def asked(self) -> list[str]:
        """Paths of the requests so far."""
        return [request.url.removeprefix(BASE) for request in self.session.requests]


@contextmanager
def running(directory: Path, *script: Any, otherwise: Any = None) -> Iterator[Bench]:
    """A started service; afterwards it is stopped and must leave no timer behind."""
    bench = Bench(RecordingSession(script, otherwise=otherwise), directory)
    bench.service.startService()
    yield bench
    stopped: list[object] = []
    stopping = bench.service.stopService()
    assert isinstance(stopping, Deferred)
    stopping.addCallback(stopped.append)
    assert stopped
    assert bench.clock.getDelayedCalls() == []


def test_fetches_at_the_start_and_every_twenty_minutes(tmp_path: Path) -> None:
    """A device that is renamed, added or removed in the API takes effect at the next fetch."""
    first = listing(api_object(1, "10.0.0.1"), api_object(2, "10.0.0.2"))
    second = listing(api_object(1, "10.0.0.1", device_name="renamed"), api_object(3, "10.0.0.3"))
    with running(tmp_path, first, second) as bench:
        assert bench.asked() == ["/devices"]
        assert len(bench.registry) == 2
        bench.clock.advance(1199.0)
        assert bench.asked() == ["/devices"]
        bench.clock.advance(1.0)
        found = bench.registry.by_address("10.0.0.1")
        assert found is not None
        assert found.name == "renamed"
        assert bench.registry.by_address("10.0.0.2") is None
        later = bench.changes[1]
        assert [[d.device_id for d in each] for each in (later.added, later.removed, later.changed)] == [[3], [2], [1]]
        assert bench.service.last_success == NOON + 1200


def test_an_unchanged_list_is_not_announced(tmp_path: Path) -> None:
    """The pipeline hears of a list only when it changes something."""
    with running(tmp_path, otherwise=listing(api_object(1, "10.0.0.1"))) as bench:
        bench.clock.advance(1200.0)
        assert len(bench.asked()) == 2
        assert len(bench.changes) == 1


def test_failures_are_retried_with_growing_waits(tmp_path: Path) -> None:
    """At the longest jitter the tries come after 1, 2, 4 ... 256, 300, 300 s, and a good one ends it."""
    good = listing(api_object(1, "10.0.0.1"))
    with running(tmp_path, *[DOWN] * 12, otherwise=good) as bench:
        times: list[float] = [0.0]
        for second in range(1, 1500):
            before = len(bench.asked())
            bench.clock.advance(1.0)
            times.extend([float(second)] * (len(bench.asked()) - before))
        waits = [after - before for before, after in pairwise(times)]
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
        assert bench.service.endpoint().connected


def test_the_last_good_list_bridges_an_outage_at_the_start(tmp_path: Path) -> None:
    """With the API away the devices of the last run are known at once, and stay known."""
    saved = parse_device(api_object(1, "10.0.0.1"))
    result_of(Bench(RecordingSession(), tmp_path).store().save([saved]))
    with running(tmp_path, otherwise=DOWN) as bench:
        assert bench.registry.by_address("10.0.0.1") == saved
        assert bench.changes[0].added == (saved,)
        assert bench.service.check().status == "ok"
        assert "an earlier run" in bench.service.check().detail
        bench.clock.pump([1.0] * 600)
        assert bench.registry.by_address("10.0.0.1") == saved
        endpoint = bench.service.endpoint()
        assert (endpoint.connected, endpoint.last_error) == (False, "no connection")
        assert 0 < endpoint.retry_in_ms <= 300_000


def test_a_good_list_is_kept_for_the_next_start(tmp_path: Path) -> None:
    """What the API answered is on disk right after."""
    with running(tmp_path, listing(api_object(1, "10.0.0.1"))) as bench:
        loaded = result_of(bench.store().load())
        assert loaded is not None
        assert loaded.devices == bench.registry.devices()


def test_a_garbage_answer_leaves_the_last_good_list(tmp_path: Path) -> None:
    """An answer that is no device list is a failure like another, and nothing is forgotten."""
    with running(tmp_path, listing(api_object(1, "10.0.0.1")), (200, {}, b"<html>"), otherwise=DOWN) as bench:
        bench.clock.advance(1200.0)
        assert bench.registry.by_address("10.0.0.1") is not None
        assert "not JSON" in bench.service.endpoint().last_error


def test_a_device_that_became_unreadable_stays_as_it_was(tmp_path: Path) -> None:
    """One broken entry neither removes that device nor costs the others."""
    broken = listing(api_object(1, "10.0.0.1", max_flow_rate=-1), api_object(2, "10.0.0.2", device_name="new"))
    good = listing(api_object(1, "10.0.0.1"), api_object(2, "10.0.0.2"))
    with running(tmp_path, good, broken) as bench:
        bench.clock.advance(1200.0)
        assert [device.name for device in bench.registry.devices()] == ["router_1", "new"]


def test_a_disk_that_refuses_does_not_stop_the_service(tmp_path: Path) -> None:
    """Without a place for the list the service runs on without one."""
    (tmp_path / "file").write_text("")
    with running(tmp_path / "file" / "below", otherwise=listing(api_object(1, "10.0.0.1"))) as bench:
        assert len(bench.registry) == 1
        assert bench.service.check().status == "ok"


def test_the_check_follows_the_age_of_the_list(tmp_path: Path) -> None:
    """Initializing, failing after a minute without any list; with one, failing after two periods without a new one."""
    with running(tmp_path, DOWN, otherwise=Deferred[Answer]()) as bench:
        assert bench.service.check().status == "initializing"
        bench.clock.advance(61.0)
        assert (bench.service.check().status, bench.service.check().detail) == ("failing", "no connection")
    with running(tmp_path, listing(api_object(1)), otherwise=DOWN) as bench:
        assert bench.service.check().status == "ok"
        assert "1 devices" in bench.service.check().detail
        assert "2025-01-01T12:00:00Z" in bench.service.check().detail
        bench.clock.pump([1.0] * 2400)
        assert bench.service.check().status == "ok"
        bench.clock.pump([1.0] * 2)
        assert bench.service.check().status == "failing"


def test_refused_credentials_fail_at_once_and_recover(tmp_path: Path) -> None:
    """A refused token is a failure from the first moment, is tried once a minute, and is over when accepted."""
    with running(tmp_path, (401, {}, b""), (401, {}, b""), otherwise=listing(api_object(1))) as bench:
        assert bench.service.check().status == "failing"
        assert "-api_token" in bench.service.check().detail
        assert bench.service.endpoint().last_status == 401
        bench.clock.advance(59.0)
        assert len(bench.asked()) == 1
        bench.clock.pump([1.0, 60.0])
        assert len(bench.asked()) == 3
        assert bench.service.check().status == "ok"


def test_an_address_found_by_a_question_gets_its_held_datagrams(tmp_path: Path) -> None:
    """The registry has the device before the pipeline hears of it, and the datagrams come in order."""
    with running(tmp_path, listing(), single(api_object(5, "10.0.0.5", "10.0.0.6"))) as bench:
        bench.session.add(answer := Deferred[Answer]())
        bench.arrive("10.0.0.5", b"a")
        assert [address for address, _device, _held in bench.answers] == ["10.0.0.5"]
        assert bench.registry.by_address("10.0.0.6") == bench.answers[0][1]
        assert bench.arrive("10.0.0.9", b"1") is Verdict.ASK
        assert bench.arrive("10.0.0.9", b"2") is Verdict.HELD
        answer.callback(HttpAnswer(status=200, body=single(api_object(9, "10.0.0.9"))[2]))
        address, device, held = bench.answers[1]
        assert device is not None
        assert (address, device.device_id, [each.payload for each in held]) == ("10.0.0.9", 9, [b"1", b"2"])
        assert [change.added[0].device_id for change in bench.changes] == [5, 9]


def test_a_negative_answer_counts_for_five_minutes(tmp_path: Path) -> None:
    """404 gives the held datagrams up; the address is asked for again 300 s later."""
    with running(tmp_path, listing(), otherwise=(404, {}, b"")) as bench:
        assert bench.arrive("10.0.0.5") is Verdict.ASK
        assert [(address, device, len(held)) for address, device, held in bench.answers] == [("10.0.0.5", None, 1)]
        bench.clock.advance(299.0)
        assert bench.arrive("10.0.0.5") is Verdict.UNREGISTERED
        bench.clock.advance(1.0)
        assert bench.arrive("10.0.0.5") is Verdict.ASK
        assert bench.asked() == ["/devices", "/device/10.0.0.5", "/device/10.0.0.5"]


def test_eight_questions_at_a_time(tmp_path: Path) -> None:
    """The ninth address waits for an answer to one of the eight before it."""
    waiting = [Deferred[Answer]() for _ in range(9)]
    with running(tmp_path, listing(), *waiting) as bench:
        for n in range(12):
            bench.arrive(f"10.0.0.{n}")
        assert len(bench.asked()) == 1 + 8
        waiting[3].callback(HttpAnswer(status=404))
        assert bench.asked()[-1] == "/device/10.0.0.8"
        assert len(bench.asked()) == 1 + 9


def test_an_error_is_no_negative_answer(tmp_path: Path) -> None:
    """A question without an answer is asked again after a pause, and then finds the device with all that was held."""
    with running(tmp_path, listing(), DOWN, DOWN, single(api_object(5, "10.0.0.5"))) as bench:
        bench.arrive("10.0.0.5", b"a")
        bench.clock.advance(1.0)
        assert bench.answers == []
        bench.arrive("10.0.0.5", b"b")
        bench.clock.advance(2.0)
        ((_address, device, held),) = bench.answers
        assert device is not None
        assert [each.payload for each in held] == [b"a", b"b"]


def test_datagrams_do_not_wait_longer_than_half_a_minute(tmp_path: Path) -> None:
    """With the API silent the held datagrams are given up, and a later answer still counts."""
    silent = Deferred[Answer]()
    with running(tmp_path, listing(), silent) as bench:
        bench.arrive("10.0.0.5")
        bench.clock.pump([1.0] * 31)
        assert [(address, device, len(held)) for address, device, held in bench.answers] == [("10.0.0.5", None, 1)]
        assert bench.arrive("10.0.0.5") is Verdict.UNREGISTERED
        assert [entry.source for entry in bench.sources.unregistered(31.0)] == ["10.0.0.5"]
        silent.callback(HttpAnswer(status=200, body=single(api_object(5, "10.0.0.5"))[2]))
        assert bench.registry.by_address("10.0.0.5") is not None
        assert bench.sources.unregistered(31.0) == ()


def test_a_list_answers_open_questions(tmp_path: Path) -> None:
    """An address that turns up in a list gets its datagrams, and its queued question is not asked."""
    retried = listing(api_object(5, "10.0.0.5"))
    with running(tmp_path, DOWN, DOWN, retried) as bench:
        bench.arrive("10.0.0.5")
        bench.clock.advance(1.0)
        ((address, device, held),) = bench.answers
        assert (address, device, len(held)) == ("10.0.0.5", bench.registry.by_id(5), 1)
        bench.clock.advance(100.0)
        assert bench.asked() == ["/devices", "/device/10.0.0.5", "/devices"]


def test_a_list_asked_for_before_does_not_forget_what_was_learned(tmp_path: Path) -> None:
    """A device that was learned while a list was on its way is not removed by it, but by the next one."""
    slow = Deferred[Answer]()
    with running(tmp_path, slow, single(api_object(5, "10.0.0.5")), listing()) as bench:
        bench.arrive("10.0.0.5")
        slow.callback(HttpAnswer(status=200, body=listing(api_object(1))[2]))
        assert [device.device_id for device in bench.registry.devices()] == [1, 5]
        bench.clock.advance(1200.0)
        assert bench.registry.devices() == ()


def test_a_device_that_does_not_claim_the_address_is_not_taken(tmp_path: Path) -> None:
    """An API that names some device for any address does not get the flows of all mixed up."""
    with running(tmp_path, listing(), single(api_object(5, "10.9.9.9"))) as bench:
        bench.arrive("10.0.0.5")
        assert [(address, device) for address, device, _held in bench.answers] == [("10.0.0.5", None)]
        assert len(bench.registry) == 0


def test_a_stop_gives_up_what_is_under_way(tmp_path: Path) -> None:
    """A fetch and questions that hang do not hold up the stop, and nothing happens afterwards."""
    with running(tmp_path, Deferred[Answer](), Deferred[Answer]()) as bench:
        bench.arrive("10.0.0.5")
    assert bench.asked() == ["/devices", "/device/10.0.0.5"]
    assert bench.answers == []
    bench.clock.advance(5000.0)
    assert len(bench.asked()) == 2


def test_a_stop_also_ends_a_session_that_fails_when_cancelled(tmp_path: Path) -> None:
    """A session that turns the cancellation into an error of its own does not start another round."""

    def closed() -> Deferred[Answer]:
        return Deferred(lambda waiting: waiting.errback(UpstreamError("closed")))

    with running(tmp_path, closed(), closed()) as bench:
        bench.arrive("10.0.0.5")
    assert len(bench.asked()) == 2


def test_questions_keep_to_the_pause_that_the_api_demands(tmp_path: Path) -> None:
    """429 with Retry-After stops all questions for that long."""
    busy = (429, {"Retry-After": "45"}, b"")
    with running(tmp_path, listing(), busy, single(api_object(5, "10.0.0.5"))) as bench:
        bench.arrive("10.0.0.5")
        bench.clock.advance(44.0)
        assert len(bench.asked()) == 2
        bench.clock.advance(1.0)
        assert len(bench.asked()) == 3


def test_a_question_that_always_fails_is_given_up(tmp_path: Path) -> None:
    """After eight tries the address is left alone for a while, as if it were unknown."""
    with running(tmp_path, listing(), *[(500, {}, b"")] * 8) as bench:
        bench.arrive("10.0.0.5")
        bench.clock.pump([1.0] * 150)
        assert bench.asked().count("/device/10.0.0.5") == 8
        assert [(address, device, len(held)) for address, device, held in bench.answers] == [
            ("10.0.0.5", None, 1),
            ("10.0.0.5", None, 0),
        ]
        assert bench.arrive("10.0.0.5") is Verdict.UNREGISTERED


def test_a_full_queue_counts_as_a_negative_answer(tmp_path: Path) -> None:
    """An address for which there is no room is not asked for, and its datagrams do not wait."""
    with running(tmp_path, listing(), otherwise=Deferred[Answer]()) as bench:
        for n in range(MAX_ASKED):
            bench.service.ask(f"not heard of {n}")
        assert bench.arrive("10.0.0.5") is Verdict.ASK
        assert [(address, device, len(held)) for address, device, held in bench.answers] == [("10.0.0.5", None, 1)]


def test_a_bug_in_one_answer_does_not_stop_the_questions(tmp_path: Path) -> None:
    """When taking an answer breaks, the address is left alone for a while and the others are asked for."""
    with running(tmp_path, listing(), AssertionError("a bug"), otherwise=(404, {}, b"")) as bench:
        bench.arrive("10.0.0.5")
        bench.arrive("10.0.0.6")
        assert bench.asked()[1:] == ["/device/10.0.0.5", "/device/10.0.0.6"]
        assert [address for address, _device, _held in bench.answers] == ["10.0.0.6"]
        bench.clock.advance(1.0)
        assert [address for address, _device, _held in bench.answers] == ["10.0.0.6", "10.0.0.5"]
        assert bench.arrive("10.0.0.5") is Verdict.UNREGISTERED


def test_a_bug_in_the_refresh_shows_in_the_check(tmp_path: Path) -> None:
    """A refresh that ended by an error in the program is a failure that people see."""
    with running(tmp_path, AssertionError("a bug")) as bench:
        assert bench.service.check().status == "failing"
        assert "see the log" in bench.service.check().detail
