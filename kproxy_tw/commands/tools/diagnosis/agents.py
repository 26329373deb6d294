"""Checks of the SNMP agents: each device that has settings for SNMP is asked for its system group.

A router that is down keeps kproxy from nothing, so it is a warning; when none of them answers, polling does not work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

from twisted.internet.defer import Deferred

from kproxy_tw.commands.tools.diagnosis.finding import Finding
from kproxy_tw.devices.device import Device
from kproxy_tw.snmp import describe, oids
from kproxy_tw.snmp.agents import Agents
from kproxy_tw.snmp.check.text import HINTS
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.failure import AgentFailure
from kproxy_tw.snmp.inputs.file import FileEntry
from kproxy_tw.snmp.inputs.targets import Targets, targets, targets_of_file
from kproxy_tw.snmp.libraries import PYSNMP
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.reading import ErrorKind
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.status import shown_address

NAME = "snmp"

AT_ONCE = 32
"""Agents that are asked at the same time."""

MOST_SECONDS = 60.0
"""For all questions to one agent, whatever -snmp_timeout_seconds and -snmp_retries add up to."""

ADVICE = {
    **HINTS,
    ErrorKind.NO_ANSWER: "let it take SNMP from this machine's address, with the community or user that kproxy has",
}
OTHER_ADVICE = "compare the settings with the agent's own; kproxy -test_snmp shows a whole poll"


Asked = tuple[bool, Finding]
"""Whether an agent gave an answer, and what was found."""

NONE_ANSWERS = Finding(
    NAME, "fail", "no agent answers at all", "see whether UDP to port 161 may leave this machine and come back"
)


class AgentChecks:
    """Asks agents, with the settings that kproxy itself would poll with.

    :param entries: of ``-snmp_file``, by device id.
    """

    def __init__(self, config: SnmpConfig, entries: Mapping[int, FileEntry]) -> None:
        self._config = config
        self._entries = entries
        self._agents = Agents(PYSNMP, {})
        self._places = asyncio.Semaphore(AT_ONCE)

    async def findings(self, devices: Sequence[Device] | None) -> AsyncIterator[Finding]:
        """One of each device, as soon as those before it are made.

        :param devices: of the API; ``None`` when it gave none, which leaves those of the file.
        """
        found = self._targets(devices)
        names = {device.device_id: f"{device.name} (#{device.device_id})" for device in devices or ()}
        if devices is None:
            yield Finding(NAME, "skip", "devices with settings in the API are not looked at: it gave no devices")
        elif not found.polled and not found.problems and not self._entries:
            yield Finding(NAME, "ok", "no device has an address for SNMP, so none is polled")
        for device_id, problem in found.problems.items():
            yield Finding(NAME, "warn", f"{_name(device_id, names)}: {problem}")
        for finding in self._unknown(devices):
            yield finding
        answered = []
        async for answers, finding in self._asked(found.polled, names):
            answered.append(answers)
            yield finding
        if answered and not any(answered):
            yield NONE_ANSWERS

    def _targets(self, devices: Sequence[Device] | None) -> Targets:
        if devices is None:
            return targets_of_file(self._entries, self._config)
        return targets(devices, self._entries, self._config)

    def _unknown(self, devices: Sequence[Device] | None) -> Iterator[Finding]:
        """Devices of the file that the account has not: these are never polled."""
        if devices is None:
            return
        for device_id in sorted(self._entries.keys() - {device.device_id for device in devices}):
            yield Finding(
                NAME,
                "warn",
                f"device {device_id} of -snmp_file is not in the account, and not polled",
                "create it there, or take it out of the file",
            )

    async def _asked(self, polled: Iterable[SnmpTarget], names: Mapping[int, str]) -> AsyncIterator[Asked]:
        tasks = [asyncio.ensure_future(self._in_turn(target, _name(target.device_id, names))) for target in polled]
        try:
            for task in tasks:
                yield await Deferred.fromFuture(task)
        finally:
            for task in tasks:
                task.cancel()

    async def _in_turn(self, target: SnmpTarget, name: str) -> Asked:
        shown = f"{name}, {shown_address(target.address, target.port)}"
        async with self._places:
            try:
                async with asyncio.timeout(MOST_SECONDS):
                    return True, await self._ask(target, shown)
            except AgentFailure as failure:
                return False, Finding(NAME, "warn", f"{shown}: {failure}", ADVICE.get(failure.kind, OTHER_ADVICE))
            except TimeoutError:
                problem = f"{shown}: no whole answer within {MOST_SECONDS:g} s"
                return False, Finding(NAME, "warn", problem, OTHER_ADVICE)

    async def _ask(self, target: SnmpTarget, shown: str) -> Finding:
        """:raises AgentFailure: it gives no usable answer."""
        client, _security = await self._agents.open(target, Pace(target.max_repetitions))
        try:
            system = describe.system_group(await client.get(tuple(oids.SYSTEM.values())))
        finally:
            client.close()
        if system is None:
            advice = "let its view hold 1.3.6.1.2.1 (MIB-2)"
            return Finding(NAME, "warn", f"{shown} answers, but tells nothing of its system", advice)
        return Finding(NAME, "ok", f"{shown} answers with version {target.version}: {system.name or 'without a name'}")


def _name(device_id: int, names: Mapping[int, str]) -> str:
    return names.get(device_id, f"device {device_id}")
