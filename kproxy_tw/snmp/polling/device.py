"""One device in the polling process: when it is polled, and what its polls bring."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import attrs

from kproxy_tw.snmp.agents import Agents
from kproxy_tw.snmp.failure import AgentFailure
from kproxy_tw.snmp.interfaces import ProgressListener
from kproxy_tw.snmp.message import CommunitySecurity
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.poll import DeviceMemory, Findings, Poll, Wanted
from kproxy_tw.snmp.reading import Effort, PollError, Reading, V3State
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.snmp.usm import UsmSecurity


@attrs.frozen
class Times:
    """When a poll is, in seconds of the monotonic clock.

    :ivar due: when it was to begin.
    :ivar deadline: when it must be over.
    """

    due: float
    deadline: float


def new_memory(target: SnmpTarget) -> DeviceMemory:
    """Of a device that has not been polled yet."""
    return DeviceMemory(Pace(target.max_repetitions))


@attrs.define(eq=False)
class DevicePoller:
    """Polls one device, once at a time.

    :ivar learned: called when there is news of its engine.
    :ivar turn: held while it is polled.
    """

    target: SnmpTarget
    agents: Agents
    learned: Callable[[], None]
    memory: DeviceMemory = attrs.field(init=False)
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self.memory = new_memory(self.target)

    def inherit(self, before: DevicePoller) -> None:
        """Go on where the device was polled with other settings; what another agent counted is forgotten."""
        self.turn = before.turn
        if (before.target.address, before.target.port) == (self.target.address, self.target.port):
            self.memory.history, self.memory.names = before.memory.history, before.memory.names

    async def poll(self, wanted: Wanted, times: Times, progress: ProgressListener | None = None) -> Reading:
        """Poll. Never raises for what the agent does. A poll under way is waited for."""
        async with self.turn:
            return await self._poll(wanted, times, progress)

    async def _poll(self, wanted: Wanted, times: Times, progress: ProgressListener | None) -> Reading:
        began, wall = time.monotonic(), time.time()
        effort, v3 = Effort(), None
        try:
            client, security = await self.agents.open(self.target, self.memory.pace)
        except AgentFailure as failure:
            findings = Findings(error=failure.error)
        else:
            try:
                poll = Poll(client, self.memory, wanted, self.target.max_rows, times.deadline, time.monotonic, progress)
                findings = await poll.run()
                wanted = poll.wanted
            finally:
                client.close()
            effort, v3 = client.effort(), _state(security)
            if self.agents.learn(self.target, security):
                self.learned()
        return Reading(
            device_id=self.target.device_id,
            scheduled=wall - (began - times.due),
            started=wall,
            duration_seconds=time.monotonic() - began,
            with_descriptions=wanted.descriptions,
            with_counters=wanted.counters,
            system=findings.system,
            interfaces=findings.interfaces,
            counters=findings.counters,
            health=findings.health,
            interfaces_found=findings.interfaces_found,
            partial=findings.partial,
            error=findings.error,
            events=findings.events,
            effort=effort,
            v3=v3,
        )


def _state(security: CommunitySecurity | UsmSecurity) -> V3State | None:
    return security.state(time.monotonic()) if isinstance(security, UsmSecurity) else None


def unread(target: SnmpTarget, wanted: Wanted, due: float, error: PollError) -> Reading:
    """Of a poll that brought nothing for reasons that are not the agent's."""
    now, wall = time.monotonic(), time.time()
    return Reading(
        device_id=target.device_id,
        scheduled=wall - (now - due),
        started=wall,
        with_descriptions=wanted.descriptions,
        with_counters=wanted.counters,
        error=error,
    )
