"""Stored SNMP data as tables of the pages. Pure; the store gives the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kproxy_tw.collector.snmp.figures import InterfaceFigures
from kproxy_tw.web.equipment import added, interface_state
from kproxy_tw.web.tables.table import Cell, Facts, Row, Table, Tone, columns, facts
from kproxy_tw.web.text import duration, safe_text

DEVICE_COLUMNS = columns(
    ("DeviceName", "Device"),
    ("DeviceID", "", "text"),
    ("State", "State", "state"),
    ("SysName", "Calls itself"),
    ("SysDescr", "Description"),
    ("Interfaces", "Interfaces", "count"),
    ("UptimeSeconds", "Up for", "seconds"),
    ("Polled", "Polled", "ago"),
    ("PollSeconds", "It took, s", "number"),
    ("Error", "Error"),
)

INTERFACE_COLUMNS = columns(
    ("Name", "Interface"),
    ("Index", "Index"),
    ("Alias", "Alias"),
    ("Address", "Address"),
    ("State", "State", "state"),
    ("Speed", "Speed", "bits"),
    ("In", "In", "bits", "The rate of the last poll"),
    ("InUse", "In use", "share", "Of the speed"),
    ("Out", "Out", "bits", "The rate of the last poll"),
    ("OutUse", "Out use", "share", "Of the speed"),
    ("Errors", "Errors/s", "number"),
    ("Discards", "Discards/s", "number"),
    ("History", "Last polls", "rates", "Rates in (green) and out (orange)"),
)

LATE_SECONDS = 900.0
"""A device of which no poll has been told for so long is not polled any more, or its agent cannot reach us."""

TONES: Mapping[str, Tone] = {"answers": "on", "failing": "bad", "late": "warn", "not polled": "wait"}

SYSTEM = (
    ("sys_name", "SysName", "Calls itself"),
    ("sys_descr", "SysDescr", "Description"),
    ("manufacturer", "Manufacturer", "Manufacturer"),
    ("sys_object_id", "SysObjectID", "Object id"),
    ("sys_location", "SysLocation", "Location"),
    ("sys_contact", "SysContact", "Contact"),
)


def devices_table(devices: Sequence[Sequence[Any]], names: Mapping[int, str], now: float) -> Table:
    """Every device that was polled.

    :param devices: rows of ``SnmpStore.devices``.
    :param names: of devices, by id.
    :param now: seconds since 1970.
    """
    return Table(
        name="polled",
        key="Devices",
        title="Devices",
        columns=DEVICE_COLUMNS,
        rows=[_device(row, names, now) for row in devices],
        now=now,
        empty="No device has been polled yet: give devices an SNMP address and a community or a user.",
    )


def _device(row: Sequence[Any], names: Mapping[int, str], now: float) -> Row:
    device_id, system, polled, error, uptime, duration, interfaces = row
    told, state = json.loads(system) if system else {}, poll_state(row, now)
    return (
        Cell(device_name(device_id, names), href=f"/snmp/{device_id}", under=f"#{device_id}"),
        device_id,
        Cell(state, tone=TONES[state]),
        told.get("sys_name") or None,
        told.get("sys_descr") or None,
        interfaces,
        uptime or None,
        polled,
        None if duration is None else round(duration, 3),
        error or None,
    )


def poll_state(row: Sequence[Any], now: float) -> str:
    """One of ``TONES``. :param row: of ``SnmpStore.devices``."""
    polled, error = row[2], row[3]
    if not polled:
        return "not polled"
    if now - polled > LATE_SECONDS:
        return "late"
    return "failing" if error else "answers"


def polling_words(row: Sequence[Any], now: float) -> str:
    """The same as what a device does, with what is wrong. :param row: of ``SnmpStore.devices``."""
    state, polled, error = poll_state(row, now), row[2], row[3]
    if state == "late":
        return f"was polled last {duration(now - polled)} ago: see whether its kproxy runs and reaches us"
    if state == "failing":
        return f"does not answer SNMP well: {safe_text(error)}"
    return "answers SNMP" if state == "answers" else "has told of itself, but has not been polled yet"


def device_name(device_id: int, names: Mapping[int, str]) -> str:
    """A device's name; its id where it has none."""
    return names.get(device_id) or str(device_id)


def system_facts(row: Sequence[Any], now: float) -> Facts:
    """What a device says of itself. :param row: of ``SnmpStore.devices``."""
    _device_id, system, polled, _error, uptime, duration, _interfaces = row
    told = json.loads(system) if system else {}
    items = facts(
        *((told.get(name) or None, key, title) for name, key, title in SYSTEM),
        (uptime or None, "UptimeSeconds", "Up for", "seconds"),
        (polled, "Polled", "Polled", "ago"),
        (None if duration is None else round(duration, 3), "PollSeconds", "The poll took, seconds", "number"),
    )
    return Facts(name="system", key="System", title="What it says of itself", items=tuple(items), now=now)


def interfaces_table(figures: Sequence[InterfaceFigures], device_id: int) -> Table:
    """A device's interfaces with their rates, by index."""
    return Table(
        name="interfaces",
        key="Interfaces",
        title="Interfaces",
        columns=INTERFACE_COLUMNS,
        rows=[_interface(one, device_id) for one in figures],
        empty="None is known yet.",
    )


def _interface(one: InterfaceFigures, device_id: int) -> Row:
    came, went = (_bits(one.rates, name) for name in ("InOctets", "OutOctets"))
    return (
        Cell(one.name, href=f"/traffic?device={device_id}&interface={one.index}&by=port"),
        one.index,
        one.entry.get("alias") or None,
        one.entry.get("address") or None,
        interface_state(one.admin_status, one.oper_status),
        one.speed_bps or None,
        came,
        _use(came, one.speed_bps),
        went,
        _use(went, one.speed_bps),
        added(one.rates.get("InErrors"), one.rates.get("OutErrors")),
        added(one.rates.get("InDiscards"), one.rates.get("OutDiscards")),
        one.points,
    )


def _bits(rates: Mapping[str, float], name: str) -> float | None:
    octets = rates.get(name)
    return None if octets is None else 8 * octets


def _use(bits: float | None, speed: int) -> float | None:
    return min(bits / speed, 1.0) if bits is not None and speed else None
