"""The page of one device: what it sends, how it is sampled, what was lost, what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kproxy_tw.ledger import SAMPLE_SECONDS
from kproxy_tw.status import DaemonStatus, DeviceStatus, ExporterStatus
from kproxy_tw.web import counters, documents
from kproxy_tw.web.devicestate import problems, state_of
from kproxy_tw.web.judgement import Point, Verdict
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.pages import snmp
from kproxy_tw.web.pages.flows import flows_table
from kproxy_tw.web.pages.kproxy import cap_text, cap_use, drop_reasons, fates, share_text
from kproxy_tw.web.sparkline import rates_of
from kproxy_tw.web.tables.table import Cell, Facts, Row, Table, columns, facts
from kproxy_tw.web.text import duration, percent, safe_text

SHOWN_TEMPLATES = 50
"""Templates whose fields are listed on the page."""


def content(daemon: DaemonStatus, device: DeviceStatus) -> PageContent:
    """Everything that the page shows."""
    exporters = device.exporters
    judged = verdict(device, daemon.now)
    return PageContent(
        template="device.html",
        tables=(
            events_table(exporters, daemon.now),
            flows_table(device),
            sessions_table(exporters, daemon.now),
            sampling_table(exporters),
            sequences_table(device),
            names_table(exporters),
            unknown_table(exporters),
            templates_table(device),
            snmp.components(device.snmp.health),
            snmp.interfaces_table(device.snmp, daemon.now),
            *counters.tables(device.sflow, daemon.now),
        ),
        facts=(
            _totals(device, daemon.now),
            _description(device, daemon.now),
            snmp.facts_of(device.snmp, daemon.now),
        ),
        document={
            "Verdict": judged.as_json(),
            "Totals": device.ledger.as_json(),
            "Device": documents.device(device),
        },
        values={
            "daemon": daemon,
            "device": device,
            "verdict": judged,
            "traffic": rates_of(device.recent.readings, SAMPLE_SECONDS),
            "fates": fates(device.ledger),
            "dropped": drop_reasons(device.ledger),
            "templates": device.templates[:SHOWN_TEMPLATES],
            "snmp": snmp.page_values(device.snmp),
        },
    )


def verdict(device: DeviceStatus, now: float) -> Verdict:
    """Whether this device does well."""
    found = problems(device, now)
    state = state_of(device, found, now)
    words = {
        "sending": "is sending, all is well",
        "quiet": _quiet_words(device, now),
        "bad": "needs attention",
    }
    points = tuple(Point(f"it {problem.said(now)}", "#events") for problem in found)
    return Verdict(
        level={"sending": "good", "quiet": "starting", "bad": "attention"}[state],
        sentence=f"{safe_text(device.device_name)} {words[state]}.",
        points=points,
    )


def _quiet_words(device: DeviceStatus, now: float) -> str:
    if device.last_seen:
        return f"is quiet: the last datagram came {duration(now - device.last_seen)} ago"
    return "has sent no flow yet" + (", and is polled by SNMP" if device.snmp.latest else "")


def _totals(device: DeviceStatus, now: float) -> Facts:
    ledger = device.ledger
    items = facts(
        (device.in1, "In1", "In1", "count", "Datagrams received in the last minute"),
        (device.out1, "Out1", "Out1", "count", "Messages sent in the last minute"),
        (device.in15, "In15", "In15", "count", "Datagrams received in the last 15 minutes"),
        (device.out15, "Out15", "Out15", "count", "Messages sent in the last 15 minutes"),
        (
            Cell(ledger.datagrams_received, under=f"{ledger.datagrams_dropped.total():,} dropped"),
            "DatagramsReceived",
            "Datagrams received",
            "count",
        ),
        (
            Cell(ledger.messages_sent, under=f"{ledger.messages_retried:,} retried"),
            "MessagesSent",
            "Messages sent",
            "count",
        ),
        (ledger.bytes_sent, "BytesSent", "Bytes sent", "bytes"),
        (
            Cell(ledger.sequence_gaps, under=f"{share_text(ledger.sequence_gaps, ledger.sequence_seen)} of all"),
            "SequenceGaps",
            "Lost on the way here",
            "count",
        ),
    )
    return Facts(name="totals", key="Counts", title="Counts", items=tuple(items), now=now)


def _description(device: DeviceStatus, now: float) -> Facts:
    cap = device.cap
    untouched = cap.kept == cap.seen
    queues = tuple(f"{name} {length}" for name, length in device.channel_highwater.items())
    origin = "unknown" if device.rate_origin == "unknown" else f"from {device.rate_origin}"
    error = f"{percent(cap.packets_error, 1)} of the packets; one standard error of the last minute's totals"
    items = facts(
        (device.device_id, "DeviceID", "Device id"),
        (device.company_id, "CompanyID", "Company"),
        (device.flow_types, "FlowTypes", "Format"),
        (device.sources, "Sources", "Sources"),
        (device.last_seen or None, "LastSeen", "Last seen", "ago"),
        (device.first_seen or None, "FirstSeen", "First seen", "time"),
        (Cell(device.sample_rate, under=origin), "SampleRate", "Sampling rate", "rate"),
        (Cell(cap_use(device, now), under=cap_text(device)), "CapUse", "Cap use", "share"),
        (
            Cell(
                cap.kept / cap.seen if cap.seen else None,
                under="all of the last minute" if untouched else f"{cap.kept:,} of {cap.seen:,} in the last minute",
            ),
            "LetThrough",
            "Let through",
            "share",
        ),
        (
            None if untouched else Cell(cap.octets_error, under=error),
            "ExpectedError",
            "Expected error of the bytes",
            "share",
            "What the cap adds; the exporter's own sampling comes on top",
        ),
        (queues, "ChannelHighwater", "Channel highwater", "text", "The most that ever waited, by queue"),
    )
    return Facts(name="description", key="Description", title="What it sends", items=tuple(items), now=now)


def events_table(exporters: ExporterStatus, now: float) -> Table:
    """What happened, the newest first."""
    return Table(
        name="events",
        key="Events",
        title="What happened",
        columns=columns(
            ("First", "First", "time"), ("Last", "Last", "time"), ("Count", "Times", "count"), ("Text", "Event")
        ),
        rows=[(event.first, event.last, event.count, event.text) for event in exporters.events],
        now=now,
        empty="Nothing has been noted since the start.",
    )


def sessions_table(exporters: ExporterStatus, now: float) -> Table:
    """The exporters behind the device."""
    conflicts = [session["source"] for session in exporters.sessions if session["conflicts"]]
    return Table(
        name="exporters",
        key="Exporters",
        title="Exporters",
        columns=columns(
            ("Source", "Source"),
            ("LastSeen", "Last seen", "ago"),
            ("Datagrams", "Datagrams", "count"),
            ("Ports", "Ports"),
            ("Templates", "Templates", "count"),
            ("Refused", "Refused", "count", "Failed the checks; an older valid one holds on"),
            ("Evicted", "Evicted", "count", "Had to make room for others"),
            ("Expired", "Expired", "count", "Not sent again for too long"),
            ("HeldRecords", "Waiting", "count", "Records that came before their template"),
        ),
        rows=[_session(session) for session in exporters.sessions],
        now=now,
        note=f"Behind {', '.join(conflicts)} are two routers that use the same template ids differently; "
        "they are told apart by source port."
        if conflicts
        else "",
    )


def _session(session: Mapping[str, Any]) -> Row:
    age = session["restored_age"]
    restored = "" if age is None else f"state from before the restart, then {duration(age)} old"
    waiting = ", ".join(f"{key['id']} (domain {key['domain']})" for key in session["waiting"])
    return (
        Cell(session["source"], under=restored),
        session["last_seen"],
        session["datagrams"],
        tuple(session["ports"]),
        session["templates"],
        Cell(session["refused"], under=session["last_refusal"] or "", tone="bad" if session["refused"] else ""),
        session["evicted"],
        session["expired"],
        Cell(session["held_records"], under=f"for {waiting}" if waiting else ""),
    )


def _place(table: Mapping[str, Any]) -> str:
    return f"{table['source']}, domain {table['domain']}" + (f" port {table['port']}" if table["port"] else "")


def _through(selectors: Sequence[int]) -> str:
    return f"selector{'s' if len(selectors) > 1 else ''} {', '.join(map(str, selectors))}"


def sampling_table(exporters: ExporterStatus) -> Table:
    """The rates that option data tells."""
    rows: list[Row] = []
    for table in exporters.options:
        place = _place(table)
        if table["rate"]:
            rows.append((place, "records that name no sampler", table["rate"], "", None))
        rows += [
            (place, f"{row['id']} {row['name']}".strip(), row["rate"], row["algorithm"], row["learned"])
            for row in table["samplers"]
        ]
        rows += [
            (place, f"selection sequence {row['id']}", row["rate"], _through(row["selectors"]), None)
            for row in table["selections"]
        ]
        rows += [(place, f"interface {row['index']}", row["rate"], "", None) for row in table["interface_rates"]]
    in_use = "; ".join(
        f"1:{one.rate:.10g} {'known to nobody' if one.origin == 'unknown' else f'from {one.origin}'} "
        f"({one.flows:,} flows)"
        for one in exporters.rates[:8]
    )
    order = "The order: record, sampler, domain, header, device, unless -sample_rate or -sample_rate_file forces one."
    return Table(
        name="sampling",
        key="Sampling",
        title="Sampling rates",
        columns=columns(
            ("From", "Told by"),
            ("Sampler", "For"),
            ("Rate", "Rate", "rate"),
            ("Algorithm", "How"),
            ("Learned", "Told last", "time"),
        ),
        rows=rows,
        note=f"In the latest message {in_use}. {order}" if in_use else order,
        empty="Its option data tells no rate.",
    )


def sequences_table(device: DeviceStatus) -> Table:
    """What is missing by the exporters' own numbers."""
    rows: list[Row] = []
    for row in device.sequences:
        one: Mapping[str, Any] = row
        counted = "samples" if one["flow_type"] == "sflow_samples" else one["counted"]
        rows.append(
            (
                Cell(one["label"], under=one["source"]),
                one["source"],
                "datagrams" if counted == "packets" else counted,
                one["received"],
                Cell(one["lost"], tone="bad" if one["lost"] else ""),
                one["lost_while_away"],
                one["late"],
                one["duplicates"],
                one["restarts"],
            )
        )
    return Table(
        name="sequences",
        key="Sequences",
        title="Lost on the way here",
        columns=columns(
            ("Sequence", "Sequence"),
            ("Source", ""),
            ("Counts", "Counts"),
            ("Received", "Received", "count"),
            ("Lost", "Lost", "count"),
            ("LostWhileAway", "While away", "count", "Between the last save of our state and this start"),
            ("Late", "Late", "count"),
            ("Duplicates", "Twice", "count", "Came twice, or much too late"),
            ("Restarts", "Restarts", "count", "How often the exporter began to count anew"),
        ),
        rows=rows,
        note="By the exporter's own sequence numbers. What comes out of order within 3 seconds is late, not lost.",
        empty="Nothing has been counted yet.",
    )


