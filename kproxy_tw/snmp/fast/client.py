"""Walks through gufo-snmp, one column after the other; everything else, and every trouble, through the careful client.

Agents that do not answer in time, whose object identifiers do not increase, or that answer with an error are asked
again, carefully: what to make of it is decided in one place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import attrs
from gufo.snmp import SnmpError, SnmpVersion
from gufo.snmp.aio import SnmpSession
from gufo.snmp.policer import BasePolicer

from kproxy_tw.snmp import ber
from kproxy_tw.snmp.client import CarefulClient, RowsListener
from kproxy_tw.snmp.fast.users import gufo_user
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.reading import Effort
from kproxy_tw.snmp.settings import SnmpTarget, Version
from kproxy_tw.snmp.usm import UsmSecurity
from kproxy_tw.snmp.walk import Column, Numbers, Walk

REFRESH_SECONDS = 60.0
"""An engine's clock is asked for again after this long; beyond 150 s our messages would be out of its window."""

TIMEOUTS_A_COLUMN = 10
"""A column may take so many times the time of one answer, before the careful client takes over."""


class _Count(BasePolicer):
    """Counts requests; limits nothing."""

    def __init__(self) -> None:
        self.requests = 0

    def get_timeout(self, ts: int) -> int | None:
        """Called before each request."""
        self.requests += 1
        return None


class _Trouble(Exception):
    """The agent does not keep the rules."""


def can_walk_fast(target: SnmpTarget) -> bool:
    """gufo-snmp has no way to say which address to send from, nor which context is meant."""
    context = target.v3 is not None and (target.v3.context_name or target.v3.context_engine_id)
    return target.version is not Version.V1 and not target.source_address and not context


def _value(value: object) -> ber.Value:
    if isinstance(value, bytes):
        return value[: ber.MAX_OCTETS]
    return value if isinstance(value, int | str) else None


class FastClient:
    """Asks one agent.

    :param careful: the same agent's careful client.
    :param security: of the careful client.
    """

    def __init__(
        self,
        target: SnmpTarget,
        careful: CarefulClient,
        security: object,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._careful = careful
        self._security = security
        self._pace = pace
        self._clock = clock
        self._count = _Count()
        self._variables = 0
        self._session: SnmpSession | None = None
        self._refreshed = 0.0
        self._troubled = False
        self.get = careful.get

    async def walk(self, walk: Walk, read: RowsListener | None = None) -> None:
        """See :class:`~kproxy_tw.snmp.client.AgentClient`."""
        if self._pace.bulk and not self._troubled:
            try:
                session = await self._ready()
                for column in walk.spec.columns:
                    await self._column(session, walk, column)
                    if read is not None:
                        read(len(walk.table.rows))
            except (_Trouble, TimeoutError, OSError, SnmpError, ValueError, RuntimeError):
                # For the rest of this poll; the next one tries again.
                self._troubled = True
                walk.begin_again()
            else:
                walk.finish()
                return
        await self._careful.walk(walk, read)

    async def _ready(self) -> SnmpSession:
        now = self._clock()
        if self._session is None:
            self._session = self._new_session()
        elif now - self._refreshed < REFRESH_SECONDS:
            return self._session
        await self._session.refresh()
        self._refreshed = now
        return self._session

    def _new_session(self) -> SnmpSession:
        target, security = self._target, self._security
        engine_id = security.engine_id if isinstance(security, UsmSecurity) else None
        return SnmpSession(
            target.address,
            target.port,
            community=target.community,
            engine_id=engine_id,
            user=None if target.v3 is None else gufo_user(target.v3),
            version=SnmpVersion.v2c if target.v3 is None else SnmpVersion.v3,
            timeout=target.timeout_seconds,
            policer=self._count,
        )

    async def _column(self, session: SnmpSession, walk: Walk, column: Column) -> None:
        prefix = ".".join(map(str, column.oid)) + "."
        last: Numbers = ()
        skip, rows, name = len(prefix), 0, column.name
        table, known = walk.table.rows, walk.table.read_at
        repetitions = self._pace.rows(1)
        async with asyncio.timeout(TIMEOUTS_A_COLUMN * self._target.timeout_seconds):
            async for oid, value in session.getbulk(prefix[:-1], max_repetitions=repetitions):
                tail = oid[skip:]
                index: Numbers = (int(tail),) if tail.isdecimal() else tuple(map(int, tail.split(".")))
                if index <= last or rows >= walk.max_rows:
                    raise _Trouble
                last, rows = index, rows + 1
                if value is None:
                    continue
                row = table.get(index)
                if row is None:
                    row = table[index] = {}
                    known[index] = self._clock()
                row[name] = _value(value)
        self._variables += rows

    def effort(self) -> Effort:
        """See :class:`~kproxy_tw.snmp.client.AgentClient`."""
        spent = self._careful.effort()
        return attrs.evolve(
            spent, requests=spent.requests + self._count.requests, variables=spent.variables + self._variables
        )

    def close(self) -> None:
        """See :class:`~kproxy_tw.snmp.client.AgentClient`."""
        self._session = None
        self._careful.close()
