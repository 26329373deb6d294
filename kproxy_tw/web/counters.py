"""What a device tells by sFlow besides flows, as JSON and as the tables of its page."""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.status import SflowStatus, SourceStatus
from kproxy_tw.web.equipment import added
from kproxy_tw.web.tables.table import Cell, Row, Table, columns
from kproxy_tw.web.text import safe_text, utc_time

Document = dict[str, object]

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


def tables(sflow: SflowStatus, now: float) -> Sequence[Table]:
    """Everything for the device's page. :param now: seconds since 1970."""
    return tuple(make(sflow, now) for make in (agents_table, interfaces_table, others_table, discards_table))


def agents_table(sflow: SflowStatus, now: float) -> Table:
    """Who samples, and what is wrong with that."""
    notes = []
    if sflow.several_agents:
        notes.append(
            f"Several agents send from {', '.join(sflow.several_agents)}: all their flows are counted for this device. "
            "With -sflow_agent_address every agent is a device of its own."
        )
    if sflow.agent_drops:
        notes.append(
            f"The agents dropped {sflow.agent_drops:,} samples for want of resources: "
            "there was more traffic than these figures say."
        )
    return Table(
        name="sflow-agents",
        key="SflowAgents",
        title="sFlow agents",
        columns=columns(
            ("Agent", "Agent"),
            ("Source", "Source"),
            ("SubAgents", "Sub-agents"),
            ("Datagrams", "Datagrams", "count"),
            ("LastSeen", "Last seen", "ago"),
        ),
        rows=[(one.agent, one.source, one.sub_agents, one.datagrams, one.last_seen) for one in sflow.agents],
        now=now,
        note=" ".join(notes),
    )


def interfaces_table(sflow: SflowStatus, now: float) -> Table:
    """The interfaces, the busiest first; rates are not known until two samples have come."""
    rows = [_row(source) for source in sflow.sources if "Interface" in source.records]
    return Table(
        name="sflow-interfaces",
        key="SflowInterfaces",
        title="Interfaces by sFlow",
        columns=columns(
            ("Name", "Interface"),
            ("Index", "Index"),
            ("Agent", "Agent"),
            ("State", "State", "state"),
            ("Speed", "Speed", "bits"),
            ("In", "In", "bits", "The rate between the last two samples"),
            ("InUse", "In use", "share", "Of the speed"),
            ("Out", "Out", "bits", "The rate between the last two samples"),
            ("OutUse", "Out use", "share", "Of the speed"),
            ("Errors", "Errors/s", "number"),
            ("Discards", "Discards/s", "number"),
            ("LastSeen", "Last sample", "ago"),
        ),
        rows=sorted(rows, key=lambda row: -(row[5] or 0.0) - (row[7] or 0.0)),
        now=now,
        note="The busiest first.",
    )


def _row(source: SourceStatus) -> Row:
    record, rates = source.records["Interface"], source.rates.get("Interface", {})
    status, speed, index = (record.get(name, 0) for name in ("Status", "Speed", "Index"))
    up = isinstance(status, int) and bool(status & OPER_UP)
    return (
        interface_name(source) or None,
        index if isinstance(index, int) and index else source.index,
        source.agent,
        Cell("up" if up else "down", tone="on" if up else "off"),
        speed if isinstance(speed, int) and speed else None,
        rates.get("InBitsPerSecond"),
        rates.get("InUtilization"),
        rates.get("OutBitsPerSecond"),
        rates.get("OutUtilization"),
        added(rates.get("InErrorsPerSecond"), rates.get("OutErrorsPerSecond")),
        added(rates.get("InDiscardsPerSecond"), rates.get("OutDiscardsPerSecond")),
        source.last_seen,
    )


def others_table(sflow: SflowStatus, now: float) -> Table:
    """Counters of hosts, processors, virtual machines and so on: one row for each."""
    return Table(
        name="sflow-counters",
        key="SflowCounters",
        title="Other counters by sFlow",
        columns=columns(
            ("Counter", "Counter"),
            ("Record", "Record"),
            ("Value", "Value", "number"),
            ("Agent", "Agent"),
            ("Class", "Class", "text", "Of the data source, by sFlow's numbers"),
            ("Index", "Index"),
            ("LastSeen", "Last sample", "ago"),
        ),
        rows=[
            (name, kind, _value(value), source.agent, source.source_class, source.index, source.last_seen)
            for source in sflow.sources
            if "Interface" not in source.records
            for kind, record in source.records.items()
            for name, value in (*record.items(), *source.rates.get(kind, {}).items())
        ],
        now=now,
    )


def _value(value: float | str) -> Cell:
    return Cell(value, kind="text") if isinstance(value, str) else Cell(value)


def discards_table(sflow: SflowStatus, now: float) -> Table:
    """Packets that the device says it discarded."""
    return Table(
        name="sflow-discards",
        key="SflowDiscards",
        title="Packets that it says it discarded",
        columns=columns(
            ("Reason", "Reason"), ("Code", "Code"), ("Packets", "Packets", "count"), ("LastSeen", "Last seen", "ago")
        ),
        rows=[(one.reason, one.code, one.packets, one.last_seen) for one in sflow.discards],
        now=now,
    )
