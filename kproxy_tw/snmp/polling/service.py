"""Polls devices, each at its own points in time, and tells what comes of it. Runs in the polling process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from twisted.application.service import Service
from twisted.logger import Logger

import attrs

from kproxy_tw.snmp.agents import Agents
from kproxy_tw.snmp.interfaces import ProgressListener
from kproxy_tw.snmp.poll import Wanted
from kproxy_tw.snmp.polling.device import DevicePoller, Times, unread
from kproxy_tw.snmp.reading import ErrorKind, PollError, Reading
from kproxy_tw.snmp.schedule import Grid, Plan
from kproxy_tw.snmp.settings import SnmpSchedule, SnmpTarget

SINGLE_POLL_SECONDS = 600.0
"""A poll that is asked for by hand may take so long."""

OVERRUN = PollError(kind=ErrorKind.OVERRUN, text="the poll was not over when the next one was due: it is dropped")
FAULT = PollError(kind=ErrorKind.POLLER, text="a fault of kproxy's own, which its log tells")

Tell = Callable[[Reading], Awaitable[None]]


@attrs.define(eq=False)
class _Polled:
    """A device with its schedule.

    :ivar failures: polls without answer in a row.
    :ivar dropped: polls that overran their slot.
    :ivar owed: descriptions are due that could not be read.
    """

    poller: DevicePoller
    plan: Plan
    grid: Grid
    first: bool = True
    failures: int = 0
    dropped: int = 0
    owed: bool = False
    task: asyncio.Task[None] | None = None

    def take(self, reading: Reading, next_point: int) -> int:
        """Learn from a poll; the point of the next one, not before ``next_point``."""
        self.failures = 0 if reading.answered else self.failures + 1
        self.first = self.first and not reading.answered
        if reading.with_descriptions:
            self.owed = not reading.interfaces
        return self.plan.next_point(next_point, failures=self.failures, owed=self.owed)


class PollingService(Service):
    """Polls the targets it is given.

    :param tell: takes each reading; the next poll of that device waits for it.
    :param learned: called when there is news of an engine.
    """

    log = Logger()

    def __init__(self, *, agents: Agents, schedule: SnmpSchedule, tell: Tell, learned: Callable[[], None]) -> None:
        self._agents = agents
        self._schedule = schedule
        self._tell = tell
        self._learned = learned
        self._begun = time.monotonic()
        self._devices: dict[int, _Polled] = {}
        self._places = asyncio.Semaphore(schedule.walks_at_once)

    def targets_changed(self, targets: Iterable[SnmpTarget]) -> None:
        """These are all from now on."""
        wanted = {target.device_id: target for target in targets}
        for device_id in [known for known in self._devices if known not in wanted]:
            _end(self._devices.pop(device_id))
        fresh = [target for target in wanted.values() if self._is_news(target)]
        for target in fresh:
            self._take(target, len(fresh))

    async def poll_once(self, target: SnmpTarget, progress: ProgressListener) -> Reading:
        """Poll once, everything, outside of the schedule; the schedule's own figures are left alone."""
        known = self._devices.get(target.device_id)
        poller = DevicePoller(target, self._agents, self._learned)
        if known is not None:
            poller.turn = known.poller.turn
        now = time.monotonic()
        everything = Wanted(descriptions=True, counters=True, most_interfaces=self._schedule.max_interfaces, rank=True)
        return await poller.poll(everything, Times(now, now + SINGLE_POLL_SECONDS), progress)

    def stopService(self) -> None:
        """Stop polling at once."""
        super().stopService()
        for polled in self._devices.values():
            _end(polled)
        self._devices.clear()

    def _is_news(self, target: SnmpTarget) -> bool:
        known = self._devices.get(target.device_id)
        return known is None or known.poller.target != target

    def _take(self, target: SnmpTarget, devices: int) -> None:
        before = self._devices.get(target.device_id)
        polled = _Polled(
            poller=DevicePoller(target, self._agents, self._learned),
            plan=Plan.of(target.device_id, self._schedule, minimized=target.minimized),
            grid=Grid.of(target.device_id, self._schedule, now=time.monotonic(), begun=self._begun, devices=devices),
        )
        if before is not None:
            _end(before)
            polled.poller.inherit(before.poller)
        self._devices[target.device_id] = polled
        polled.task = asyncio.ensure_future(self._follow(polled))
        polled.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A device's polling ends only when it is told to; anything else is a fault of ours."""
        if not task.cancelled() and (problem := task.exception()) is not None:
            self.log.error("polling of a device ended for good: {problem!r}", problem=problem)

    async def _follow(self, polled: _Polled) -> None:
        """Poll a device at its points for ever."""
        due, end = polled.grid.first, polled.grid.behind(polled.grid.first)
        while True:
            await asyncio.sleep(due - time.monotonic())
            wanted = polled.plan.wanted(end - 1, first=polled.first, owed=polled.owed)
            reading = await self._poll(polled, wanted, due, polled.grid.point(end))
            point = polled.take(reading, end)
            told = attrs.evolve(
                reading,
                dropped=polled.dropped,
                failures=polled.failures,
                next_poll=time.time() + polled.grid.point(point) - time.monotonic(),
            )
            await self._tell(told)
            # Should telling have taken so long that points have passed, these polls are left out.
            late = polled.grid.after(time.monotonic())
            polled.dropped += max(0, late - point)
            due, end = polled.grid.point(max(point, late)), max(point, late) + 1

    async def _poll(self, polled: _Polled, wanted: Wanted, due: float, end: float) -> Reading:
        """One poll, which must be over when its slot is."""
        deadline = end - polled.grid.margin
        try:
            async with asyncio.timeout_at(end), self._places:
                return await polled.poller.poll(wanted, Times(due, deadline))
        except TimeoutError:
            polled.dropped += 1
            error = OVERRUN
        except Exception:
            self.log.failure("polling device {device} failed", device=polled.poller.target.device_id)
            error = FAULT
        return unread(polled.poller.target, wanted, due, error)


def _end(polled: _Polled) -> None:
    if polled.task is not None:
        polled.task.cancel()
