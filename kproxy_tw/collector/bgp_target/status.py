"""What the gRPC target shows of itself, as frozen values and as JSON objects. Pure."""

from __future__ import annotations

from typing import Any

import attrs

from kproxy_tw.bgp.opening import Opening
from kproxy_tw.collector.bgp_target.control import Control
from kproxy_tw.collector.bgp_target.sessions import Ended, Entry, SessionTable, peer_text
from kproxy_tw.collector.bgp_target.sources import Source, SourceMap
from kproxy_tw.web.text import utc_time


@attrs.frozen(kw_only=True)
class SessionStatus:
    """One session. Times are seconds since 1970.

    :ivar state: ``established``, ``interrupted`` (its stream is gone), ``connecting`` or ``ending``.
    :ivar router_id, autonomous_system, hold_seconds: of the router's OPEN; empty and 0 before it.
    """

    peer: str
    device_id: int
    device_name: str
    session_id: str
    agent: str
    source: str
    state: str
    since: float
    resumes: int
    bytes_up: int
    bytes_down: int
    held: int
    router_id: str
    autonomous_system: int
    hold_seconds: int

    def as_json(self) -> dict[str, Any]:
        """For ``/admin/bgp/sessions``."""
        return {
            "Peer": self.peer,
            "DeviceID": self.device_id,
            "DeviceName": self.device_name,
            "SessionID": self.session_id,
            "Agent": self.agent,
            "Source": self.source,
            "State": self.state,
            "Connected": self.state == "established",
            "Time": utc_time(self.since),
            "Resumes": self.resumes,
            "BytesUp": self.bytes_up,
            "BytesDown": self.bytes_down,
            "BytesHeld": self.held,
            "RouterID": self.router_id,
            "RouterAS": self.autonomous_system,
            "HoldSeconds": self.hold_seconds,
        }


@attrs.frozen(kw_only=True)
class AgentStatus:
    """One agent, by its Control stream."""

    email: str
    instance: str
    version: str
    site_id: int
    since: float
    questions: int
    heartbeats: int
    pushed: int

    def as_json(self) -> dict[str, Any]:
        """For ``/admin/bgp/status``."""
        return {
            "Email": self.email,
            "Instance": self.instance,
            "Version": self.version,
            "SiteID": self.site_id,
            "ConnectedSince": utc_time(self.since),
            "Questions": self.questions,
            "Heartbeats": self.heartbeats,
            "Pushed": self.pushed,
        }


@attrs.frozen(kw_only=True)
class TargetStatus:
    """The whole target.

    :ivar mapping: source addresses of routers, used now or before.
    :ivar floods, rejected: connections closed for a flood of frames, or one too many.
    """

    listen: str
    tls: bool
    daemon: str
    network: str
    peers: int
    connections: int
    floods: int
    rejected: int
    agents: tuple[AgentStatus, ...]
    sessions: tuple[SessionStatus, ...]
    ended: tuple[Ended, ...]
    mapping: tuple[Source, ...]

    def status_json(self) -> dict[str, Any]:
        """For ``/admin/bgp/status``."""
        return {
            "Listen": self.listen,
            "TLS": self.tls,
            "Daemon": self.daemon,
            "Sources": self.network,
            "NumPeers": self.peers,
            "NumConnections": self.connections,
            "ActiveSessions": len(self.sessions),
            "ConnectionsFlooding": self.floods,
            "ConnectionsRejected": self.rejected,
            "Agents": [agent.as_json() for agent in self.agents],
        }

    def sessions_json(self) -> dict[str, Any]:
        """For ``/admin/bgp/sessions``."""
        return {
            "NumSessions": len(self.sessions),
            "Sessions": [session.as_json() for session in self.sessions],
            "Ended": [_ended_json(ended) for ended in self.ended],
        }

    def sources_json(self) -> dict[str, Any]:
        """For ``/admin/bgp/sources``."""
        in_use = {session.source for session in self.sessions}
        return {
            "Network": self.network,
            "NumSources": len(self.mapping),
            "Sources": [
                {
                    "Source": source.address,
                    "DeviceID": source.router.device_id,
                    "Router": source.router.address,
                    "RouterID": source.router.router_id,
                    "InUse": source.address in in_use,
                    "LastUsed": utc_time(source.last_used),
                }
                for source in sorted(self.mapping, key=lambda source: source.router)
            ],
        }


def _ended_json(ended: Ended) -> dict[str, Any]:
    return {
        "Peer": ended.peer,
        "DeviceName": ended.device_name,
        "Source": ended.source,
        "Time": utc_time(ended.since),
        "Ended": utc_time(ended.until),
        "Reason": ended.reason,
    }


def session_statuses(table: SessionTable) -> tuple[SessionStatus, ...]:
    """The sessions as they are."""
    return tuple(_session(entry) for entry in table.all())


def _session(entry: Entry) -> SessionStatus:
    session = entry.session
    router: Opening | None = session.to_daemon.introduction.opening
    return SessionStatus(
        peer=peer_text(session),
        device_id=session.peer.device_id,
        device_name=session.peer.name,
        session_id=session.opening.connection.session_id,
        agent=session.opening.caller.instance,
        source=entry.source,
        state=session.state,
        since=entry.since,
        resumes=session.resumes,
        bytes_up=session.to_daemon.total,
        bytes_down=session.downward.total,
        held=session.held,
        router_id=router.router_id if router else "",
        autonomous_system=router.autonomous_system if router else 0,
        hold_seconds=session.hold_seconds if router else 0,
    )


def agent_status(control: Control) -> AgentStatus:
    """An agent as it is."""
    return AgentStatus(
        email=control.caller.email,
        instance=control.caller.instance,
        version=control.caller.version,
        site_id=control.caller.site_id,
        since=control.since,
        questions=control.questions,
        heartbeats=control.heartbeats,
        pushed=control.pushed,
    )


def mapping(sources: SourceMap) -> tuple[Source, ...]:
    """The source addresses as they are."""
    return sources.all()
