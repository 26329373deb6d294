"""The polling process: started, fed, listened to, started again when it dies; and it keeps its secrets."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import LogEvent, eventAsText, globalLogPublisher

import attrs
import pytest
import pytest_twisted

from kproxy_tw.snmp.process.supervision import FIRST_RESTART_SECONDS, SILENT_SECONDS, Child, Supervision
from kproxy_tw.snmp.reading import ErrorKind, Reading
from kproxy_tw.snmp.service import PollerService
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, SnmpSchedule, SnmpTarget, V3Credentials, Version
from kproxy_tw.snmp.status import Progress
from kproxy_tw.snmp.usage import Usage
from kproxy_tw.testing.snmp_agent import SimulatedAgent
from kproxy_tw.testing.snmp_devices import device
from tests.snmp.polling import LIBRARIES, listening, target

SECONDS = 30.0
FAST = SnmpSchedule(counters_seconds=1.0, descriptions_seconds=3.0)


def reactor() -> Any:
    """The one that the tests run on."""
    from twisted.internet import reactor as installed

    return installed


async def until(true: Callable[[], object]) -> None:
    """Wait for it, with generous bounds."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        await deferLater(reactor(), 0.05)


@asynccontextmanager
async def polling(
    state_dir: Path, targets: list[SnmpTarget], schedule: SnmpSchedule = FAST, library: str = ""
) -> AsyncIterator[tuple[PollerService, list[Reading]]]:
    """A service, and the readings that it tells."""
    readings: list[Reading] = []
    service = PollerService(
        reactor=reactor(), schedule=schedule, state_dir=state_dir, listener=readings.append, library=library
    )
    service.targets_changed(targets)
    service.startService()
    try:
        yield service, readings
    finally:
        await service.stopService()
        assert service.status().pid == 0


@pytest.mark.parametrize("library", LIBRARIES)
@pytest_twisted.ensureDeferred
async def test_devices_are_polled(tmp_path: Path, library: str) -> None:
    """Readings of each come through the pipe, whole, again and again; the process says what it costs."""
    with listening(SimulatedAgent(device("one", 200))) as one, listening(SimulatedAgent(device("two", 3))) as two:
        targets = [target(one, device_id=1), target(two, device_id=2)]
        async with polling(tmp_path, targets, library=library) as (service, readings):
            await until(lambda: {1, 2} <= {reading.device_id for reading in readings if reading.counters[0].deltas})
            first = next(reading for reading in readings if reading.device_id == 1)
            assert first.with_descriptions
            assert len(first.interfaces) == len(first.counters) == 200
            await until(lambda: service.status().cpu_seconds > 0)
            status = service.status()
            assert (status.client, status.targets, status.restarts, status.problem) == (library, 2, 0, "")
            assert status.latest[1].system is not None
            assert status.latest[1].interfaces == ()
            assert abs(status.next_polls[2] - time.time()) < 5.0
            service.targets_changed(targets[:1])
            await until(lambda: readings[-1].device_id == 1)
            assert set(service.status().latest) == {1}


@pytest_twisted.ensureDeferred
async def test_a_single_poll(tmp_path: Path) -> None:
    """Asked for by hand, with progress, of a device that is no target."""
    told: list[Progress] = []
    with listening(SimulatedAgent(device("asked", 30))) as port:
        async with polling(tmp_path, []) as (service, readings):
            reading = await Deferred.fromCoroutine(service.poll_now(target(port), told.append))
            refused = await Deferred.fromCoroutine(service.poll_now(target(1, retries=0)))
    assert reading.system is not None
    assert (reading.system.name, len(reading.interfaces)) == ("asked", 30)
    assert refused.error is not None
    assert refused.error.kind in (ErrorKind.REFUSED, ErrorKind.NO_ANSWER)
    assert [progress.stage for progress in told][:2] == ["system", "interface counters"]
    assert max(progress.rows for progress in told) >= 30
    assert readings == []


@pytest_twisted.ensureDeferred
async def test_without_a_process(tmp_path: Path) -> None:
    """A poll that is asked for says so, and raises nothing."""
    service = PollerService(reactor=reactor(), schedule=FAST, state_dir=tmp_path, listener=lambda _reading: None)
    reading = await Deferred.fromCoroutine(service.poll_now(target(1)))
    assert reading.error is not None
    assert reading.error.kind is ErrorKind.POLLER


