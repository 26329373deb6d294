"""The flow store: one DuckDB file, written by one thread and read by others.

A commit returns when DuckDB's write-ahead log is synchronized to the disk; what it holds is there after
a crash. DuckDB locks the file, so that a second kcollect on the same directory is refused.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from kproxy_tw.collector.batches import StoredBatches
from kproxy_tw.collector.message import Message
from kproxy_tw.collector.rows import (
    WIDE_SUMS,
    Table,
    batch_table,
    custom_tables,
    detail_table,
    flow_table,
    message_table,
    part_table,
    range_table,
)
from kproxy_tw.collector.schema import BATCH_PARTS, BATCHES, SCHEMA_VERSION, TABLES
from kproxy_tw.collector.snmp.schema import SNMP_TABLES
from kproxy_tw.collector.totals import SUM_NAMES, DeviceTotals, Sums
from kproxy_tw.crashpoints import crash_point
from kproxy_tw.errors import StoreError, TooSlow
from kproxy_tw.flowbatch import FlowBatch

FILE_NAME = "kcollect.duckdb"

SETTINGS: Mapping[str, Any] = {
    "memory_limit": "256MB",
    "threads": 2,
    "checkpoint_threshold": "64MB",
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
"""DuckDB's limits: bounded memory, no other files, no network. The threshold is where inserting was fastest."""

FETCH_ROWS = 256
"""Rows made into Python objects at a time, so that a large answer does not hold up other threads."""

MAX_BATCH_ROWS = 100_000
"""Rows of names after which they are written anew in as few as can be."""

DISK_ERRORS = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.OutOfMemoryException,
    duckdb.ConnectionException,
)
"""Errors that are not the fault of the data; after one the file is opened anew before the next write."""

_SUMS = ", ".join(f"sum({name})" for name in SUM_NAMES)
LOAD_TOTALS = f"""
    SELECT device_id, arg_max(device_name, message_id), count(*), epoch_us(max(received)),
        max(message_id), max(first_flow_id + records), {_SUMS}
    FROM messages GROUP BY device_id"""  # noqa: S608 - fixed names

_HOLDER = re.compile(r"\(PID \d+\)")


