"""The first page of kproxy: verdict, pipeline, devices, unregistered sources, checks, listeners, connections."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import attrs

from kproxy_tw.ledger import SAMPLE_SECONDS, Ledger
from kproxy_tw.status import (
    Check,
    DaemonStatus,
    DeviceStatus,
    StreamListenerStatus,
    TeeStatus,
    UnregisteredStatus,
)
from kproxy_tw.web.devicestate import TONES, problems, state_of
from kproxy_tw.web.health import failing
from kproxy_tw.web.judgement import counted
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.sparkline import rates_of
from kproxy_tw.web.strip import drawn, drawn_upright, pipeline_table, stages
from kproxy_tw.web.tables.choice import Choice, view
from kproxy_tw.web.tables.table import Cell, Facts, Row, Table, Tone, columns, facts
from kproxy_tw.web.text import percent
from kproxy_tw.web.verdict import verdict

_BAR = 1000
"""Width of the bar of fates, in its own units."""

DEVICE_COLUMNS = columns(
    ("DeviceName", "Device"),
    ("DeviceID", ""),
    ("State", "State", "state", "bad: something needs attention; its page says what"),
    ("Problems", ""),
    ("FlowTypes", "Format", "text", "Below it its templates, and those that data waits for"),
    ("Templates", "", "count"),
    ("TemplatesMissing", "", "count"),
    ("Traffic", "15 minutes", "spark", "Datagrams per second over the last 15 minutes, the newest at the right"),
    ("In1", "In1", "count", "Datagrams received in the last minute"),
    ("Out1", "Out1", "count", "Messages sent in the last minute"),
    ("In15", "In15", "count", "Datagrams received in the last 15 minutes"),
    ("Out15", "Out15", "count", "Messages sent in the last 15 minutes"),
    ("LastSeen", "Last seen", "ago", "When the last datagram came"),
    ("Sources", "Sources", "text", "Addresses that it has sent from"),
    ("SampleRate", "Rate", "rate", "Sampling rate of the last flows, the cap's share included, and who told it"),
    ("RateOrigin", ""),
    ("CapUse", "Cap use", "share", "Flows let through in the last minute, of those that the cap allows"),
    ("MaxFPS", ""),
    (
        "SampledOut",
        "Sampled out",
        "share",
        "Of the records of the last 15 minutes; the others carry their weight. "
        "Below it what that adds to the error of a minute's bytes, one standard error",
    ),
    ("ExpectedError", "", "share"),
    ("SequenceLoss", "Lost before", "share", "Lost on the way here in the last 15 minutes, by the sequence numbers"),
    ("Dropped15", "Dropped", "share", "Of the records of the last 15 minutes"),
    ("SNMP", "SNMP", "ago", "When it was last polled by SNMP"),
    ("Records", "", "count"),
    ("ChannelHighwater", "Channel highwater", "text", "The most that ever waited, by queue"),
)

UNREGISTERED_COLUMNS = columns(
    ("Source", "Source"),
    ("Port", "Port"),
    ("FlowType", "Format"),
    ("Datagrams", "Datagrams", "count"),
    ("FirstSeen", "First seen", "time"),
    ("LastSeen", "Last seen", "ago"),
    ("Paste", "For the form of a new device", "text", "Paste it where the portal asks for the addresses of a device"),
)


def content(snapshot: Snapshot, choice: Choice) -> PageContent:
    """Everything that the page shows."""
    daemon = snapshot.daemon
    judged = verdict(snapshot)
    fails = any(check.name == "delivery" for check in failing(snapshot.checks))
    found = stages(daemon.totals, daemon.lately, daemon.lately_seconds, delivery_fails=fails)
    return PageContent(
        template="kproxy.html",
        view=view(devices_table(snapshot.devices, daemon.now), choice),
        tables=(
            pipeline_table(found),
            unregistered_table(snapshot.unregistered, daemon.now),
            checks_table(snapshot.checks),
            listeners_table(daemon),
            streams_table(daemon.streams, daemon.now),
            *([tee_table(daemon.tee)] if daemon.tee else []),
        ),
        facts=(ledger_facts(daemon),),
        document={
            "Verdict": judged.as_json(),
            "Totals": daemon.totals.as_json(),
            "NumConnected": len(snapshot.devices),
            "NumUnregistered": len(snapshot.unregistered),
        },
        values={
            "daemon": daemon,
            "verdict": judged,
            "strip": drawn(found),
            "upright": drawn_upright(found),
            "forwarded": rates_of(daemon.forwarded, SAMPLE_SECONDS),
            "fates": fates(daemon.totals),
            "dropped": drop_reasons(daemon.totals),
        },
    )


@attrs.frozen(kw_only=True)
class Fate:
    """One part of the records received: ``x`` and ``width`` are its place on a bar of 1000.

    :ivar counter: its name in the ledger's JSON.
    """

    key: str
    counter: str
    name: str
    records: int
    x: float
    width: float


def fates(ledger: Ledger) -> tuple[Fate, ...]:
    """What became of the records received, as parts that add up to all of them."""
    parts = (
        ("forwarded", "RecordsForwarded", "Forwarded", ledger.records_forwarded),
        ("sampled", "RecordsSampledOut", "Sampled out", ledger.records_sampled_out),
        ("dropped", "RecordsDropped", "Dropped", ledger.records_dropped.total()),
        ("flight", "RecordsInFlight", "In flight", ledger.records_in_flight),
    )
    result, at = [], 0.0
    for key, counter, name, records in parts:
        width = _BAR * records / ledger.records_received if ledger.records_received else 0.0
        result.append(Fate(key=key, counter=counter, name=name, records=records, x=round(at, 2), width=round(width, 2)))
        at += width
    return tuple(result)


def drop_reasons(ledger: Ledger) -> list[tuple[str, int]]:
    """Reasons for dropped records that have occurred, the most frequent first."""
    return [(reason, count) for reason, count in ledger.records_dropped.most_common() if count]


def ledger_facts(daemon: DaemonStatus) -> Facts:
    """Counts since the start that are not records' fates."""
    totals, spool = daemon.totals, daemon.spool
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in totals.datagrams_dropped.items() if count)
    waiting = spool.get("Messages", 0)
    items = facts(
        (totals.datagrams_received, "DatagramsReceived", "Datagrams received", "count"),
        (
            Cell(totals.datagrams_dropped.total(), under=dropped),
            "DatagramsDropped",
            "Datagrams dropped",
            "count",
        ),
        (
            Cell(totals.sequence_gaps, under=f"{share_text(totals.sequence_gaps, totals.sequence_seen)} of all"),
            "SequenceGaps",
            "Lost on the way here",
            "count",
        ),
        (totals.kernel_drops, "KernelDrops", "Lost in the kernel", "count"),
        (totals.messages_sent, "MessagesSent", "Messages sent", "count"),
        (totals.messages_retried, "MessagesRetried", "Messages retried", "count"),
        (totals.bytes_sent, "BytesSent", "Bytes sent", "bytes"),
        (Cell(spool.get("Bytes", 0), under=f"{waiting:,} messages"), "BytesWaiting", "Waiting to be sent", "bytes"),
    )
    return Facts(name="since-start", key="SinceStart", title="Since the start", items=tuple(items), now=daemon.now)


