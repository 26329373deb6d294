"""Stored SNMP data as JSON objects and as rows for people. Pure; the store gives the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kproxy_tw.collector.snmp.parse import COUNTERS

FIRST_COUNTER = 7
"""Where the counters stand in a row of counters."""

Row = Sequence[Any]
Document = dict[str, Any]


@attrs.frozen(kw_only=True)
class InterfaceFigures:
    """An interface as it is known, with the rates of its last polls. ``points``: bits per second in and out."""

    key: str
    index: int
    entry: Mapping[str, Any]
    admin_status: int = 0
    oper_status: int = 0
    speed_bps: int = 0
    rates: Mapping[str, float] = attrs.field(factory=dict)
    points: tuple[tuple[float | None, float | None], ...] = ()

    @property
    def name(self) -> str:
        """Its name, else its description."""
        return described_name(self.entry) or self.key


def described_name(entry: Mapping[str, Any]) -> str:
    """The name of an interface, else its description; empty where it has neither."""
    return str(entry.get("extra_info", {}).get("name") or entry.get("desc") or "")


def device_object(row: Row, names: Mapping[int, str], moment: Any) -> Document:
    """A device of ``/snmp/devices``. :param moment: makes text of seconds since 1970."""
    device_id, system, polled, error, uptime, duration, interfaces = row
    return {
        "DeviceID": device_id,
        "DeviceName": names.get(device_id, ""),
        "System": json.loads(system) if system else {},
        "Polled": moment(polled) if polled else None,
        "Error": error or "",
        "UptimeSeconds": uptime or 0.0,
        "DurationSeconds": duration or 0.0,
        "Interfaces": interfaces,
    }


def component_objects(rows: Sequence[Row]) -> list[Document]:
    """Processors, memories and temperatures."""
    return [{"Kind": kind, "Name": name, "Value": value, "Total": total} for kind, name, value, total in rows]


def counter_object(row: Row, moment: Any) -> Document:
    """What one poll says of an interface: growth, and the seconds that it grew in."""
    return {
        "Time": moment(row[0]),
        "Index": row[1],
        "Name": row[2],
        "SpeedBps": row[3],
        "AdminStatus": row[4],
        "OperStatus": row[5],
        "Seconds": row[6],
        "Deltas": _deltas(row),
    }


def interface_object(figures: InterfaceFigures) -> Document:
    """An interface of ``/snmp/interfaces``; rates are per second, of the last poll."""
    return {
        "Key": figures.key,
        "Index": figures.index,
        "Name": figures.name,
        "AdminStatus": figures.admin_status,
        "OperStatus": figures.oper_status,
        "SpeedBps": figures.speed_bps,
        "Described": dict(figures.entry),
        "Rates": dict(figures.rates),
    }


def _deltas(row: Row) -> dict[str, int]:
    return {name: value for name, value in zip(COUNTERS, row[FIRST_COUNTER:], strict=True) if value is not None}


def _rates(row: Row) -> dict[str, float]:
    seconds = row[6]
    return {name: delta / seconds for name, delta in _deltas(row).items()} if seconds > 0 else {}


def interface_figures(described: Sequence[Row], counted: Sequence[Row]) -> list[InterfaceFigures]:
    """The interfaces of a device, by index.

    :param described: rows of ``SnmpStore.interfaces``; :param counted: of ``SnmpStore.counters``.
    """
    histories: dict[int, list[Row]] = {}
    for row in counted:
        histories.setdefault(row[1], []).append(row)
    entries = {key: json.loads(document) for key, _told, document in described}
    found = [_figures(key, entry, histories) for key, entry in entries.items()]
    known = {one.index for one in found}
    found += [
        _figures(str(index), {"desc": rows[-1][2]}, histories)
        for index, rows in histories.items()
        if index not in known
    ]
    return sorted(found, key=lambda one: (one.index, one.key))


def _figures(key: str, entry: Mapping[str, Any], histories: Mapping[int, list[Row]]) -> InterfaceFigures:
    told = str(entry.get("index") or key)
    index = int(told) if told.isascii() and told.isdigit() and len(told) <= 10 else 0
    rows = histories.get(index, [])
    if not rows:
        speed = int(entry.get("speed") or 0) * 1_000_000
        extra = entry.get("extra_info", {})
        admin, oper = (_status(extra.get(name)) for name in ("admin_status", "oper_status"))
        return InterfaceFigures(
            key=key, index=index, entry=entry, speed_bps=speed, admin_status=admin, oper_status=oper
        )
    last = rows[-1]
    history = [_rates(row) for row in rows]
    return InterfaceFigures(
        key=key,
        index=index,
        entry=entry,
        speed_bps=last[3],
        admin_status=last[4],
        oper_status=last[5],
        rates=history[-1],
        points=tuple((_bits(rates, "InOctets"), _bits(rates, "OutOctets")) for rates in history),
    )


def _status(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) == 1 else 0


def _bits(rates: Mapping[str, float], name: str) -> float | None:
    octets = rates.get(name)
    return None if octets is None else 8 * octets


def api_interface(device_id: int, company_id: int, figures: InterfaceFigures) -> Document:
    """An interface of the device API, with its habits: ids and speeds are texts that hold integers."""
    entry = figures.entry
    return {
        "id": str(figures.index),
        "company_id": str(company_id),
        "device_id": str(device_id),
        "snmp_id": str(figures.index),
        "snmp_speed": str(figures.speed_bps // 1_000_000),
        "snmp_type": entry.get("type", 0),
        "snmp_alias": entry.get("alias", ""),
        "interface_ip": entry.get("address", ""),
        "interface_ip_netmask": entry.get("netmask", ""),
        "interface_description": entry.get("desc", ""),
        "interface_status": "V",
        "secondary_ips": entry.get("alias_address") or None,
        "extra_info": entry.get("extra_info", {}),
    }
