"""Agents that misbehave: what they cost, and that they cost nobody else anything."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from twisted.logger import LogEvent, eventAsText, globalLogPublisher

import pytest
import pytest_twisted

from kproxy_tw.snmp.agents import PYSNMP, Agents
from kproxy_tw.snmp.message import Answer, CommunitySecurity
from kproxy_tw.snmp.polling.device import Times
from kproxy_tw.snmp.polling.service import PollingService
from kproxy_tw.snmp.reading import ErrorKind, EventKind, Reading
from kproxy_tw.snmp.settings import SnmpSchedule
from kproxy_tw.testing.snmp_agent import SimulatedAgent
from kproxy_tw.testing.snmp_devices import device
from tests.snmp import hostile
from tests.snmp.polling import EVERYTHING, LIBRARIES, in_asyncio, listening, poll, poller, target

SEEDS = range(10) if "KPROXY_TW_LONG" in os.environ else range(1)
INTERFACES = 60
POLL_SECONDS = 4.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", hostile.HARMLESS)
@pytest_twisted.ensureDeferred
async def test_nothing_is_lost(kind: type[hostile.HostileAgent], library: str, seed: int) -> None:
    """Agents that are only peculiar are read whole, if with more questions."""
    with listening(kind(device("peculiar", INTERFACES), seed)) as port:
        reading = await poll(poller(port, library), seconds=60.0)
    assert reading.error is None
    assert reading.partial == ()
    assert [interface.index for interface in reading.interfaces] == list(range(1, INTERFACES + 1))
    assert len(reading.counters) == INTERFACES
    told = [event.kind for event in reading.events]
    assert told == ([] if kind is hostile.Duplicating else [EventKind.NO_BULK])


async def polled_each(library: str, seed: int) -> dict[type[hostile.HostileAgent], tuple[Reading, float]]:
    """One poll of each harmful agent, all at the same time; and how long it took."""

    async def one(kind: type[hostile.HostileAgent]) -> tuple[Reading, float]:
        begun = time.monotonic()
        with listening(kind(device("hostile", INTERFACES), seed)) as port:
            times = Times(begun, begun + POLL_SECONDS)
            reading = await poller(port, library, max_rows=2000).poll(EVERYTHING, times)
        return reading, time.monotonic() - begun

    found = await asyncio.gather(*map(one, hostile.HARMFUL))
    return dict(zip(hostile.HARMFUL, found, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest_twisted.ensureDeferred
async def test_polls_end(library: str, seed: int) -> None:
    """Whatever an agent does, its poll is over in time, says what was wrong, and keeps what was right."""
    for kind, (reading, seconds) in (await in_asyncio(polled_each(library, seed))).items():
        assert seconds < POLL_SECONDS + 5.0, kind
        assert reading.system is not None, kind
        assert reading.system.name == "hostile"
        assert reading.partial or reading.error or kind is hostile.WrongTypes, kind
        assert len(reading.interfaces) <= 750
        assert all(found.name.isprintable() and len(found.name) <= 255 for found in reading.interfaces), kind
        assert all(counted.deltas is None for counted in reading.counters), kind


@pytest_twisted.ensureDeferred
async def test_what_was_read_is_kept_and_marked() -> None:
    """Rows that came before the agent went wrong are told, with where and why it stopped."""
    agent = hostile.Repeating(device("hostile", INTERFACES))
    agent.honest, agent.max_variables = 2, 170
    with listening(agent) as port:
        reading = await poll(poller(port, PYSNMP))
    partial = {one.table: one for one in reading.partial}
    counters = partial["interface counters"]
    assert counters.rows == 20
    assert counters.error.kind is ErrorKind.BROKEN_ANSWER
    assert "do not increase" in counters.error.text
    assert len(reading.counters) == 20


@pytest_twisted.ensureDeferred
async def test_garbage_is_counted_and_bounded() -> None:
    """A flood of datagrams that are no answers ends the question, not the process."""
    agent = hostile.Garbage(device("hostile", 3))
    agent.honest = 0
    with listening(agent) as port:
        reading = await poll(poller(port, PYSNMP))
    assert reading.effort.ignored >= 33
    assert reading.partial[0].error.kind is ErrorKind.BROKEN_ANSWER


STEPS = (3.0, 12.0, 48.0)
"""Seconds between two polls of a device; all agents and the poller share one process."""


async def polled_together(polls: int, step: float) -> tuple[list[Reading], int]:
    """One good device beside all hostile ones, until it has been polled so often and each of the others once."""
    readings: list[Reading] = []
    enough = asyncio.Event()
    agents = [kind(device(kind.__name__, 10)) for kind in (*hostile.HARMFUL, *hostile.HARMLESS)]

    async def tell(reading: Reading) -> None:
        readings.append(reading)
        devices = [reading.device_id for reading in readings]
        if devices.count(1) >= polls and len(set(devices)) == len(agents) + 1:
            enough.set()

    schedule = SnmpSchedule(counters_seconds=step, descriptions_seconds=4 * step)
    service = PollingService(agents=Agents(PYSNMP, {}), schedule=schedule, tell=tell, learned=lambda: None)
    with ExitStack() as stack:
        good = stack.enter_context(listening(hostile.Duplicating(device("good", 10))))
        ports = [stack.enter_context(listening(agent)) for agent in agents]
        service.startService()
        service.targets_changed(
            [
                target(good, device_id=1, timeout_seconds=2.0),
                *(target(port, device_id=number) for number, port in enumerate(ports, 2)),
            ]
        )
        await asyncio.wait_for(enough.wait(), 20 * step)
        service.stopService()
    return readings, len(agents)


def overran(reading: Reading) -> bool:
    """The poll was not over in its slot."""
    errors = [*(partial.error for partial in reading.partial), *([reading.error] if reading.error else [])]
    return any(error.kind is ErrorKind.OVERRUN for error in errors)


@pytest_twisted.ensureDeferred
async def test_the_others_are_polled_on_time() -> None:
    """A good device beside seventeen hostile ones: each of its polls is on its grid, answered and whole."""
    for step in STEPS:
        readings, hostiles = await in_asyncio(polled_together(4, step))
        good = [reading for reading in readings if reading.device_id == 1]
        if not any(map(overran, good)):
            break  # else this machine is too busy for slots that are a hundredth of the usual ones
    assert all(reading.error is None and not reading.partial and len(reading.counters) == 10 for reading in good)
    assert all(reading.started - reading.scheduled < 5.0 for reading in good)
    # On its grid: polls are whole intervals apart, however long any of them took.
    apart = [(later.scheduled - earlier.scheduled) / step for earlier, later in itertools.pairwise(good[1:])]
    assert apart == pytest.approx([round(steps) for steps in apart], abs=0.05)
    assert min(apart) > 0.9
    assert len({reading.device_id for reading in readings}) == hostiles + 1


async def polled_with(
    tell: Callable[[Reading], Awaitable[None]], agent: SimulatedAgent, seconds: float, **settings: Any
) -> None:
    """One device, each second, for so long."""
    service = PollingService(
        agents=Agents(PYSNMP, {}), schedule=SnmpSchedule(counters_seconds=1.0), tell=tell, learned=lambda: None
    )
    with listening(agent) as port:
        service.targets_changed([target(port, timeout_seconds=5.0, **settings)])
        await asyncio.sleep(seconds)
        service.stopService()


@pytest_twisted.ensureDeferred
async def test_a_poll_ends_with_its_slot() -> None:
    """An agent that would need longer: what was read is told, and the next poll is not moved."""
    readings: list[Reading] = []

    async def tell(reading: Reading) -> None:
        readings.append(reading)

    await in_asyncio(polled_with(tell, hostile.Silent(device("silent", 5)), 4.5))
    assert len(readings) >= 2
    for reading in readings[1:]:
        assert reading.error is not None
        assert reading.error.kind is ErrorKind.OVERRUN
        assert reading.duration_seconds < 1.5
    apart = [later.scheduled - earlier.scheduled for earlier, later in itertools.pairwise(readings[1:])]
    assert apart == pytest.approx([round(seconds) for seconds in apart], abs=0.05)


@pytest_twisted.ensureDeferred
async def test_polls_that_are_not_made_are_counted() -> None:
    """Whoever takes the readings was busy for some intervals: these polls are left out, and said to be."""
    readings: list[Reading] = []

    async def tell(reading: Reading) -> None:
        readings.append(reading)
        if len(readings) == 2:
            await asyncio.sleep(2.5)

    await in_asyncio(polled_with(tell, SimulatedAgent(device("good", 5)), 6.0))
    later, earlier = readings[2], readings[1]
    passed = later.scheduled - earlier.scheduled
    assert passed == pytest.approx(round(passed), abs=0.05)
    assert round(passed) >= 3
    assert later.dropped - earlier.dropped == round(passed) - 1


class Faulty(CommunitySecurity):
    """One with a bug in it, where the secret is at hand."""

    def decode(self, datagram: bytes, now: float) -> Answer:
        """Fail as no agent can make it."""
        raise ZeroDivisionError


@pytest_twisted.ensureDeferred
async def test_a_fault_of_ours_is_logged_without_secrets_and_polling_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so in the reading, the log has the traceback, and the next poll is made."""
    monkeypatch.setattr("kproxy_tw.snmp.agents.CommunitySecurity", Faulty)
    readings: list[Reading] = []
    logged: list[str] = []

    async def tell(reading: Reading) -> None:
        readings.append(reading)

    def note(event: LogEvent) -> None:
        logged.append(eventAsText(event) + repr(event))

    observer: Any = note
    globalLogPublisher.addObserver(observer)
    try:
        agent = SimulatedAgent(device("good", 5), community="C4NARY-community")
        await in_asyncio(polled_with(tell, agent, 4.5, community="C4NARY-community"))
    finally:
        globalLogPublisher.removeObserver(observer)
    assert len(readings) >= 2
    assert all(reading.error is not None and reading.error.kind is ErrorKind.POLLER for reading in readings)
    assert any("ZeroDivisionError" in text and "decode" in text for text in logged)
    assert not any("C4NARY" in text for text in [*logged, repr(readings)])
