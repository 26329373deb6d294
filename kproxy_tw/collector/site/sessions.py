"""The BGP sessions that kbgp relays, as tables. Pure."""

from __future__ import annotations

from kproxy_tw.collector.bgp_target.status import SessionStatus, TargetStatus
from kproxy_tw.web.tables.table import Cell, Table, Tone, columns

TONES: dict[str, Tone] = {"established": "on", "connecting": "wait", "interrupted": "warn", "ending": "off"}


def sessions_table(bgp: TargetStatus, now: float) -> Table:
    """The sessions as they are."""
    agents = f"{len(bgp.agents)} kbgp agent{'' if len(bgp.agents) == 1 else 's'}"
    floods = f" {bgp.floods} connections were closed because they flooded." if bgp.floods else ""
    return Table(
        name="bgp",
        key="Sessions",
        title="BGP sessions",
        columns=columns(
            ("Peer", "Router"),
            ("DeviceName", "Device"),
            ("Source", "Neighbor of the daemon", "text", "As what the BGP daemon sees the router"),
            ("State", "State", "state"),
            ("RouterAS", "AS"),
            ("RouterID", "BGP identifier"),
            ("BytesUp", "Bytes up", "bytes", "From the router to the daemon"),
            ("BytesDown", "Bytes down", "bytes", "From the daemon to the router"),
            ("Resumes", "Resumed", "count", "How often its stream broke and it went on"),
            ("Time", "Since", "time"),
        ),
        rows=[_session(session) for session in bgp.sessions],
        now=now,
        note=f"{agents} at {bgp.listen}{' (TLS)' if bgp.tls else ''}, BGP daemon at {bgp.daemon}; it sees each "
        f"router as a neighbor of its own in {bgp.network}.{floods}",
        empty="No router has a session. Start kbgp with --target set to this address, and list routers in the "
        "-devices file.",
    )


def _session(session: SessionStatus) -> tuple[object, ...]:
    return (
        session.peer,
        Cell(session.device_name, under=f"#{session.device_id}"),
        session.source or None,
        Cell(session.state, tone=TONES.get(session.state, "")),
        str(session.autonomous_system) if session.autonomous_system else None,
        session.router_id or None,
        session.bytes_up,
        session.bytes_down,
        session.resumes,
        session.since,
    )


def ended_table(bgp: TargetStatus) -> Table:
    """The sessions that ended last."""
    return Table(
        name="bgp-ended",
        key="EndedSessions",
        title="BGP sessions that ended last",
        columns=columns(("Ended", "Ended", "time"), ("Peer", "Router"), ("DeviceName", "Device"), ("Reason", "Reason")),
        rows=[(ended.until, ended.peer, ended.device_name, ended.reason) for ended in bgp.ended],
    )
