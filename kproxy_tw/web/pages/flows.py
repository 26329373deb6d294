"""Flows for people: rows of a table, and lines of the tap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kproxy_tw.capture.shown import flows
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.protocols import protocol_name
from kproxy_tw.status import DeviceStatus
from kproxy_tw.web.tables.table import Row, Table, columns
from kproxy_tw.web.text import safe_text

_SHOWN = frozenset(
    [
        "ipv4_src_addr",
        "ipv4_dst_addr",
        "ipv6_src_addr",
        "ipv6_dst_addr",
        "l4_src_port",
        "l4_dst_port",
        "protocol",
        "input_port",
        "output_port",
        "in_bytes",
        "in_pkts",
        "out_bytes",
        "out_pkts",
        "sample_rate",
        "timestamp_nano",
        "elements",
    ]
)
"""What has a column of its own."""


def flows_table(device: DeviceStatus) -> Table:
    """The records that were sent last, the newest first."""
    found = [] if device.last_flows is None else list(flows(device.last_flows))
    return Table(
        name="last-flows",
        key="LastFlows",
        title="Last records",
        columns=columns(
            ("Time", "Time (UTC)"),
            ("Source", "Source"),
            ("Destination", "Destination"),
            ("Protocol", "Protocol"),
            ("Input", "In at", "text", "Interface"),
            ("Output", "Out at", "text", "Interface"),
            ("Bytes", "Bytes", "bytes"),
            ("Packets", "Packets", "count"),
            ("SampleRate", "Rate", "rate"),
            ("Others", "What else it has"),
        ),
        rows=[_row(flow) for flow in reversed(found)],
        note="As decoded and sent; some of the last message, looked at every ten seconds.",
        empty="None has been sent yet.",
    )


def flow_line(flow: Mapping[str, Any]) -> str:
    """One flow as one line."""
    time, source, destination, protocol, given, out, octets, packets, rate, others = _row(flow)
    ports = f"{given or '-'}>{out or '-'}"
    text = f"{time} {source} > {destination} {protocol} {octets} B {packets} pkts if {ports} 1:{rate:.10g} {others}"
    return safe_text(text).rstrip()


def lines(batch: FlowBatch) -> list[str]:
    """All flows as lines."""
    return [flow_line(flow) for flow in flows(batch)]


def _row(flow: Mapping[str, Any]) -> Row:
    protocol = flow.get("protocol", 0)
    others = {name: value for name, value in flow.items() if name not in _SHOWN} | dict(flow.get("elements", {}))
    return (
        str(flow.get("timestamp_nano", "")).partition("T")[2].rstrip("Z"),
        _end(flow, "src"),
        _end(flow, "dst"),
        protocol_name(protocol),
        flow.get("input_port"),
        flow.get("output_port"),
        flow.get("in_bytes", 0) + flow.get("out_bytes", 0),
        flow.get("in_pkts", 0) + flow.get("out_pkts", 0),
        flow.get("sample_rate") or 1,
        " ".join(f"{name}={value}" for name, value in others.items()),
    )


def _end(flow: Mapping[str, Any], side: str) -> str:
    address = flow.get(f"ipv4_{side}_addr") or flow.get(f"ipv6_{side}_addr") or "-"
    port = flow.get(f"l4_{side}_port")
    shown = f"[{address}]" if port and ":" in address else address
    return f"{shown}:{port}" if port else str(shown)