@pytest_twisted.ensureDeferred
async def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    """Polling goes on, and a poll that somebody waited for is told to have failed."""
    with listening(SimulatedAgent(device("one", 3))) as port:
        async with polling(tmp_path, [target(port)]) as (service, readings):
            await until(lambda: readings)
            before = service.status().pid
            waiting = Deferred.fromCoroutine(service.poll_now(target(port, community="wrong", timeout_seconds=20.0)))
            await deferLater(reactor(), 0.3)
            os.kill(before, signal.SIGKILL)
            lost = await waiting
            assert lost.error is not None
            assert lost.error.kind is ErrorKind.POLLER
            readings.clear()
            await until(lambda: readings)
            status = service.status()
    assert status.pid not in (0, before)
    assert status.restarts == 1


@pytest_twisted.ensureDeferred
async def test_secrets_stay_secret(tmp_path: Path) -> None:
    """Communities and pass phrases are on no command line, in no environment, file, log, status or reading."""
    words = ("canary-community", "canary-authentication", "canary-privacy")
    user = V3Credentials(
        user="somebody",
        auth=AuthProtocol.SHA,
        auth_pass_phrase=words[1],
        priv=PrivProtocol.AES128,
        priv_pass_phrase=words[2],
    )
    said: list[str] = []

    def note(event: LogEvent) -> None:
        said.append(eventAsText(event) + repr(event))

    observer: Any = note
    globalLogPublisher.addObserver(observer)
    try:
        with listening(SimulatedAgent(device("one", 3), community=words[0])) as port:
            asked = target(port, community=words[0])
            wrong = attrs.evolve(asked, device_id=2, version=Version.V3, v3=user)
            async with polling(tmp_path, [asked, wrong]) as (service, readings):
                await until(lambda: {reading.device_id for reading in readings} == {1, 2})
                of_process = Path(f"/proc/{service.status().pid}")
                said += [(of_process / name).read_text() for name in ("cmdline", "environ")]
                said += [repr(service.status()), repr(readings), repr([asked, wrong])]
                os.kill(service.status().pid, signal.SIGKILL)
                await until(lambda: service.status().restarts == 1)
    finally:
        globalLogPublisher.removeObserver(observer)
    said += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(said) > 6
    assert any(reading.counters for reading in readings)
    for word in words:
        assert not any(word in text for text in said)


class FakeChild:
    """A process that never ends by itself."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    def end(self, signal_name: str) -> None:
        """Note it."""
        self.signals.append(signal_name)


class Life:
    """A supervised process that is under the test's control."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.children: list[FakeChild] = []
        self.ended: Callable[[str], None] = lambda _words: None
        self.troubles: list[str] = []
        self.supervision = Supervision(
            reactor=self.clock, launch=self.launch, trouble=self.troubles.append, uniform=lambda _low, high: high
        )

    def launch(self, *, ended: Callable[[str], None]) -> Child:
        """Start a fake."""
        self.ended = ended
        self.children.append(FakeChild())
        return self.children[-1]


def test_a_process_that_hangs_is_ended() -> None:
    """One that says nothing for a minute; one that speaks lives."""
    life = Life()
    life.supervision.start()
    life.clock.advance(SILENT_SECONDS - 1)
    life.supervision.heard()
    life.clock.advance(SILENT_SECONDS - 1)
    assert life.children[0].signals == []
    life.clock.advance(2)
    assert life.children[0].signals == ["KILL"]
    life.ended("killed")
    assert life.troubles == ["it said nothing for 60 s"]
    life.clock.advance(FIRST_RESTART_SECONDS)
    assert len(life.children) == 2


def test_waits_grow_while_it_dies_at_once() -> None:
    """1, 2, 4 ... seconds; one that lived for long begins anew."""
    life = Life()
    life.supervision.start()
    for wait in (1.0, 2.0, 4.0):
        life.ended("cannot import it")
        before = len(life.children)
        life.clock.advance(wait - 0.01)
        assert len(life.children) == before
        life.clock.advance(0.02)
        assert len(life.children) == before + 1
    for _minute in range(3):
        life.clock.advance(SILENT_SECONDS - 1)
        life.supervision.heard()
    life.ended("now")
    life.clock.advance(1.01)
    assert len(life.children) == 5
    assert life.supervision.restarts == 4


def test_stopping() -> None:
    """It is asked to end, and then made to; it is not started again."""
    life, gone = Life(), []
    life.supervision.start()
    life.supervision.stop(lambda: gone.append(1))
    assert life.children[0].signals == ["TERM"]
    life.clock.advance(2.0)
    assert life.children[0].signals == ["TERM", "KILL"]
    life.ended("")
    assert gone == [1]
    life.clock.advance(100)
    assert len(life.children) == 1


def test_usage() -> None:
    """In sum over all processes, and of the last minute."""
    usage = Usage()
    for second in range(0, 121, 2):
        usage.used(second * 0.5, float(second))
    assert usage.total == 60.0
    assert usage.percent() == pytest.approx(50.0)
    usage.began()
    usage.used(1.0, 122.0)
    assert usage.total == 61.0
