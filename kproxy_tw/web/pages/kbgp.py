"""kbgp's pages: verdict, counts, sessions, ended ones, deny list, control stream, TCP MD5, settings."""

from __future__ import annotations

from collections.abc import Mapping

from kproxy_tw.bgp.status import EndedStatus, KbgpStatus, SessionStatus
from kproxy_tw.web.kbgp import documents
from kproxy_tw.web.kbgp.verdict import verdict
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.pages.configuration import settings_table
from kproxy_tw.web.tables.choice import Choice, view
from kproxy_tw.web.tables.table import Cell, Facts, Row, Table, Tone, columns, facts

SESSION_COLUMNS = columns(
    ("Peer", "Router", "text", "Address and port; below it the device that it is"),
    ("Device", ""),
    ("State", "Stream", "state", "Whether its stream to the backend is up"),
    ("Since", "Since", "time"),
    ("Seconds", "For", "seconds"),
    ("AS", "AS", "text", "Of the router, by its OPEN message; below it the one that it talks to"),
    ("RouterID", "Router id"),
    ("HoldTime", "Hold time, s", "text", "Proposed by the router"),
    ("MessagesUp", "Messages up", "text", "From the router, by type"),
    ("MessagesDown", "Messages down", "text", "From the backend, by type"),
    ("BytesUp", "Bytes up", "bytes", "To the backend"),
    ("BytesDown", "Bytes down", "bytes", "To the router"),
    ("MD5", "MD5"),
    ("BackendPin", "Backend pin", "text", "Where the backend wants this session"),
    ("Resumes", "Resumes", "count", "How often the stream broke and was resumed"),
    ("StalledSeconds", ""),
)


def content(kbgp: KbgpStatus, choice: Choice) -> PageContent:
    """Everything that the first page shows."""
    now, judged = kbgp.now_ns / 1e9, verdict(kbgp)
    tables = [ended_table(kbgp, now), denied_table(kbgp), checks_table(kbgp)]
    tables += [attempts_table(kbgp)] if kbgp.signatures is not None else []
    tables += [exports_table(kbgp)] if kbgp.exports else []
    return PageContent(
        template="kbgp.html",
        view=view(sessions_table(kbgp, now), choice),
        tables=tables,
        facts=(_counts(kbgp), _control(kbgp, now), *_signatures(kbgp)),
        document={"Verdict": judged.as_json(), "Status": documents.status(kbgp)},
        values={"kbgp": kbgp, "now": now, "verdict": judged},
    )


def settings_content(kbgp: KbgpStatus) -> PageContent:
    """The page of the configuration."""
    return PageContent(
        template="kbgp_config.html",
        tables=(settings_table(kbgp.settings.all),),
        values={"kbgp": kbgp, "now": kbgp.now_ns / 1e9},
        live=False,
    )


def sessions_table(kbgp: KbgpStatus, now: float) -> Table:
    """The open sessions."""
    return Table(
        name="sessions",
        key="Sessions",
        title="Sessions",
        columns=SESSION_COLUMNS,
        rows=[_session(session) for session in kbgp.sessions],
        now=now,
        empty="No router is connected. Set a router's BGP neighbor to an address of this machine: "
        f"{', '.join(kbgp.settings.listeners)}.",
    )


def _session(session: SessionStatus) -> Row:
    tone: Tone = "on" if session.connected else "bad"
    stalled = f"stalled for {session.stalled_seconds:.0f} s" if session.stalled_seconds >= 1 else ""
    system = session.backend_system
    return (
        Cell(session.peer, under=session.device),
        session.device,
        Cell("connected" if session.connected else "interrupted", tone=tone, under=stalled),
        session.since_ns / 1e9,
        round(session.seconds, 1),
        Cell(_system(session.autonomous_system), under="" if system is None else f"with AS{system}"),
        Cell(session.router_id, hint=", ".join(session.capabilities)),
        session.hold_time,
        _messages(session.messages_up),
        _messages(session.messages_down),
        session.bytes_up,
        session.bytes_down,
        session.md5,
        session.backend_pin,
        session.resumes,
        round(session.stalled_seconds, 1),
    )


def _system(number: int | None) -> str | None:
    return None if number is None else f"AS{number}"


