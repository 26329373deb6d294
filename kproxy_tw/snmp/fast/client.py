"""Walks through gufo-snmp, one column after the other; everything else, and every trouble, through the careful client.

Agents that do not answer in time, or whose object identifiers do not increase, are asked again, carefully: what to make
of it is decided in one place. As gufo-snmp takes an error for the end of a column, the careful client has the last word
on where a table ends. Walks run in threads, which costs half of what gufo-snmp's
asynchronous client does; it waits without the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

import attrs
from gufo.snmp import SnmpError, SnmpVersion
from gufo.snmp.policer import BasePolicer
from gufo.snmp.sync import SnmpSession

from kproxy_tw.snmp import ber
from kproxy_tw.snmp.client import CarefulClient, RowsListener
from kproxy_tw.snmp.fast.users import gufo_user
from kproxy_tw.snmp.message import CommunitySecurity
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.reading import Effort
from kproxy_tw.snmp.settings import SnmpTarget, Version
from kproxy_tw.snmp.usm import UsmSecurity
from kproxy_tw.snmp.walk import Column, Numbers, Row, Table, TableSpec, Walk

REFRESH_SECONDS = 60.0
"""An engine's clock is asked for again after this long; beyond 150 s our messages would be out of its window."""

TIMEOUTS_A_TABLE = 20
"""A table may take so many times the time of one answer, before the careful client takes over."""


FEW_ROWS = 20
"""Tables with so few rows are read with one careful question; column by column would take longer."""

REST_POLLS = 12
"""An agent that gave trouble is asked carefully for so many polls."""


class _Trouble(Exception):
    """The agent does not keep the rules, or nobody waits for the walk any more."""


def can_walk_fast(target: SnmpTarget) -> bool:
    """gufo-snmp has no way to say which address to send from, nor which context is meant."""
    context = target.v3 is not None and (target.v3.context_name or target.v3.context_engine_id)
    return target.version is not Version.V1 and not target.source_address and not context


class _Count(BasePolicer):
    """Counts requests; limits nothing."""

    def __init__(self) -> None:
        self.requests = 0

    def get_timeout(self, ts: int) -> int | None:
        """Called before each request."""
        self.requests += 1
        return None


class FastClient:
    """Asks one agent.

    :param careful: the same agent's careful client, and its session.
    :param threads: for walks.
    """

    def __init__(
        self,
        target: SnmpTarget,
        careful: CarefulClient,
        security: CommunitySecurity | UsmSecurity,
        pace: Pace,
        threads: Executor,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._careful = careful
        self._security = security
        self._pace = pace
        self._threads = threads
        self._clock = clock
        self._count = _Count()
        self._variables = 0
        self._cpu = 0.0
        self._session: SnmpSession | None = None
        self._refreshed = 0.0
        self._fast = not pace.fast_running and not pace.fast_rest
        pace.fast_rest = max(0, pace.fast_rest - 1)
        self.get = careful.get

    async def walk(self, walk: Walk, read: RowsListener | None = None) -> None:
        """See :class:`~kproxy_tw.snmp.client.AgentClient`."""
        if self._fast and self._pace.bulk and (walk.expected is None or walk.expected > FEW_ROWS):
            attempt = _Attempt(walk.spec, walk.max_rows, self._pace.rows(1), self._clock)
            try:
                await asyncio.get_running_loop().run_in_executor(self._threads, self._walk, attempt)
            except (_Trouble, TimeoutError, OSError, SnmpError, ValueError, RuntimeError):
                self._fast, self._pace.fast_rest = False, REST_POLLS
            except asyncio.CancelledError:
                attempt.stopped, self._pace.fast_rest = True, REST_POLLS
                raise
            else:
                walk.resume(attempt.table, attempt.last)
                if read is not None:
                    read(len(walk.table.rows))
        await self._careful.walk(walk, read)

    def effort(self) -> Effort:
        """See :class:`~kproxy_tw.snmp.client.AgentClient`."""
        spent = self._careful.effort()
        return attrs.evolve(
            spent,
            requests=spent.requests + self._count.requests,
            variables=spent.variables + self._variables,
            cpu_seconds=spent.cpu_seconds + self._cpu,
        )

    def close(self) -> None:
        """See :class:`~kproxy_tw.snmp.client.AgentClient`."""
        self._session = None
        self._careful.close()

    def _walk(self, attempt: _Attempt) -> None:
        """In a thread. An agent that sends datagrams without end can hold it; it gets no second one."""
        begun = time.thread_time()
        self._pace.fast_running = True
        try:
            attempt.run(self._ready(), until=self._clock() + TIMEOUTS_A_TABLE * self._target.timeout_seconds)
        except BaseException as crash:
            if isinstance(crash, Exception):
                raise
            raise _Trouble from crash  # a panic of the compiled code, which must not end the device's polling
        finally:
            self._pace.fast_running = False
            self._cpu += time.thread_time() - begun
            self._variables += attempt.variables

    def _ready(self) -> SnmpSession:
        now = self._clock()
        if self._session is None:
            self._session = self._new_session()
        elif now - self._refreshed < REFRESH_SECONDS:
            return self._session
        self._session.refresh()
        self._refreshed = now
        return self._session

    def _new_session(self) -> SnmpSession:
        target, security = self._target, self._security
        return SnmpSession(
            target.address,
            target.port,
            community=target.community,
            engine_id=security.engine_id if isinstance(security, UsmSecurity) else None,
            user=None if target.v3 is None else gufo_user(target.v3),
            version=SnmpVersion.v2c if target.v3 is None else SnmpVersion.v3,
            timeout=target.timeout_seconds,
            policer=self._count,
        )


@attrs.define(eq=False)
class _Attempt:
    """One table.

    :ivar stopped: nobody waits any more.
    :ivar last: by column, the index of its last row.
    :ivar variables: read so far.
    """

    spec: TableSpec
    max_rows: int
    repetitions: int
    clock: Callable[[], float]
    table: Table = attrs.field(init=False)
    stopped: bool = attrs.field(default=False, init=False)
    last: dict[str, Numbers] = attrs.field(factory=dict, init=False)
    variables: int = attrs.field(default=0, init=False)
    _known: dict[str, tuple[Numbers, Row]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.table = Table(self.spec.name)

    def run(self, session: SnmpSession, until: float) -> None:
        """Read it."""
        for column in self.spec.columns:
            self._column(session, column, until)

    def _column(self, session: SnmpSession, column: Column, until: float) -> None:
        oid = ".".join(map(str, column.oid))
        last: Numbers = ()
        skip, rows, name = len(oid) + 1, 0, column.name
        known, new, most = self._known, self._new, self.max_rows
        for found, value in session.getbulk(oid, max_repetitions=self.repetitions):
            tail = found[skip:]
            index, row = known.get(tail) or new(tail)
            if index <= last or rows >= most or self.stopped:
                raise _Trouble
            last = index
            rows += 1
            row[name] = value if type(value) is int else _value(value)
        self.variables += rows
        self.last[name] = last
        if self.clock() > until:
            raise _Trouble

    def _new(self, tail: str) -> tuple[Numbers, Row]:
        index = tuple(map(int, tail.split(".")))
        row: Row = {}
        self.table.rows[index] = row
        self.table.read_at[index] = self.clock()
        self._known[tail] = found = index, row
        return found


def _value(value: object) -> ber.Value:
    if isinstance(value, bytes):
        return value[: ber.MAX_OCTETS]
    return value if isinstance(value, int | str) else None
