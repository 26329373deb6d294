"""The JSON of kbgp's status port: keys and types are those of its public documentation, key by key.

Times are RFC 3339 with nanoseconds and ``Z``; what has not happened yet is the year 1, as in the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.bgp.status import KbgpSettings, KbgpStatus, SessionStatus
from kproxy_tw.redaction import MASK, is_secret
from kproxy_tw.status import Check
from kproxy_tw.web.encoding import Document
from kproxy_tw.web.health import overall
from kproxy_tw.web.text import utc_nanoseconds

CONTENT_TYPE = {"content-type": ("application/grpc",)}
"""Of every gRPC answer; the library checks it, and keeps it to itself."""


def health(checks: Sequence[Check], now_ns: int) -> Document:
    """``/hc``."""
    return {"timestamp": utc_nanoseconds(now_ns), "status": overall(checks)}


def status(kbgp: KbgpStatus) -> Document:
    """``/admin/status``; ``DenyList`` is ours."""
    return {
        "InstanceID": kbgp.instance_id,
        "ControlStream": _control_stream(kbgp.control, kbgp.now_ns),
        "Heartbeats": _heartbeats(kbgp.control, kbgp.now_ns),
        "ActiveSessions": len(kbgp.sessions),
        "Config": _config(kbgp.settings),
        "DenyList": [
            {"Peer": entry.device_ip, "Reason": entry.reason, "TTLSeconds": entry.ttl_seconds} for entry in kbgp.denied
        ],
    }


def sessions(kbgp: KbgpStatus) -> Document:
    """``/admin/sessions``."""
    return {
        "NumSessions": len(kbgp.sessions),
        "Sessions": [
            {
                "Peer": session.peer,
                "Time": utc_nanoseconds(session.since_ns),
                "DurationMs": int(1000 * session.seconds),
                "Connected": session.connected,
            }
            for session in kbgp.sessions
        ],
    }


def session(one: SessionStatus) -> Document:
    """``/admin/sessions/<ip>``."""
    return {
        "Peer": one.peer,
        "ConnectedSince": utc_nanoseconds(one.since_ns),
        "ConnectedDurationMs": int(1000 * one.seconds),
        "SessionID": one.session_id,
        "ServerMetadata": _shown({**CONTENT_TYPE, **one.server_metadata}) if one.server_metadata else {},
    }


def _shown(metadata: Mapping[str, Sequence[str]]) -> Document:
    return {name: [MASK if is_secret(name) else value for value in values] for name, values in sorted(metadata.items())}


def _control_stream(control: ControlStatus, now_ns: int) -> Document:
    since = _nanoseconds(control.since) if control.connected else None
    return {
        "Connected": control.connected,
        "Since": utc_nanoseconds(since),
        "DurationMs": _milliseconds_since(since, now_ns),
        "MessagesRx": control.messages_received,
    }


def _heartbeats(control: ControlStatus, now_ns: int) -> Document:
    sent, received = _nanoseconds(control.last_sent), _nanoseconds(control.last_received)
    return {
        "LastTx": utc_nanoseconds(sent),
        "MsSinceLastTx": _milliseconds_since(sent, now_ns),
        "LastTxRTTMs": control.last_round_trip_ms,
        "LastRx": utc_nanoseconds(received),
        "MsSinceLastRx": _milliseconds_since(received, now_ns),
    }


def _config(settings: KbgpSettings) -> Document:
    return {
        "Listeners": list(settings.listeners),
        "MD5Enabled": settings.md5_enabled,
        "MD5Interface": settings.md5_interface,
        "ProxyTarget": settings.target,
        "APIEmail": settings.email,
        "SiteID": settings.site_id,
    }


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e9)


def _milliseconds_since(then_ns: int | None, now_ns: int) -> int:
    return 0 if then_ns is None else max(0, now_ns - then_ns) // 1_000_000
