"""The report to a collector of one's own: a reading as JSON, counters, health and how the poll went.

The public backend takes counters as metric records only; ``kcollect`` takes this too, at ``/snmp`` beside ``/chf``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from kproxy_tw.snmp.reading import Counts, InterfaceCounters, Reading

MAX_INTERFACES = 1000
"""Interfaces in one report; more are sent in several."""

COUNTERS = tuple(field.name for field in attrs.fields(Counts))


def camel(name: str) -> str:
    """``in_octets`` as the documents have it: ``InOctets``."""
    return "".join(word.capitalize() for word in name.split("_"))


def reports(reading: Reading) -> Iterator[bytes]:
    """Bodies that tell of a reading: one, or several when it has very many interfaces."""
    counters = reading.counters
    for start in range(0, max(len(counters), 1), MAX_INTERFACES):
        part = counters[start : start + MAX_INTERFACES]
        yield json.dumps(_document(reading, part, whole=start == 0), separators=(",", ":")).encode("ascii")


def _document(reading: Reading, counters: Sequence[InterfaceCounters], *, whole: bool) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "DeviceID": reading.device_id,
        "Time": reading.started,
        "Interfaces": [interface_counters(one) for one in counters],
    }
    if whole:
        document |= {
            "DurationSeconds": round(reading.duration_seconds, 6),
            "Error": reading.error.text if reading.error else "",
            "UptimeSeconds": reading.system.uptime_seconds if reading.system else 0,
            "CPUs": [{"Name": cpu.name, "Percent": cpu.percent} for cpu in reading.health.cpus],
            "Memories": [
                {"Name": memory.name, "Total": memory.total, "Used": memory.used} for memory in reading.health.memories
            ],
            "Temperatures": [{"Name": one.name, "Celsius": one.celsius} for one in reading.health.temperatures],
        }
    return document


def interface_counters(one: InterfaceCounters) -> Mapping[str, Any]:
    """An interface's counters as JSON; ``Deltas`` is ``null`` in a first poll and after a restart."""
    return {
        "Index": one.index,
        "Name": one.name,
        "SpeedBps": one.speed_bps,
        "AdminStatus": one.admin_status,
        "OperStatus": one.oper_status,
        "Seconds": round(one.seconds, 6),
        "Totals": _counts(one.totals),
        "Deltas": None if one.deltas is None else _counts(one.deltas),
    }


def _counts(counts: Counts) -> Mapping[str, int]:
    return {camel(name): value for name in COUNTERS if (value := getattr(counts, name)) is not None}
