"""What the page of kcollect shows: rows with figures for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kproxy_tw.collector.totals import DeviceTotals, unscaled

PAGE_DEVICES = 500
"""Rows of the totals table; the page says how many more there are."""

PAGE_FLOWS = 25
"""Rows of the table of last flows."""

PAGE_SESSIONS = 200
"""Rows of the table of BGP sessions; all of them are in JSON."""

PROTOCOLS = {
    1: "ICMP",
    2: "IGMP",
    4: "IPIP",
    6: "TCP",
    17: "UDP",
    41: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    89: "OSPF",
    132: "SCTP",
}
"""Names of common protocols (IANA protocol numbers); others show their number."""


@attrs.frozen
class TotalsRow:
    """A device's totals; ``share`` is its part of all estimated bytes, 0 to 1."""

    totals: DeviceTotals
    estimated_bytes: int | float
    estimated_packets: int | float
    share: float


@attrs.frozen
class FlowRow:
    """One flow in words."""

    time: float
    device: str
    source: str
    destination: str
    protocol: str
    bytes: int
    packets: int
    sample_rate: int | float


def totals_rows(totals: Sequence[DeviceTotals]) -> list[TotalsRow]:
    """The devices with the most estimated bytes, at most ``PAGE_DEVICES``."""
    whole = sum(total.sums.estimated_bytes for total in totals)
    largest = sorted(totals, key=lambda total: (-total.sums.estimated_bytes, total.device_id))[:PAGE_DEVICES]
    return [
        TotalsRow(
            total,
            unscaled(total.sums.estimated_bytes),
            unscaled(total.sums.estimated_packets),
            total.sums.estimated_bytes / whole if whole else 0.0,
        )
        for total in largest
    ]


def flow_rows(flows: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> list[FlowRow]:
    """Rows from the objects of ``/flows``.

    :param names: device id to name.
    """
    return [
        FlowRow(
            time=flow["timestampNano"] / 1e9,
            device=names.get(flow["deviceId"], str(flow["deviceId"])),
            source=_endpoint(flow, "Src"),
            destination=_endpoint(flow, "Dst"),
            protocol=PROTOCOLS.get(flow["protocol"], str(flow["protocol"])),
            bytes=flow["inBytes"] + flow["outBytes"],
            packets=flow["inPkts"] + flow["outPkts"],
            sample_rate=flow["sampleRate"],
        )
        for flow in flows
    ]


def _endpoint(flow: Mapping[str, Any], side: str) -> str:
    port = flow[f"l4{side}Port"]
    ipv6 = flow.get(f"ipv6{side}Addr")
    address = f"[{ipv6}]" if ipv6 else flow.get(f"ipv4{side}Addr", "")
    return f"{address}:{port}" if port else address.strip("[]")
