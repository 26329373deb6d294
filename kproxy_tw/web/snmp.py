"""What is known of a device by SNMP, as JSON and as the rows of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kproxy_tw.snmp.outputs.report import camel, interface_counters
from kproxy_tw.snmp.reading import Interface, InterfaceCounters, Reading
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.snmp.shown import DeviceSnmp
from kproxy_tw.snmp.status import PollerStatus
from kproxy_tw.web.tables.table import Row, Table, columns
from kproxy_tw.web.text import moment, safe_text

Document = dict[str, object]

MAX_ADDRESSES = 3
"""Addresses of an interface in the table; JSON has them all."""

MAX_UNKNOWN = 1000
"""Interfaces of flows that SNMP does not know, in the page's list of them."""


def polling_document(polling: PollerStatus) -> Document:
    """``Polling`` of ``/admin/status``: the process that polls."""
    return {
        "PID": polling.pid,
        "Client": polling.client,
        "Targets": polling.targets,
        "CPUSeconds": round(polling.cpu_seconds, 3),
        "CPUPercent": round(polling.cpu_percent, 2),
        "Restarts": polling.restarts,
        "Problem": polling.problem,
    }


def snmp_summary(snmp: DeviceSnmp) -> Document:
    """``SNMP`` of a device in ``/admin/devices``."""
    latest = snmp.latest
    return {
        "Polled": snmp.target is not None,
        "Problem": safe_text(snmp.problem),
        "LastPoll": moment(latest.started if latest else 0),
        "NextPoll": moment(snmp.next_poll),
        "Error": safe_text(latest.error.text) if latest and latest.error else "",
    }


def snmp_document(snmp: DeviceSnmp) -> Document:
    """``SNMP`` of ``/admin/devices/<id>``."""
    return {
        **snmp_summary(snmp),
        "Target": _target(snmp.target),
        "Latest": _latest(snmp.latest),
        "Sums": {camel(name): _rounded(value) for name, value in attrs.asdict(snmp.sums).items()},
        "Sending": {camel(name): value for name, value in attrs.asdict(snmp.sending).items()},
        "System": None if snmp.system is None else _described(attrs.asdict(snmp.system)),
        "Health": {
            "CPUs": [{"Name": safe_text(one.name), "Percent": one.percent} for one in snmp.health.cpus],
            "Memories": [
                {"Name": safe_text(one.name), "Total": one.total, "Used": one.used} for one in snmp.health.memories
            ],
            "Temperatures": [{"Name": safe_text(one.name), "Celsius": one.celsius} for one in snmp.health.temperatures],
        },
        "Described": moment(snmp.described),
        "Counted": moment(snmp.counted),
        "Interfaces": [_interface(snmp, index) for index in _indexes(snmp)],
    }


def _target(target: SnmpTarget | None) -> Document | None:
    if target is None:
        return None
    return {
        "Address": target.address,
        "Port": target.port,
        "Version": target.version.value,
        "Level": target.v3.level.value if target.v3 else "",
        "Source": target.source_address,
        "Minimized": target.minimized,
    }


def _latest(latest: Reading | None) -> Document | None:
    if latest is None:
        return None
    return {
        "Scheduled": moment(latest.scheduled),
        "Started": moment(latest.started),
        "DurationSeconds": _rounded(latest.duration_seconds),
        "Descriptions": latest.with_descriptions,
        "Counters": latest.with_counters,
        "InterfacesFound": latest.interfaces_found,
        "ErrorKind": latest.error.kind.value if latest.error else "",
        "Error": safe_text(latest.error.text) if latest.error else "",
        "Partial": [
            {"Table": one.table, "Rows": one.rows, "Error": safe_text(one.error.text)} for one in latest.partial
        ],
        "Failures": latest.failures,
        "Effort": {camel(name): _rounded(value) for name, value in attrs.asdict(latest.effort).items()},
        "V3": None if latest.v3 is None else _described(attrs.asdict(latest.v3)),
    }


def _described(values: Mapping[str, Any]) -> Document:
    return {camel(name): safe_text(value) if isinstance(value, str) else value for name, value in values.items()}


def _rounded(value: float) -> float:
    return round(value, 6) if isinstance(value, float) else value


def _indexes(snmp: DeviceSnmp) -> list[int]:
    return sorted(snmp.interfaces.keys() | snmp.counters.keys())


def _interface(snmp: DeviceSnmp, index: int) -> Document:
    interface, counters = snmp.interfaces.get(index), snmp.counters.get(index)
    flows = snmp.flow_rates.get(index)
    document: Document = {"Index": index}
    if interface is not None:
        document |= _interface_document(interface)
    if counters is not None:
        document["Counters"] = interface_counters(counters)
        document["SNMPRates"] = {
            "InBitsPerSecond": counters.in_bits_per_second,
            "OutBitsPerSecond": counters.out_bits_per_second,
            "InUtilization": counters.in_utilization,
            "OutUtilization": counters.out_utilization,
        }
    document["FlowRates"] = flows and {"InBitsPerSecond": flows.in_bits, "OutBitsPerSecond": flows.out_bits}
    return document