def share_text(lost: int, seen: int) -> str:
    """What was lost of all that was sent, in percent."""
    sent = lost + seen
    return f"{100 * lost / sent:.2g} %" if sent else "no sequence numbers yet: none"


def devices_table(devices: Sequence[DeviceStatus], now: float) -> Table:
    """One row for each device that has sent something since the start."""
    return Table(
        name="devices",
        key="Devices",
        title="Connected devices",
        columns=DEVICE_COLUMNS,
        rows=[_device_row(device, now) for device in devices],
        now=now,
        empty="No registered device has sent flow since the start. Point an exporter at an address under Listeners; "
        "if it is not registered yet, it will appear under Unregistered.",
    )


def _device_row(device: DeviceStatus, now: float) -> Row:
    found = problems(device, now)
    state = state_of(device, found, now)
    recent, cap = device.recent, device.cap
    sent = recent.gaps + recent.sequence_seen
    templates, missing = (device.template_counts.get(name, 0) for name in ("in_force", "waiting"))
    return (
        Cell(device.device_name, href=f"/devices/{device.device_id}", under=f"#{device.device_id}"),
        device.device_id,
        Cell(state, tone=TONES[state], hint="; ".join(problem.said(now) for problem in found)),
        tuple(problem.said(now) for problem in found),
        Cell(device.flow_types, under=_templates(templates, missing)),
        templates,
        missing,
        rates_of(recent.readings, SAMPLE_SECONDS),
        device.in1,
        device.out1,
        device.in15,
        device.out15,
        device.last_seen or None,
        device.sources,
        Cell(device.sample_rate, under=_origin(device)),
        device.rate_origin,
        Cell(cap_use(device, now), under=cap_text(device)),
        device.max_fps,
        _sampled_out(device),
        None if cap.kept == cap.seen else cap.octets_error,
        _lost(recent.gaps, sent),
        _lost(recent.dropped, recent.records),
        device.snmp.latest.started if device.snmp.latest else None,
        device.ledger.records_received,
        tuple(f"{name} {length}" for name, length in device.channel_highwater.items()),
    )


def _templates(known: int, missing: int) -> str:
    words = [counted(known, "template")] if known else []
    return ", ".join([*words, f"{missing} missing"] if missing else words)


def _origin(device: DeviceStatus) -> str:
    return "unknown" if device.rate_origin == "unknown" else f"from {device.rate_origin}"