_NAMED = (("interface", "interfaces"), ("application", "applications"), ("VRF", "vrfs"))


def names_table(exporters: ExporterStatus) -> Table:
    """Interfaces, applications and VRFs as option data names them, and what exporters tell of themselves."""
    rows: list[Row] = []
    for table in exporters.options:
        place = _place(table)
        for kind, key in _NAMED:
            rows += [
                (kind, row.get("id", row.get("index")), row["name"], row.get("description", ""), place)
                for row in table[key]
            ]
        rows += [("exporter", None, name, str(value), place) for name, value in table["exporter"].items()]
    return Table(
        name="names",
        key="Names",
        title="Names told by the exporter",
        columns=columns(
            ("Kind", "What"),
            ("Number", "Number"),
            ("Name", "Name"),
            ("Description", "Description"),
            ("From", "Told by"),
        ),
        rows=rows,
        empty="Its option data names nothing.",
    )


def unknown_table(exporters: ExporterStatus) -> Table:
    """Elements that no table knows."""
    return Table(
        name="unknown",
        key="UnknownElements",
        title="Elements that we do not know",
        columns=columns(
            ("Source", "Source"),
            ("PEN", "Enterprise"),
            ("ID", "Element"),
            ("Length", "Length"),
            ("Count", "Records", "count"),
            ("Example", "Example"),
        ),
        rows=[
            (row["source"], row["pen"], row["id"], row["length"], row["count"], row["example"])
            for row in exporters.unknown
        ],
        empty="None.",
    )


def templates_table(device: DeviceStatus) -> Table:
    """The templates in force; their fields stand below each on the page, and in JSON."""
    rows: list[Row] = []
    for template in device.templates:
        one: Mapping[str, Any] = template
        rows.append(
            (
                one["id"],
                one["kind"],
                one["version"],
                one["domain"],
                one["port"] or None,
                one["source"],
                round(one["age_seconds"], 1),
                one["restored"],
                one["record_length"],
                tuple(str(field["name"] or f"{field['pen']}.{field['id']}") for field in one["fields"]),
            )
        )
    return Table(
        name="templates",
        key="TemplateList",
        title="Templates",
        columns=columns(
            ("ID", "Template"),
            ("Kind", "Kind"),
            ("Version", "Version"),
            ("Domain", "Domain"),
            ("Port", "Port"),
            ("Source", "Source"),
            ("AgeSeconds", "Sent", "seconds", "How long ago"),
            ("Restored", "From before the restart"),
            ("RecordLength", "Bytes"),
            ("Fields", "Fields"),
        ),
        rows=rows,
        total=max(len(rows), device.template_counts.get("in_force", 0)),
        empty="None: this format has none, or the exporter has not sent them yet.",
    )
