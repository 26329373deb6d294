"""The JSON documents of the health port, as plain values; keys and types are public (CamelCase, RFC 3339)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kproxy_tw.status import (
    CapStatus,
    Check,
    DaemonStatus,
    DeviceStatus,
    EndpointStatus,
    StreamListenerStatus,
    UnregisteredStatus,
)
from kproxy_tw.web.counters import agents_document, counters_document
from kproxy_tw.web.encoding import Document, number, plain
from kproxy_tw.web.exporters import exporters_document
from kproxy_tw.web.health import overall
from kproxy_tw.web.snmp import polling_document, snmp_document, snmp_summary
from kproxy_tw.web.text import moment, utc_time

DAY = 86400


def health(checks: Sequence[Check], now: float) -> Document:
    """``/hc``."""
    return {
        "timestamp": utc_time(now),
        "status": overall(checks),
        "checks": [{"name": check.name, "status": check.status, "detail": check.detail} for check in checks],
    }


def status(daemon: DaemonStatus) -> Document:
    """``/admin/status``."""
    return {
        "InstanceID": daemon.instance_id,
        "Version": daemon.version,
        "StartTime": utc_time(daemon.start_time),
        "UptimeMs": int(1000 * (daemon.now - daemon.start_time)),
        "Config": {name: plain(value) for name, value in daemon.config.items()},
        "Upstream": [_endpoint(endpoint) for endpoint in daemon.upstream],
        "Listeners": [
            {
                "Address": listener.address,
                "ReceiveBuffer": listener.receive_buffer,
                "KernelDrops": listener.kernel_drops,
            }
            for listener in daemon.listeners
        ],
        "Streams": _streams(daemon.streams),
        "Tee": [
            {
                "Target": one.target,
                "Source": one.source,
                "Sent": one.sent,
                "Lost": one.lost,
                "LastError": one.problem,
            }
            for one in daemon.tee
        ],
        "Certificates": [
            {"Name": name, "NotAfter": utc_time(not_after), "DaysLeft": int((not_after - daemon.now) // DAY)}
            for name, not_after in daemon.certificates.items()
        ],
        "Spool": dict(daemon.spool),
        "Polling": polling_document(daemon.polling),
        "Totals": daemon.totals.as_json(),
    }


def _streams(streams: StreamListenerStatus) -> Document:
    """IPFIX over TCP and TLS."""
    return {
        "Listeners": list(streams.addresses),
        "Accepted": streams.accepted,
        "Messages": streams.messages,
        "Bytes": streams.bytes,
        "EndedFor": {reason: count for reason, count in streams.ended_for.items() if count},
        "Connections": [
            {
                "Address": stream.address,
                "Name": stream.name,
                "UptimeMs": int(1000 * stream.seconds),
                "Messages": stream.messages,
                "Bytes": stream.bytes,
                "SilentMs": int(1000 * stream.silent_seconds),
            }
            for stream in streams.streams
        ],
    }


def devices(devices: Sequence[DeviceStatus], unregistered: Sequence[UnregisteredStatus]) -> Document:
    """``/admin/devices``."""
    return {
        "NumConnected": len(devices),
        "Devices": [device_summary(device) for device in devices],
        "NumUnregistered": len(unregistered),
        "Unregistered": [_unregistered(source) for source in unregistered],
    }


def device(device: DeviceStatus) -> Document:
    """``/admin/devices/<id>``."""
    return {
        **device_summary(device),
        "Sequences": [_sequence(sequence) for sequence in device.sequences],
        "TemplatesInForce": device.template_counts.get("in_force", len(device.templates)),
        "Templates": [_template(template) for template in device.templates],
        "Counters": counters_document(device.sflow),
        "Agents": agents_document(device.sflow),
        "SNMP": snmp_document(device.snmp),
        **exporters_document(device.exporters),
    }


def device_summary(device: DeviceStatus) -> Document:
    """One device as it stands in the list of ``/admin/devices``."""
    return {
        "DeviceID": device.device_id,
        "DeviceName": device.device_name,
        "CompanyID": device.company_id,
        "FlowTypes": list(device.flow_types),
        "In1": device.in1,
        "Out1": device.out1,
        "In15": device.in15,
        "Out15": device.out15,
        "FirstSeen": moment(device.first_seen),
        "LastSeen": moment(device.last_seen),
        "Sources": list(device.sources),
        "ChannelHighwater": dict(device.channel_highwater),
        "MaxFPS": number(device.max_fps),
        "SampleRate": {"Effective": number(device.sample_rate), "Origin": device.rate_origin},
        "Cap": _cap(device.cap),
        "SNMP": snmp_summary(device.snmp),
        "Ledger": device.ledger.as_json(),
    }


def _cap(cap: CapStatus) -> Document:
    """What the cap did lately; errors are relative, one standard error."""
    return {
        "Seconds": number(cap.seconds),
        "PlanFPS": number(cap.plan_fps),
        "Seen": cap.seen,
        "Kept": cap.kept,
        "SeenPerKept": number(cap.seen_per_kept),
        "ExpectedError": {"Bytes": number(cap.octets_error), "Packets": number(cap.packets_error)},
    }


def _sequence(sequence: Mapping[str, Any]) -> Document:
    return {
        "Source": sequence["source"],
        "FlowType": sequence["flow_type"],
        "Sequence": sequence["label"],
        "Counted": sequence["counted"],
        "Received": sequence["received"],
        "Lost": sequence["lost"],
        "LostWhileAway": sequence["lost_while_away"],
        "Late": sequence["late"],
        "Duplicates": sequence["duplicates"],
        "Restarts": sequence["restarts"],
    }


def _template(template: Mapping[str, Any]) -> Document:
    return {
        "Source": template["source"],
        "Version": template["version"],
        "Domain": template["domain"],
        "ID": template["id"],
        "Kind": template["kind"],
        "RecordLength": template["record_length"],
        "Port": template["port"],
        "AgeSeconds": number(round(template["age_seconds"], 1)),
        "Restored": template["restored"],
        "Fields": [
            {
                "Name": field["name"],
                "ID": field["id"],
                "PEN": field["pen"],
                "Length": field["length"],
                "Scope": field["scope"],
            }
            for field in template["fields"]
        ],
    }


def _unregistered(source: UnregisteredStatus) -> Document:
    return {
        "Source": source.source,
        "Port": source.port,
        "FirstSeen": utc_time(source.first_seen),
        "LastSeen": utc_time(source.last_seen),
        "Datagrams": source.datagrams,
        "FlowType": source.flow_type,
    }


def _endpoint(endpoint: EndpointStatus) -> Document:
    return {
        "URL": endpoint.url,
        "Connected": endpoint.connected,
        "LastStatus": endpoint.last_status,
        "LastError": endpoint.last_error,
        "RetryInMs": endpoint.retry_in_ms,
    }
