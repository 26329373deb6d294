"""SnmpStore: what SNMP says, in the same file as the flows. Every method blocks and is for any thread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from kproxy_tw.collector.snmp.parse import InterfaceCounts, InterfaceDocument, PollReport
from kproxy_tw.collector.snmp.schema import COLUMNS
from kproxy_tw.collector.store import FlowStore

KEEP_SECONDS = 31 * 86_400
"""How long counters are kept."""

SWEEP_SECONDS = 3600.0
"""How often older ones are looked for."""

HISTORY_POLLS = 48
"""Polls of which rates are given at once."""

_INSERT_COUNTERS = f"""
    INSERT INTO snmp_counters SELECT ?, ?, unnest(?::UINTEGER[]), unnest(?::VARCHAR[]), unnest(?::UBIGINT[]),
        unnest(?::UTINYINT[]), unnest(?::UTINYINT[]), unnest(?::DOUBLE[]),
        {", ".join("unnest(?::UBIGINT[])" for _ in COLUMNS)}"""


class SnmpStore:
    """Stores and gives what agents say of devices.

    :param store: has the file.
    :param now: seconds since 1970.
    """

    def __init__(self, store: FlowStore, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now
        self._one_writer = threading.Lock()
        self._next_sweep = 0.0

    def keep_document(self, device_id: int, document: InterfaceDocument) -> None:
        """Merge what changed into what is known. :raises StoreError: it is not stored."""
        told = _timestamp(self._now())
        keys = list(document.interfaces)
        texts = [json.dumps(entry) for entry in document.interfaces.values()]

        def write(cursor: duckdb.DuckDBPyConnection) -> None:
            cursor.execute(
                "DELETE FROM snmp_interfaces WHERE device_id = ? AND list_contains(?::VARCHAR[], key)",
                [device_id, keys],
            )
            cursor.execute(
                "INSERT INTO snmp_interfaces SELECT ?, unnest(?::VARCHAR[]), ?, unnest(?::VARCHAR[])",
                [device_id, keys, told, texts],
            )
            if document.system:
                _update_device(cursor, device_id, {"told": told, "system": json.dumps(document.system)})

        self._write(write)

    def keep_report(self, report: PollReport) -> None:
        """Store a poll; the same one again takes its own place. :raises StoreError: it is not stored."""
        polled = _timestamp(report.time)

        def write(cursor: duckdb.DuckDBPyConnection) -> None:
            indexes = [one.index for one in report.interfaces]
            cursor.execute(
                "DELETE FROM snmp_counters WHERE device_id = ? AND polled = ?"
                " AND list_contains(?::UINTEGER[], if_index)",
                [report.device_id, polled, indexes],
            )
            if report.interfaces:
                cursor.execute(_INSERT_COUNTERS, [report.device_id, polled, *_columns(report.interfaces)])
            if report.whole:
                _keep_device(cursor, report, polled)

        self._write(write)
        self._sweep()

    def devices(self) -> list[tuple[Any, ...]]:
        """Of each device: id, system as JSON, when it was polled, error, seconds up, duration, interfaces known."""
        return self._store.read(
            "SELECT d.device_id, d.system, epoch(d.polled), d.error, d.uptime_seconds, d.duration_seconds,"
            " (SELECT count(*) FROM snmp_interfaces i WHERE i.device_id = d.device_id)"
            " FROM snmp_devices d ORDER BY d.device_id"
        )

    def interfaces(self, device_id: int) -> list[tuple[Any, ...]]:
        """Of each known interface: key, when it was told, entry as JSON."""
        return self._store.read(
            "SELECT key, epoch(told), document FROM snmp_interfaces WHERE device_id = ?"
            " ORDER BY try_cast(key AS UBIGINT), key",
            [device_id],
        )

    def components(self, device_id: int) -> list[tuple[Any, ...]]:
        """Of each processor, memory, temperature of the last poll that told of any: kind, name, value, total."""
        return self._store.read(
            "SELECT kind, name, value, total FROM snmp_components WHERE device_id = ?"
            " AND polled = (SELECT max(polled) FROM snmp_components WHERE device_id = ?) ORDER BY kind, name",
            [device_id, device_id],
        )

    def counters(self, device_id: int, polls: int = HISTORY_POLLS) -> list[tuple[Any, ...]]:
        """Of the last polls, oldest first: time, index, name, speed, statuses, seconds, and the growth of counters."""
        return self._store.read(
            f"SELECT epoch(polled), if_index, name, speed_bps, admin_status, oper_status, seconds, {', '.join(COLUMNS)}"  # noqa: S608 - fixed names
            " FROM snmp_counters WHERE device_id = ? AND polled IN"
            " (SELECT DISTINCT polled FROM snmp_counters WHERE device_id = ? ORDER BY polled DESC LIMIT ?)"
            " ORDER BY polled, if_index",
            [device_id, device_id, polls],
        )

    def _write(self, work: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        with self._one_writer:
            self._store.transact(work)

    def _sweep(self) -> None:
        now = self._now()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        oldest = _timestamp(now - KEEP_SECONDS)

        def write(cursor: duckdb.DuckDBPyConnection) -> None:
            cursor.execute("DELETE FROM snmp_counters WHERE polled < ?", [oldest])
            cursor.execute("DELETE FROM snmp_components WHERE polled < ?", [oldest])

        self._write(write)


def _keep_device(cursor: duckdb.DuckDBPyConnection, report: PollReport, polled: datetime) -> None:
    values = {
        "polled": polled,
        "error": report.error,
        "uptime_seconds": report.uptime_seconds,
        "duration_seconds": report.duration_seconds,
    }
    _update_device(cursor, report.device_id, values)
    if report.components:
        kinds, names, figures, totals = map(list, zip(*report.components, strict=True))
        cursor.execute("DELETE FROM snmp_components WHERE device_id = ? AND polled = ?", [report.device_id, polled])
        cursor.execute(
            "INSERT INTO snmp_components SELECT ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
            " unnest(?::DOUBLE[]), unnest(?::DOUBLE[])",
            [report.device_id, polled, kinds, names, figures, totals],
        )


def _update_device(cursor: duckdb.DuckDBPyConnection, device_id: int, values: Mapping[str, object]) -> None:
    """Set some columns of a device's row, which is made where there is none. ``values``: by column, names of ours."""
    if not cursor.execute("SELECT 1 FROM snmp_devices WHERE device_id = ?", [device_id]).fetchall():
        cursor.execute("INSERT INTO snmp_devices (device_id) VALUES (?)", [device_id])
    settings = ", ".join(f"{name} = ?" for name in values)
    cursor.execute(
        f"UPDATE snmp_devices SET {settings} WHERE device_id = ?",  # noqa: S608 - fixed names
        [*values.values(), device_id],
    )


def _columns(interfaces: Sequence[InterfaceCounts]) -> list[list[Any]]:
    fields = ("index", "name", "speed_bps", "admin_status", "oper_status", "seconds")
    return [
        *([getattr(one, field) for one in interfaces] for field in fields),
        *([one.deltas[place] for one in interfaces] for place in range(len(COLUMNS))),
    ]


def _timestamp(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
