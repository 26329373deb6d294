"""One poll of one device: what is asked for in which order, and what the answers say.

Counters come first, as they are about a moment. A table that breaks is kept as far as it came; one that is not answered
costs the rest of the poll only if the agent says nothing else either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import attrs

from kproxy_tw.snmp import counters, describe, health, oids
from kproxy_tw.snmp.client import AgentClient
from kproxy_tw.snmp.counters import Counted, CounterHistory
from kproxy_tw.snmp.failure import AgentFailure
from kproxy_tw.snmp.following import InterfaceNames
from kproxy_tw.snmp.interfaces import ProgressListener
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.ranking import Ranking
from kproxy_tw.snmp.reading import (
    DeviceHealth,
    ErrorKind,
    EventKind,
    Interface,
    InterfaceCounters,
    Partial,
    PollError,
    PollEvent,
    SystemGroup,
)
from kproxy_tw.snmp.status import Progress
from kproxy_tw.snmp.uptime import Uptime
from kproxy_tw.snmp.walk import Table, TableSpec, Walk

SILENCE = {ErrorKind.NO_ANSWER, ErrorKind.REFUSED, ErrorKind.NO_ROUTE}

UPTIME = oids.SYSTEM["sysUpTime"]


@attrs.frozen
class Wanted:
    """What a poll is to bring.

    :ivar most_interfaces: that are told of, the busiest ones.
    :ivar rank: put them in order anew; needs counters whether they are wanted or not.
    """

    descriptions: bool
    counters: bool
    most_interfaces: int
    rank: bool


@attrs.define(eq=False)
class DeviceMemory:
    """What is kept of a device from poll to poll.

    :ivar rows: by table, how many it had.
    """

    pace: Pace
    history: CounterHistory = attrs.field(factory=CounterHistory)
    names: InterfaceNames = attrs.field(factory=InterfaceNames)
    ranking: Ranking = attrs.field(factory=Ranking)
    entity_names: dict[int, str] = attrs.field(factory=dict)
    rows: dict[str, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Findings:
    """What a poll has brought; see ``reading.Reading``."""

    system: SystemGroup | None = None
    interfaces: tuple[Interface, ...] = ()
    counters: tuple[InterfaceCounters, ...] = ()
    health: DeviceHealth = attrs.Factory(DeviceHealth)
    interfaces_found: int = 0
    partial: tuple[Partial, ...] = ()
    error: PollError | None = None
    events: tuple[PollEvent, ...] = ()


@attrs.define(eq=False)
class Poll:
    """One poll.

    :ivar deadline: when it must be over, in seconds of the event loop's clock.
    :ivar clock: the same clock.
    """

    client: AgentClient
    memory: DeviceMemory
    wanted: Wanted
    max_rows: int
    deadline: float
    clock: Callable[[], float]
    progress: ProgressListener | None = None
    _walks: dict[str, Walk] = attrs.field(factory=dict, init=False)
    _unread: list[Partial] = attrs.field(factory=list, init=False)
    _ended: PollError | None = attrs.field(default=None, init=False)

    async def run(self) -> Findings:
        """Poll. Never raises for what the agent does."""
        had_bulk = self.memory.pace.bulk
        try:
            async with asyncio.timeout_at(self.deadline):
                self._tell("system")
                values = await self.client.get(tuple(oids.SYSTEM.values()))
        except AgentFailure as failure:
            return Findings(error=failure.error)
        except TimeoutError:
            return Findings(error=_out_of_time().error)
        system = describe.system_group(values)
        uptime = Uptime(system.uptime_seconds, self.clock()) if UPTIME in values and system is not None else None
        await self._read(describe.enterprise(system.object_id) if system is not None else 0)
        found = self._found(system, uptime)
        if had_bulk and not self.memory.pace.bulk:
            event = PollEvent(kind=EventKind.NO_BULK, text="the agent does not answer GETBULK: it is asked row by row")
            found = attrs.evolve(found, events=(*found.events, event))
        return found

    async def _read(self, maker: int) -> None:
        if self.wanted.counters or self.wanted.rank:
            await self._walk(oids.COUNTERS)
            if counters.lacks_wide(self._table(oids.COUNTERS)):
                await self._walk(oids.COUNTERS_32)
        if not self.wanted.descriptions and self._moved():
            # Until they are read again, flows would carry the names of other interfaces.
            self.wanted = attrs.evolve(self.wanted, descriptions=True)
        if self.wanted.descriptions:
            for spec in (*oids.DESCRIPTIONS, *oids.DESCRIPTIONS_OF_MAKERS.get(maker, ())):
                await self._walk(spec)
        for spec in oids.HEALTH_OF_MAKERS.get(maker, oids.HOST_HEALTH):
            await self._walk(spec)

    def _moved(self) -> bool:
        """The counters are not those of the interfaces that were described."""
        names: dict[int, str] = {}
        for spec in (oids.COUNTERS, oids.COUNTERS_32):
            for index, row in self._table(spec).rows.items():
                if len(index) == 1 and not names.get(index[0]):
                    names[index[0]] = counters.name_of(row)
        return self.memory.names.moved(names, complete=self._complete(oids.COUNTERS.name))

    async def _walk(self, spec: TableSpec) -> None:
        if self._ended is not None:
            self._unread.append(Partial(table=spec.name, rows=0, error=self._ended))
            return
        walk = self._walks[spec.name] = Walk(spec, self.max_rows, self.memory.rows.get(spec.name))
        self._tell(spec.name)
        try:
            async with asyncio.timeout_at(self.deadline):
                await self.client.walk(walk, lambda rows: self._tell(spec.name, rows))
        except AgentFailure as failure:
            walk.fail(failure)
        except TimeoutError:
            walk.fail(_out_of_time())
            self._ended = _out_of_time().error
        if walk.failure is None:
            self.memory.rows[spec.name] = len(walk.table.rows)
            return
        self._unread.append(Partial(table=spec.name, rows=len(walk.table.rows), error=walk.failure.error))
        if walk.failure.kind in SILENCE and self._ended is None and not await self._lives():
            self._ended = walk.failure.error

    async def _lives(self) -> bool:
        """The agent still answers the simplest question."""
        try:
            async with asyncio.timeout_at(self.deadline):
                await self.client.get((UPTIME,))
        except (AgentFailure, TimeoutError):
            return False
        return True

    def _tell(self, stage: str, rows: int = 0) -> None:
        if self.progress is not None:
            self.progress(Progress(stage=stage, rows=rows, requests=self.client.effort().requests))

    def _table(self, spec: TableSpec) -> Table:
        walk = self._walks.get(spec.name)
        return Table(spec.name) if walk is None else walk.table

    def _complete(self, *names: str) -> bool:
        walks = [self._walks.get(name) for name in names]
        return all(walk is not None and walk.failure is None for walk in walks)

    def _found(self, system: SystemGroup | None, uptime: Uptime | None) -> Findings:
        counted = self._counted(uptime)
        if self.wanted.rank:
            self.memory.ranking.rank(counted.counters)
        described = describe.interfaces(self._tables()) if self.wanted.descriptions else {}
        if self.wanted.descriptions and self._complete("entPhysicalTable"):
            self.memory.entity_names = health.entity_names(self._table(oids.ENTITY_NAMES))
        events = (*counted.events, *self._followed(counted, described))
        chosen = self.memory.ranking.chosen(
            {*described, *(counter.index for counter in counted.counters)}, self.wanted.most_interfaces
        )
        error = self._ended
        if error is None and self.wanted.descriptions and not described:
            error = PollError(kind=ErrorKind.NOTHING, text="the agent tells of no interfaces")
        return Findings(
            system=system,
            interfaces=tuple(interface for index, interface in described.items() if index in chosen),
            counters=_chosen(counted.counters, chosen) if self.wanted.counters else (),
            health=health.device_health(self._tables(), self.memory.entity_names),
            interfaces_found=len(described) or len(counted.counters),
            partial=tuple(self._unread),
            error=error,
            events=events,
        )

    def _tables(self) -> dict[str, Table]:
        return {name: walk.table for name, walk in self._walks.items()}

    def _counted(self, uptime: Uptime | None) -> Counted:
        if not (self.wanted.counters or self.wanted.rank):
            return Counted()
        samples = counters.samples(self._table(oids.COUNTERS), self._table(oids.COUNTERS_32))
        return self.memory.history.take(samples, uptime, complete=self._complete(oids.COUNTERS.name))

    def _followed(self, counted: Counted, described: dict[int, Interface]) -> tuple[PollEvent, ...]:
        """Only a poll of the descriptions tells that an interface is gone: it knows all that may be its name."""
        if self.wanted.descriptions:
            rows = self._table(oids.DESCRIPTIONS[0]).rows
            names = {index: found.name or found.descr for index, found in described.items() if (index,) in rows}
            if not names:
                return ()
            self.memory.names.described = names
            return self.memory.names.take(names, complete=self._complete("interfaces"))
        return self.memory.names.take({counter.index: counter.name for counter in counted.counters}, complete=False)


def _chosen(told: Iterable[InterfaceCounters], chosen: frozenset[int]) -> tuple[InterfaceCounters, ...]:
    return tuple(counter for counter in told if counter.index in chosen)


def _out_of_time() -> AgentFailure:
    return AgentFailure(ErrorKind.OVERRUN, "the time for this poll was up")
