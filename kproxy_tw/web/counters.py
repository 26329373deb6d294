"""What a device tells by sFlow besides flows, as JSON and as the rows of its page."""

from __future__ import annotations

import attrs

from kproxy_tw.status import SflowStatus, SourceStatus
from kproxy_tw.web.text import safe_text, utc_time

Document = dict[str, object]

PAGE_INTERFACES = 1000
"""Most interfaces on the page; the page says how many are left out and where they are."""

ADMIN_UP, OPER_UP = 1, 2


def counters_document(sflow: SflowStatus) -> Document:
    """``Counters`` of ``/admin/devices/<id>``."""
    interfaces = [source for source in sflow.sources if "Interface" in source.records]
    others = [source for source in sflow.sources if "Interface" not in source.records]
    return {
        "Samples": sflow.counter_samples,
        "SkippedSamples": sflow.skipped_samples,
        "AgentDrops": sflow.agent_drops,
        "ForgottenSources": sflow.forgotten_sources,
        "Interfaces": [_interface(source) for source in interfaces],
        "Others": [_source(source) for source in others],
        "Discards": [
            {
                "Code": discard.code,
                "Reason": discard.reason,
                "Packets": discard.packets,
                "LastSeen": utc_time(discard.last_seen),
            }
            for discard in sflow.discards
        ],
    }


def agents_document(sflow: SflowStatus) -> list[Document]:
    """``Agents`` of ``/admin/devices/<id>``."""
    return [
        {
            "Source": agent.source,
            "Agent": agent.agent,
            "SubAgents": list(agent.sub_agents),
            "Datagrams": agent.datagrams,
            "LastSeen": utc_time(agent.last_seen),
            "SeveralBehindSource": agent.source in sflow.several_agents,
        }
        for agent in sflow.agents
    ]


def _interface(source: SourceStatus) -> Document:
    status = source.records["Interface"].get("Status", 0)
    bits = status if isinstance(status, int) else 0
    return {
        **_source(source),
        "IfIndex": source.records["Interface"].get("Index", source.index),
        "Name": interface_name(source),
        "AdminUp": bool(bits & ADMIN_UP),
        "OperUp": bool(bits & OPER_UP),
    }


def _source(source: SourceStatus) -> Document:
    return {
        "Agent": source.agent,
        "SubAgent": source.sub_agent,
        "Class": source.source_class,
        "Index": source.index,
        "LastSeen": utc_time(source.last_seen),
        "Restarts": source.restarts,
        "Rates": {name: dict(rates) for name, rates in source.rates.items() if rates},
        "Records": {name: dict(record) for name, record in source.records.items()},
    }


def interface_name(source: SourceStatus) -> str:
    """The port's name where the agent tells it, else empty."""
    return safe_text(source.records.get("PortName", {}).get("Name", ""))


@attrs.frozen(kw_only=True)
class InterfaceRow:
    """One interface on the page. Rates are ``None`` until two samples have come."""

    agent: str
    index: int
    name: str
    up: bool
    speed: int
    in_bits: float | None
    out_bits: float | None
    in_use: float | None
    out_use: float | None
    errors: float | None
    discards: float | None
    last_seen: float


def interface_rows(sflow: SflowStatus) -> list[InterfaceRow]:
    """The interfaces, the busiest first."""
    rows = [_row(source) for source in sflow.sources if "Interface" in source.records]
    rows.sort(key=lambda row: -((row.in_bits or 0.0) + (row.out_bits or 0.0)))
    return rows


def _row(source: SourceStatus) -> InterfaceRow:
    record, rates = source.records["Interface"], source.rates.get("Interface", {})
    status, speed, index = (record.get(name, 0) for name in ("Status", "Speed", "Index"))
    return InterfaceRow(
        agent=source.agent,
        index=index if isinstance(index, int) and index else source.index,
        name=interface_name(source),
        up=isinstance(status, int) and bool(status & OPER_UP),
        speed=speed if isinstance(speed, int) else 0,
        in_bits=rates.get("InBitsPerSecond"),
        out_bits=rates.get("OutBitsPerSecond"),
        in_use=rates.get("InUtilization"),
        out_use=rates.get("OutUtilization"),
        errors=_sum(rates.get("InErrorsPerSecond"), rates.get("OutErrorsPerSecond")),
        discards=_sum(rates.get("InDiscardsPerSecond"), rates.get("OutDiscardsPerSecond")),
        last_seen=source.last_seen,
    )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)


def page_values(sflow: SflowStatus) -> dict[str, object]:
    """Everything that ``counters.html`` shows."""
    rows = interface_rows(sflow)
    others = [source for source in sflow.sources if "Interface" not in source.records]
    return {
        "interfaces": rows[:PAGE_INTERFACES],
        "num_interfaces": len(rows),
        "omitted_interfaces": max(0, len(rows) - PAGE_INTERFACES),
        "others": others[:PAGE_INTERFACES],
        "discards": sflow.discards,
        "agent_drops": sflow.agent_drops,
        "agents": sflow.agents,
        "several_agents": sflow.several_agents,
        "counter_samples": sflow.counter_samples,
    }