class FlowStore:
    """Flows, messages and created devices in ``directory``.

    :meth:`open`, :meth:`write` and :meth:`close` block and are for one thread; :meth:`read` blocks and is for any;
    :meth:`totals` is for any thread and cheap.

    :param directory: made when missing, for this user only.
    :ivar duplicates: messages that came again after they were stored.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._reopen = False
        self._guard = threading.Lock()
        self._next_flow = 0
        self._next_message = 0
        self._totals: Mapping[int, DeviceTotals] = {}
        self._batches = StoredBatches()
        self._batch_rows = 0
        self.duplicates = 0

    def open(self) -> None:
        """Open or make the file, and read the totals.

        :raises StoreError: in use by another process, not ours, unreadable, or the directory cannot be made.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = duckdb.connect(str(self.path), config=dict(SETTINGS))
        except (OSError, duckdb.Error) as error:
            raise StoreError(self._opening_problem(error)) from None
        try:
            self._prepare(connection)
            self._load(connection)
        except duckdb.Error as error:
            connection.close()
            raise StoreError(f"{self.path} cannot be read: {_one_line(error)}") from None
        except StoreError:
            connection.close()
            raise
        with self._guard:
            self._connection, self._reopen = connection, False

    def close(self) -> None:
        """Close the file; harmless when it is not open."""
        with self._guard:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def totals(self) -> tuple[DeviceTotals, ...]:
        """Everything committed so far, by device id."""
        return tuple(total for _, total in sorted(self._totals.items()))

    def write(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Store ``messages`` durably, or none; but none that is stored already.

        :return: those that are not stored, because some part of them is: they are to be sent in parts.
        :raises StoreError: nothing is stored; the disk is full, for example.
        """
        fresh, in_parts = self._fresh(messages)
        if fresh:
            self._write(fresh)
        self.duplicates += len(messages) - len(fresh) - len(in_parts)
        return in_parts

    def _fresh(self, messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
        """Those that have not come before, and of those that came twice one; and those that came in part."""
        coming = StoredBatches()
        fresh, in_parts = [], []
        for message in messages:
            name = message.name
            if name is not None:
                if name in coming or name in self._batches:
                    continue
                if coming.has_part_of(name) or self._batches.has_part_of(name):
                    in_parts.append(message)
                    continue
                coming.add(name)
            fresh.append(message)
        return fresh, in_parts

    def _write(self, messages: Sequence[Message]) -> None:
        batch = FlowBatch.concatenate([message.batch for message in messages])
        connection = self._writable()
        try:
            connection.execute("BEGIN")
            for table, rows in self._tables(messages, batch):
                _insert(connection, table, rows)
            crash_point("commit")
            connection.execute("COMMIT")
            crash_point("stored")
        except duckdb.Error as error:
            self._reopen = isinstance(error, DISK_ERRORS)
            _roll_back(connection)
            raise StoreError(f"{self.path} cannot be written: {_one_line(error)}") from None
        self._committed(messages, batch.length)

    def read(
        self, statement: str, parameters: Sequence[object] = (), *, seconds: float | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a query on a cursor of its own.

        :param parameters: values for the question marks in ``statement``.
        :param seconds: longest time for it; ``None`` for queries that are short by their nature.
        :raises TooSlow: it took longer.
        :raises StoreError: the store is closed or cannot be read.
        """
        return self._run("read", statement, parameters, seconds)

    def created_devices(self) -> list[str]:
        """JSON documents of devices that were created while running, oldest first.

        :raises StoreError: as :meth:`read`.
        """
        return [text for (text,) in self.read("SELECT document FROM created_devices ORDER BY device_id")]

    def keep_device(self, device_id: int, document: str) -> None:
        """Store a created device durably. For any thread.

        :raises StoreError: it is not stored.
        """
        self._run("written", "INSERT INTO created_devices VALUES (?, ?)", (device_id, document))

    def transact(self, work: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        """Let ``work`` write on a cursor of its own, all of it or nothing. For any thread.

        :raises StoreError: nothing is written.
        """
        try:
            with self._open_connection().cursor() as cursor:
                cursor.execute("BEGIN")
                try:
                    work(cursor)
                    cursor.execute("COMMIT")
                except duckdb.Error:
                    _roll_back(cursor)
                    raise
        except duckdb.Error as error:
            raise StoreError(f"{self.path} cannot be written: {_one_line(error)}") from None

    def _run(
        self, done: str, statement: str, parameters: Sequence[object], seconds: float | None = None
    ) -> list[tuple[Any, ...]]:
        try:
            with self._open_connection().cursor() as cursor, _interrupted_after(seconds, cursor):
                cursor.execute(statement, list(parameters))
                return [row for rows in iter(lambda: cursor.fetchmany(FETCH_ROWS), []) for row in rows]
        except duckdb.InterruptException:
            raise TooSlow(f"the query took longer than {seconds:g} s") from None
        except duckdb.Error as error:
            raise StoreError(f"{self.path} cannot be {done}: {_one_line(error)}") from None

    def _open_connection(self) -> duckdb.DuckDBPyConnection:
        with self._guard:
            if self._connection is None:
                raise StoreError(f"{self.path} is not open")
            return self._connection

    def _writable(self) -> duckdb.DuckDBPyConnection:
        if self._reopen:
            self.close()
            self.open()
        return self._open_connection()

    def _tables(self, messages: Sequence[Message], batch: FlowBatch) -> Iterator[tuple[str, Table]]:
        first = self._next_flow
        yield "flows", flow_table(messages, batch, first)
        yield "flow_details", detail_table(batch, first)
        for rows in custom_tables(messages, first):
            yield "custom_values", rows
        yield "messages", message_table(messages, self._next_message, first)
        names = [message.name for message in messages if message.name is not None]
        yield "batches", batch_table(names)
        yield "batch_parts", part_table(names)

    def _committed(self, messages: Sequence[Message], flows: int) -> None:
        totals = dict(self._totals)
        for message in messages:
            totals[message.device_id] = _added(totals.get(message.device_id), message)
        self._totals = totals
        self._next_flow += flows
        self._next_message += len(messages)
        for message in messages:
            if message.name is not None:
                self._batches.add(message.name)
                self._batch_rows += 1
        if self._batch_rows > MAX_BATCH_ROWS:
            self._compact(self._open_connection())

    def _compact(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write what is known of names in as few rows as can be; where that fails, there are just more of them."""
        try:
            connection.execute("BEGIN")
            connection.execute("DELETE FROM batches")
            connection.execute("DELETE FROM batch_parts")
            _insert(connection, "batches", range_table(self._batches.rows()))
            _insert(connection, "batch_parts", part_table(self._batches.parts()))
            connection.execute("COMMIT")
        except duckdb.Error:
            _roll_back(connection)
        self._batch_rows = 0

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if not tables:
            connection.execute("BEGIN")
            for statement in (*TABLES, BATCHES, BATCH_PARTS, *SNMP_TABLES):
                connection.execute(statement)
            connection.execute("INSERT INTO store_version VALUES (?)", [SCHEMA_VERSION])
            connection.execute("COMMIT")
            return
        for statement in (BATCHES, BATCH_PARTS, *SNMP_TABLES):
            connection.execute(statement)
        found = connection.execute("SELECT version FROM store_version").fetchall() if "store_version" in tables else []
        if found != [(SCHEMA_VERSION,)]:
            raise StoreError(f"{self.path} was made by another version of kcollect; give another -data directory")

    def _load(self, connection: duckdb.DuckDBPyConnection) -> None:
        rows = connection.execute(LOAD_TOTALS).fetchall()
        self._totals = {
            row[0]: DeviceTotals(
                device_id=row[0],
                device_name=row[1],
                messages=row[2],
                last_received=row[3] / 1e6,
                sums=Sums(**dict(zip(SUM_NAMES, map(int, row[6:]), strict=True))),
            )
            for row in rows
        }
        batches = connection.execute("SELECT instance, device_id, first, last FROM batches ORDER BY rowid").fetchall()
        parts = connection.execute(
            "SELECT instance, device_id, number, part FROM batch_parts ORDER BY rowid"
        ).fetchall()
        self._batches, self._batch_rows = StoredBatches(batches, parts), len(batches) + len(parts)
        self._next_message = max((row[4] + 1 for row in rows), default=0)
        self._next_flow = max((row[5] for row in rows), default=0)

    def _opening_problem(self, error: Exception) -> str:
        text = _one_line(error)
        if "set lock" in text:
            holder = _HOLDER.search(text)
            who = f"another process {holder[0]}" if holder else "another process"
            return f"{self.path} is in use by {who}; stop it or give another -data directory"
        return f"{self.path} cannot be opened: {text}"


@contextmanager
def _interrupted_after(seconds: float | None, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """End what runs on ``cursor`` when the block takes longer."""
    if seconds is None:
        yield
        return
    alarm = threading.Timer(seconds, cursor.interrupt)
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()
        alarm.join()


def _added(total: DeviceTotals | None, message: Message) -> DeviceTotals:
    return DeviceTotals(
        device_id=message.device_id,
        device_name=message.device_name,
        messages=1 + (total.messages if total else 0),
        last_received=max(message.received, total.last_received if total else 0.0),
        sums=total.sums.plus(message.sums) if total else message.sums,
    )


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Table) -> None:
    if not rows or not len(next(iter(rows.values()))):
        return
    wide = WIDE_SUMS if table == "messages" else frozenset[str]()
    values = ", ".join(f"{name}::HUGEINT" if name in wide else name for name in rows)
    connection.register("incoming", rows)
    try:
        connection.execute(f"INSERT INTO {table} ({', '.join(rows)}) SELECT {values} FROM incoming")  # noqa: S608
    finally:
        connection.unregister("incoming")


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """End a failed transaction; where even that fails, the file is opened anew before the next write."""
    with suppress(duckdb.Error):
        connection.execute("ROLLBACK")


def _one_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:300]
