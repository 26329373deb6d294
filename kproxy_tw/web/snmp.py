"""What is known of a device by SNMP, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kproxy_tw.snmp.outputs.report import camel, interface_counters
from kproxy_tw.snmp.reading import Interface, Reading
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.snmp.shown import DeviceSnmp
from kproxy_tw.snmp.status import PollerStatus
from kproxy_tw.web.text import moment, safe_text

Document = dict[str, object]


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
        "Interfaces": [_interface(snmp, index) for index in indexes(snmp)],
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


def indexes(snmp: DeviceSnmp) -> list[int]:
    """The interfaces that SNMP knows."""
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