def _interface_document(one: Interface) -> Document:
    return {
        "Name": safe_text(one.name),
        "Descr": safe_text(one.descr),
        "Alias": safe_text(one.alias),
        "Type": one.type,
        "SpeedBps": one.speed_bps,
        "MTU": one.mtu,
        "MAC": one.mac,
        "AdminStatus": one.admin_status,
        "OperStatus": one.oper_status,
        "Addresses": [{"Address": each.address, "PrefixLength": each.prefix_length} for each in one.addresses],
        "VRF": None if one.vrf is None else _described(attrs.asdict(one.vrf)),
        "Neighbors": [_described(attrs.asdict(neighbor)) for neighbor in one.neighbors],
        "Lower": list(one.lower),
        "Higher": list(one.higher),
    }


COLUMNS = columns(
    ("Name", "Interface"),
    ("Index", "Index"),
    ("Alias", "Alias"),
    ("Addresses", "Addresses"),
    ("State", "State"),
    ("Speed", "Speed", "bits"),
    ("In", "In", "bits", "By SNMP: the rate of the last poll"),
    ("InUse", "In use", "share", "Of the speed"),
    ("InByFlow", "In by flow", "bits", "By the flows of the same time, weighed by their sampling rates"),
    ("Out", "Out", "bits", "By SNMP: the rate of the last poll"),
    ("OutUse", "Out use", "share", "Of the speed"),
    ("OutByFlow", "Out by flow", "bits", "By the flows of the same time, weighed by their sampling rates"),
    ("Errors", "Errors/s", "number"),
    ("Discards", "Discards/s", "number"),
    ("History", "Last polls", "rates", "Rates in (green) and out (orange)"),
)

NOTE = (
    "The busiest first. Exporters tell of long flows late, and of a packet twice where they look at it on both"
    " interfaces."
)

STATES = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "absent", 7: "lower down"}
"""``ifOperStatus`` (RFC 2863)."""

SWITCHED_OFF = 2
"""``ifAdminStatus``."""


def interfaces_table(snmp: DeviceSnmp, now: float) -> Table:
    """A device's interfaces as SNMP tells of them, the busiest first. :param now: seconds since 1970."""
    rows = [(_busy(snmp, index), index) for index in _indexes(snmp)]
    return Table(
        name="snmp-interfaces",
        key="SNMPInterfaces",
        title="Interfaces by SNMP",
        columns=COLUMNS,
        rows=[_row(snmp, index) for _busy_bits, index in sorted(rows)],
        now=now,
        note=NOTE,
    )


def _busy(snmp: DeviceSnmp, index: int) -> float:
    counters = snmp.counters.get(index)
    return 0.0 if counters is None else -(counters.in_bits_per_second or 0.0) - (counters.out_bits_per_second or 0.0)


def _row(snmp: DeviceSnmp, index: int) -> Row:
    interface = snmp.interfaces.get(index) or Interface(index=index)
    current = snmp.counters.get(index) or InterfaceCounters(index=index)
    flows = snmp.flow_rates.get(index)
    return (
        interface.name or interface.descr or current.name,
        index,
        interface.alias,
        tuple(one.address for one in interface.addresses[:MAX_ADDRESSES]),
        _state(current.admin_status or interface.admin_status, current.oper_status or interface.oper_status),
        interface.speed_bps or current.speed_bps or None,
        current.in_bits_per_second,
        current.in_utilization,
        flows.in_bits if flows else None,
        current.out_bits_per_second,
        current.out_utilization,
        flows.out_bits if flows else None,
        _sum(current.per_second("in_errors"), current.per_second("out_errors")),
        _sum(current.per_second("in_discards"), current.per_second("out_discards")),
        snmp.histories.get(index, ()),
    )


def _state(admin: int, oper: int) -> str:
    return "switched off" if admin == SWITCHED_OFF else STATES.get(oper, "")


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)


def page_values(snmp: DeviceSnmp, now: float) -> dict[str, object]:
    """What ``snmp.html`` shows besides the table of interfaces. :param now: seconds since 1970."""
    unknown = sorted(
        index for index in snmp.flow_rates if index and index not in snmp.interfaces and index not in snmp.counters
    )
    return {
        "of": snmp,
        "now": now,
        "unknown": unknown[:MAX_UNKNOWN],
        "cpu_per_variable": 1e6 * snmp.sums.cpu_seconds / snmp.sums.variables if snmp.sums.variables else 0.0,
    }