def cap_use(device: DeviceStatus, now: float) -> float | None:
    """Flows let through per second, of those that the cap allows; ``None`` without a cap."""
    most = min(device.max_fps, device.cap.plan_fps)
    seconds = min(device.cap.seconds, max(1.0, now - device.first_seen))
    return device.cap.kept / seconds / most if math.isfinite(most) and most else None


def cap_text(device: DeviceStatus) -> str:
    """The cap in force, and whose it is."""
    if device.cap.plan_fps < device.max_fps:
        return f"plan: {device.cap.plan_fps:.0f}/s"
    return "no cap" if math.isinf(device.max_fps) else f"of {device.max_fps:.0f}/s"


def _sampled_out(device: DeviceStatus) -> Cell | None:
    recent, cap = device.recent, device.cap
    share = recent.sampled_out / recent.records if recent.records else None
    if share is None or cap.kept == cap.seen:
        return Cell(share)
    told = f"1 of {cap.seen_per_kept:.4g} let through in the last minute"
    return Cell(share, under=f"± {percent(cap.octets_error, 1)}", hint=told)


def _lost(part: int, whole: int) -> Cell | None:
    return Cell(part / whole, tone="bad" if part else "") if whole else None


def unregistered_table(sources: Sequence[UnregisteredStatus], now: float) -> Table:
    """Addresses that belong to no device."""
    return Table(
        name="unregistered",
        key="Unregistered",
        title="Unregistered devices",
        columns=UNREGISTERED_COLUMNS,
        rows=[
            (
                source.source,
                source.port,
                source.flow_type,
                source.datagrams,
                source.first_seen,
                source.last_seen,
                form_text(source.source),
            )
            for source in sources
        ],
        now=now,
        empty="None in the last 30 minutes.",
        note="These addresses sent flow in the last 30 minutes and belong to no device, so nothing of it is forwarded. "
        "Register a device with the address among its sending addresses; it is taken over within minutes.",
    )


def form_text(address: str) -> str:
    """What to paste into the form of a new device, or into kcollect's file of devices."""
    name = re.sub("[^0-9a-z]+", "_", address.lower()).strip("_")
    return f"device_name: router_{name}, device_type: router, sending_ips: {address}"


_CHECK_TONES: dict[str, Tone] = {"ok": "on", "initializing": "wait"}


def checks_table(checks: Sequence[Check]) -> Table:
    """The checks behind ``/hc``."""
    return Table(
        name="checks",
        key="Checks",
        title="Checks",
        columns=columns(("Name", "Check"), ("Status", "Status", "state"), ("Detail", "Detail")),
        rows=[
            (check.name, Cell(check.status, tone=_CHECK_TONES.get(check.status, "bad")), check.detail)
            for check in checks
        ],
    )


def listeners_table(daemon: DaemonStatus) -> Table:
    """The UDP sockets."""
    return Table(
        name="listeners",
        key="Listeners",
        title="Listeners",
        columns=columns(
            ("Address", "UDP address"),
            ("ReceiveBuffer", "Receive buffer", "bytes"),
            ("KernelDrops", "Lost in it", "count", "Datagrams, since the start"),
        ),
        rows=[
            (one.address, one.receive_buffer, Cell(one.kernel_drops, tone="bad" if one.kernel_drops else ""))
            for one in daemon.listeners
        ],
        empty="None is open.",
    )


def streams_table(streams: StreamListenerStatus, now: float) -> Table:
    """IPFIX over TCP and TLS."""
    ended = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in streams.ended_for.items() if count)
    note = f"Taken on {', '.join(streams.addresses)}; {streams.accepted} accepted so far."
    return Table(
        name="streams",
        key="Streams",
        title="IPFIX connections",
        columns=columns(
            ("Address", "Exporter"),
            ("Name", "Connection"),
            ("Messages", "Messages", "count"),
            ("Bytes", "Bytes", "bytes"),
            ("Seconds", "Open for", "seconds"),
            ("SilentSeconds", "Silent for", "seconds"),
        ),
        rows=[
            (one.address, one.name, one.messages, one.bytes, round(one.seconds, 1), round(one.silent_seconds, 1))
            for one in streams.streams
        ],
        now=now,
        note=f"{note} Ended: {ended}." if ended else note,
        empty="None is open.",
    )


def tee_table(tee: Sequence[TeeStatus]) -> Table:
    """Who else gets the datagrams."""
    return Table(
        name="tee",
        key="Tee",
        title="Copies for other collectors",
        columns=columns(
            ("Target", "Target"),
            ("Source", "Source address"),
            ("Sent", "Sent", "count", "Datagrams, since the start"),
            ("Lost", "Lost", "count", "Datagrams that the kernel did not take"),
        ),
        rows=[
            (one.target, one.source, one.sent, Cell(one.lost, under=one.problem, tone="bad" if one.problem else ""))
            for one in tee
        ],
    )
