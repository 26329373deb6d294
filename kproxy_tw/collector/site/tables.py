"""Tables that more than one page of kcollect has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kproxy_tw.collector.totals import DeviceTotals, unscaled
from kproxy_tw.collector.traffic.dimensions import Names
from kproxy_tw.protocols import protocol_name
from kproxy_tw.web.tables.table import Cell, Table, columns

PAGE_FLOWS = 25
"""Rows of the table of last flows."""


def devices_table(totals: Sequence[DeviceTotals], now: float) -> Table:
    """What each device has sent since the store began, the largest first."""
    whole = sum(total.sums.estimated_bytes for total in totals)
    largest = sorted(totals, key=lambda total: (-total.sums.estimated_bytes, total.device_id))
    return Table(
        name="devices",
        key="Devices",
        title="Devices",
        columns=columns(
            ("DeviceName", "Device"),
            ("DeviceID", "", "text"),
            ("Share", "Share", "share", "Part of all estimated bytes"),
            ("EstimatedBytes", "Estimated bytes", "bytes", "Bytes times sample rate, summed: what crossed the device"),
            ("EstimatedPackets", "Estimated packets", "number", "Packets times sample rate, summed"),
            ("Flows", "Flows", "count", "Flow records, as stored"),
            ("Bytes", "Bytes", "bytes", "As the flows state them, both directions"),
            ("Packets", "Packets", "count", "As the flows state them, both directions"),
            ("Messages", "Messages", "count"),
            ("LastReceived", "Last received", "ago"),
        ),
        rows=[
            (
                Cell(total.device_name, href=f"/devices/{total.device_id}", under=f"#{total.device_id}"),
                total.device_id,
                total.sums.estimated_bytes / whole if whole else 0.0,
                unscaled(total.sums.estimated_bytes),
                unscaled(total.sums.estimated_packets),
                total.sums.flows,
                total.sums.in_bytes + total.sums.out_bytes,
                total.sums.in_pkts + total.sums.out_pkts,
                total.messages,
                total.last_received,
            )
            for total in largest
        ],
        now=now,
        empty="No device has sent flow yet. Start kproxy with -api set to this address.",
    )


def flows_table(flows: Sequence[Mapping[str, Any]], names: Names) -> Table:
    """The last flows, from the objects of ``/flows``."""
    return Table(
        name="flows",
        key="LastFlows",
        title="Last flows",
        columns=columns(
            ("Time", "Time", "time"),
            ("Device", "Device"),
            ("Source", "Source"),
            ("Destination", "Destination"),
            ("Protocol", "Protocol"),
            ("Bytes", "Bytes", "bytes"),
            ("Packets", "Packets", "count"),
            ("SampleRate", "Sample rate", "rate"),
        ),
        rows=[
            (
                flow["timestampNano"] / 1e9,
                names.device(flow["deviceId"]),
                endpoint(flow, "Src"),
                endpoint(flow, "Dst"),
                protocol_name(flow["protocol"]),
                flow["inBytes"] + flow["outBytes"],
                flow["inPkts"] + flow["outPkts"],
                flow["sampleRate"],
            )
            for flow in flows
        ],
    )


def endpoint(flow: Mapping[str, Any], side: str) -> str:
    """One end of a flow: address and, where it has one, port."""
    port = flow[f"l4{side}Port"]
    ipv6 = flow.get(f"ipv6{side}Addr")
    address = f"[{ipv6}]" if ipv6 else flow.get(f"ipv4{side}Addr", "")
    return f"{address}:{port}" if port else address.strip("[]")