def _messages(counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{name} {count}" for name, count in counts.items())


def ended_table(kbgp: KbgpStatus, now: float) -> Table:
    """The sessions that ended last, and why."""
    return Table(
        name="ended",
        key="Ended",
        title="Sessions that ended last",
        columns=columns(
            ("Peer", "Router"),
            ("Ended", "Ended", "time"),
            ("Seconds", "Lasted", "seconds"),
            ("AS", "AS"),
            ("BytesUp", "Bytes up", "bytes"),
            ("BytesDown", "Bytes down", "bytes"),
            ("Resumes", "Resumes", "count"),
            ("Cause", "Cause"),
            ("Reason", "Reason"),
        ),
        rows=[_ended(entry) for entry in kbgp.history],
        now=now,
        empty="None yet.",
    )


def _ended(entry: EndedStatus) -> Row:
    session = entry.session
    return (
        Cell(session.peer, under=session.device),
        entry.ended_ns / 1e9,
        round(session.seconds, 1),
        _system(session.autonomous_system),
        session.bytes_up,
        session.bytes_down,
        session.resumes,
        entry.cause,
        entry.reason,
    )


def denied_table(kbgp: KbgpStatus) -> Table:
    """Addresses that the backend does not know."""
    return Table(
        name="denied",
        key="Denied",
        title="Deny list",
        columns=columns(("Peer", "Address"), ("Reason", "Reason"), ("TTLSeconds", "Asked again in", "seconds")),
        rows=[(entry.device_ip, entry.reason, entry.ttl_seconds) for entry in kbgp.denied],
        note="The backend does not know these addresses as BGP devices; it is asked again when the time is over. "
        "Register the address as the BGP address of a device.",
        empty="Empty.",
    )


def checks_table(kbgp: KbgpStatus) -> Table:
    """The checks behind ``/hc``."""
    tones: dict[str, Tone] = {"ok": "on", "initializing": "wait"}
    return Table(
        name="checks",
        key="Checks",
        title="Checks",
        columns=columns(("Name", "Check"), ("Status", "Status", "state"), ("Detail", "Detail")),
        rows=[
            (check.name, Cell(check.status, tone=tones.get(check.status, "bad")), check.detail) for check in kbgp.checks
        ],
    )


def attempts_table(kbgp: KbgpStatus) -> Table:
    """Signed connection attempts, the latest first."""
    peers = kbgp.signatures.peers if kbgp.signatures is not None else ()
    return Table(
        name="attempts",
        key="MD5Attempts",
        title="Signed connection attempts",
        columns=columns(("Address", "Router"), ("Verdict", "Last attempt"), ("Attempts", "Attempts", "count")),
        rows=[(peer.address, peer.verdict.value, peer.attempts) for peer in reversed(peers)],
        empty="None yet.",
    )


def exports_table(kbgp: KbgpStatus) -> Table:
    """What is sent elsewhere."""
    return Table(
        name="exports",
        key="Exports",
        title="Exports",
        columns=columns(
            ("Kind", "What"),
            ("URL", "Where to"),
            ("Sent", "Sent", "count"),
            ("Failed", "Failed", "count"),
            ("Dropped", "Dropped", "count", "Log lines that found no room"),
            ("LastError", "Last error"),
        ),
        rows=[(one.kind, one.url, one.sent, one.failed, one.dropped, one.last_error) for one in kbgp.exports],
    )


def _occurred(counts: Mapping[str, int]) -> str:
    """Reasons that have occurred, the most frequent first."""
    found = sorted(((count, reason) for reason, count in counts.items() if count), reverse=True)
    return ", ".join(f"{reason} {count:,}" for count, reason in found)


def _counts(kbgp: KbgpStatus) -> Facts:
    counts = kbgp.counts
    refused, ended = sum(counts.refused.values()), sum(counts.ended.values())
    items = facts(
        (Cell(counts.connections, under=f"{kbgp.pending} waiting"), "Connections", "Connections", "count"),
        (Cell(refused, under=_occurred(counts.refused)), "Refused", "Refused", "count"),
        (Cell(counts.sessions_opened, under=f"{len(kbgp.sessions)} open"), "SessionsOpened", "Sessions", "count"),
        (Cell(ended, under=_occurred(counts.ended)), "SessionsEnded", "Ended", "count"),
        (counts.bytes_up, "BytesUp", "To the backend", "bytes"),
        (counts.bytes_down, "BytesDown", "To the routers", "bytes"),
        (counts.resumes, "Resumes", "Streams resumed", "count"),
        (Cell(kbgp.stalled, tone="bad" if kbgp.stalled else ""), "Stalled", "Sessions stalled", "count"),
    )
    return Facts(name="counts", key="Counts", title="Since the start", items=tuple(items))


def _control(kbgp: KbgpStatus, now: float) -> Facts:
    control = kbgp.control
    items = facts(
        (
            Cell("connected" if control.connected else "away", tone="on" if control.connected else "bad"),
            "State",
            "State",
            "state",
        ),
        (kbgp.settings.target, "Target", "Backend"),
        (control.since, "Since", "Since", "time"),
        (control.messages_received, "MessagesReceived", "Messages received", "count"),
        (control.last_sent, "LastSent", "Last heartbeat sent", "ago"),
        (control.last_received, "LastReceived", "Last message received", "ago"),
        (control.last_round_trip_ms, "RoundTripMs", "Round trip, ms", "number", "Of the last heartbeat"),
        (control.last_error, "LastError", "Last error"),
    )
    return Facts(name="control", key="ControlStream", title="Control stream", items=tuple(items), now=now)


def _signatures(kbgp: KbgpStatus) -> tuple[Facts, ...]:
    signatures = kbgp.signatures
    if signatures is None:
        return ()
    items = facts(
        (signatures.interface if signatures.capturing else "no", "Watching", "Watching"),
        (len(signatures.networks), "Keys", "Keys in force", "count"),
        (signatures.syns, "Attempts", "Connection attempts seen", "count"),
        (signatures.tcp_ao, "TCPAO", "TCP-AO in this kernel"),
        (Cell(signatures.problem or "", tone="bad" if signatures.problem else ""), "Problem", "Problem"),
    )
    return (Facts(name="md5", key="MD5", title="TCP MD5", items=tuple(items)),)
