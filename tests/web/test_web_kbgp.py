"""kbgp's status port over a real socket: the documented JSON key by key, probes, metrics, the page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.threads import deferToThread

import attrs
import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.bgp.counts import BgpCounts
from kproxy_tw.bgp.denylist import DeniedStatus
from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.bgp.overview import control_check
from kproxy_tw.bgp.status import EndedStatus, KbgpSettings, KbgpStatus, SessionStatus
from kproxy_tw.status import Check, SettingStatus
from kproxy_tw.testing.rawhttp import body, exchange, headers, request, status
from kproxy_tw.web.kbgp.service import StatusPort, StatusPortConfig

NOW_NS = 1_690_304_485_409_183_151
"""2023-07-25T17:01:25.409183151Z."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")

#: Keys and types of the public documentation, in its order; ``TIME`` is RFC 3339 with nanoseconds and ``Z``.
STATUS: dict[str, Any] = {
    "InstanceID": str,
    "ControlStream": {"Connected": bool, "Since": TIME, "DurationMs": int, "MessagesRx": int},
    "Heartbeats": {"LastTx": TIME, "MsSinceLastTx": int, "LastTxRTTMs": int, "LastRx": TIME, "MsSinceLastRx": int},
    "ActiveSessions": int,
    "Config": {
        "Listeners": [str],
        "MD5Enabled": bool,
        "MD5Interface": str,
        "ProxyTarget": str,
        "APIEmail": str,
        "SiteID": int,
    },
}
SESSIONS: dict[str, Any] = {
    "NumSessions": int,
    "Sessions": [{"Peer": str, "Time": TIME, "DurationMs": int, "Connected": bool}],
}
SESSION: dict[str, Any] = {
    "Peer": str,
    "ConnectedSince": TIME,
    "ConnectedDurationMs": int,
    "SessionID": str,
    "ServerMetadata": {"content-type": [str], "counter-down": [str], "x-request-id": [str]},
}
HC: dict[str, Any] = {"timestamp": TIME, "status": str}
OWN = {"DenyList": [{"Peer": str, "Reason": str, "TTLSeconds": int}]}


def fits(value: Any, shape: Any) -> bool:
    """Whether a JSON value has exactly the keys of ``shape``, in its order, and values of its types."""
    if isinstance(shape, dict):
        return (
            isinstance(value, dict)
            and list(value) == list(shape)
            and all(fits(value[key], shape[key]) for key in shape)
        )
    if isinstance(shape, list):
        return isinstance(value, list) and len(value) > 0 and all(fits(item, shape[0]) for item in value)
    if shape is TIME:
        return isinstance(value, str) and TIME.fullmatch(value) is not None
    return type(value) is shape


def session(**changes: Any) -> SessionStatus:
    """One session."""
    values: dict[str, Any] = {
        "peer": "10.250.15.2:42875",
        "device_ip": "10.250.15.2",
        "session_id": "abc9a042-61b1-4114-8f65-6b4db10d9121",
        "device": "edge router",
        "since_ns": NOW_NS - 16_831_000_000,
        "seconds": 16.8315,
        "connected": True,
        "md5": True,
        "backend_pin": "42b0e9c9",
        "resumes": 2,
        "bytes_up": 123_456,
        "bytes_down": 789,
        "messages_up": {"Open": 1, "Update": 17},
        "messages_down": {"Open": 1},
        "autonomous_system": 4_200_000_001,
        "router_id": "10.9.8.7",
        "hold_time": 90,
        "server_metadata": {"content-type": ("application/grpc",), "counter-down": ("0",), "x-request-id": ("4792",)},
    }
    return SessionStatus(**{**values, **changes})


DENIED = DeniedStatus(device_ip="192.0.2.66", reason="INVALID / UNKNOWN device", ttl_seconds=754, refused=3)


def sample(**changes: Any) -> KbgpStatus:
    """One moment."""
    values: dict[str, Any] = {
        "instance_id": "9ef12a66-47ff-45b5-b56b-23a76941c655",
        "version": "1.2.3",
        "start_ns": NOW_NS - 10**12,
        "now_ns": NOW_NS,
        "control": ControlStatus(
            connected=True,
            since=1_690_229_559.506,
            messages_received=1311,
            last_sent=1_690_304_439.507,
            last_round_trip_ms=35,
            last_received=1_690_304_439.542,
        ),
        "settings": KbgpSettings(
            listeners=("0.0.0.0:179", "[::]:179"),
            md5_enabled=True,
            md5_interface="any",
            target="grpc.api.example.com:443",
            email="ops@example.com",
            site_id=0,
            all=(SettingStatus(name="token", value="***", origin="environment"),),
        ),
        "sessions": (session(),),
        "history": (EndedStatus(session=session(), ended_ns=NOW_NS, cause="stall", reason="the router slept"),),
        "denied": (
            DeniedStatus(device_ip="192.0.2.66", reason="INVALID / UNKNOWN device", ttl_seconds=754, refused=3),
        ),
        "counts": BgpCounts(connections=9, sessions_opened=4),
        "pending": 1,
        "stalled": 0,
        "checks": (Check(name="control stream", status="ok", detail="connected"),),
    }
    return KbgpStatus(**{**values, **changes})


@attrs.define
class Source:
    """Says always the same."""

    moment: KbgpStatus

    def hold(self) -> Callable[[], KbgpStatus]:
        """The moment."""
        return lambda: self.moment

    def session(self, device_ip: str) -> SessionStatus | None:
        """One of its sessions."""
        return next((one for one in self.moment.sessions if one.device_ip == device_ip), None)

    def checks(self) -> tuple[Check, ...]:
        """Its checks."""
        return self.moment.checks


@pytest.fixture
def serve() -> Iterator[Any]:
    """Start the port with a moment; gives a function that fetches a path."""
    from twisted.internet import reactor

    ports: list[StatusPort] = []

    def start(moment: KbgpStatus) -> Any:
        port = StatusPort(
            reactor=reactor, config=StatusPortConfig(port=0), status=Source(moment), wall_ns=lambda: NOW_NS
        )
        port.startService()
        ports.append(port)

        def fetch(path: str) -> Any:
            return deferToThread(exchange, port.port, request(path).format(port=port.port).encode())

        return fetch

    yield start
    for port in ports:
        port.stopService()


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/admin/status", {**STATUS, **OWN}),
        ("/admin/sessions", SESSIONS),
        ("/admin/sessions/10.250.15.2", SESSION),
        ("/hc", HC),
    ],
)
@pytest.mark.parametrize("query", ["", "?pretty"])
@ensureDeferred
async def test_documented_keys_and_types(serve: Any, path: str, shape: Any, query: str) -> None:
    """Exactly the documented keys with the documented types; one line, or indented with ?pretty."""
    answer = await serve(sample())(path + query)
    assert (status(answer), headers(answer)["content-type"]) == (200, "application/json")
    document = json.loads(body(answer))
    assert fits(document, shape), document
    assert (body(answer).count(b"\n") > 1) == bool(query)


@ensureDeferred
async def test_documented_values(serve: Any) -> None:
    """Times, durations and figures are those of the moment."""
    fetch = serve(sample())
    told = json.loads(body(await fetch("/admin/status")))
    assert told["ControlStream"]["Since"].startswith("2023-07-24T20:12:39.506")
    assert told["ControlStream"]["DurationMs"] == 74_925_903
    assert told["Heartbeats"]["MsSinceLastTx"] == 45_902
    assert (told["ActiveSessions"], told["Config"]["Listeners"]) == (1, ["0.0.0.0:179", "[::]:179"])
    assert told["DenyList"] == [{"Peer": "192.0.2.66", "Reason": "INVALID / UNKNOWN device", "TTLSeconds": 754}]
    (listed,) = json.loads(body(await fetch("/admin/sessions")))["Sessions"]
    assert listed == {
        "Peer": "10.250.15.2:42875",
        "Time": "2023-07-25T17:01:08.578183151Z",
        "DurationMs": 16_831,
        "Connected": True,
    }
    assert json.loads(body(await fetch("/hc"))) == {"timestamp": "2023-07-25T17:01:25.409183151Z", "status": "ok"}


@ensureDeferred
async def test_what_has_not_happened_is_the_year_one(serve: Any) -> None:
    """Before the first connection the types stay what they are."""
    told = json.loads(body(await serve(sample(control=ControlStatus()))("/admin/status")))
    assert told["ControlStream"] == {
        "Connected": False,
        "Since": "0001-01-01T00:00:00Z",
        "DurationMs": 0,
        "MessagesRx": 0,
    }
    assert told["Heartbeats"]["LastRx"] == "0001-01-01T00:00:00Z"


@ensureDeferred
async def test_a_session_that_is_not_there(serve: Any) -> None:
    """404 with a JSON error, for nonsense too."""
    fetch = serve(sample())
    for path in ("/admin/sessions/10.9.9.9", "/admin/sessions/router", "/admin/nothing"):
        answer = await fetch(path)
        assert (status(answer), list(json.loads(body(answer)))) == (404, ["error"])


@ensureDeferred
async def test_sessions_of_ipv6_routers(serve: Any) -> None:
    """Any spelling of the address finds them, a zone included."""
    local = session(peer="[fe80::1%eth0]:179", device_ip="fe80::1%eth0")
    fetch = serve(sample(sessions=(session(peer="[2001:db8::1]:179", device_ip="2001:db8::1"), local)))
    for path, peer in (
        ("2001:db8:0:0::1", "[2001:db8::1]:179"),
        ("fe80::1%25eth0", "[fe80::1%eth0]:179"),
    ):
        assert json.loads(body(await fetch(f"/admin/sessions/{path}")))["Peer"] == peer


@ensureDeferred
async def test_server_metadata_shows_no_secret(serve: Any) -> None:
    """What a server should not have echoed is masked."""
    one = session(server_metadata={"x-ch-auth-api-token": ("canary",), "server": ("envoy",)})
    told = json.loads(body(await serve(sample(sessions=(one,)))("/admin/sessions/10.250.15.2")))
    shown = {"content-type": ["application/grpc"], "server": ["envoy"], "x-ch-auth-api-token": ["***"]}
    assert told["ServerMetadata"] == shown


@pytest.mark.parametrize(
    ("word", "hc", "healthz", "readyz"),
    [("ok", 200, 200, 200), ("initializing", 200, 200, 503), ("old_result", 503, 503, 503), ("failing", 503, 503, 503)],
)
@ensureDeferred
async def test_probes(serve: Any, word: str, hc: int, healthz: int, readyz: int) -> None:
    """Load balancers understand the status without reading."""
    fetch = serve(sample(checks=(Check(name="control stream", status=word, detail="because"),)))
    answers = {path: await fetch(path) for path in ("/hc", "/healthz", "/readyz")}
    assert [status(answer) for answer in answers.values()] == [hc, healthz, readyz]
    assert json.loads(body(answers["/hc"]))["status"] == word
    assert body(answers["/readyz"]) == (b"ok\n" if word == "ok" else b"control stream: because\n")


@pytest.mark.parametrize(
    ("control", "uptime", "word"),
    [
        (ControlStatus(), 5.0, "initializing"),
        (ControlStatus(), 31.0, "timeout"),
        (ControlStatus(last_error="refused"), 31.0, "failing"),
        (ControlStatus(connected=True, since=1000.0, last_received=1000.0), 31.0, "ok"),
        (ControlStatus(connected=True, since=1000.0, last_received=1000.0), 1000.0, "old_result"),
        (ControlStatus(messages_received=5, last_error="reset"), 5.0, "failing"),
    ],
)
def test_control_check(control: ControlStatus, uptime: float, word: str) -> None:
    """Each documented status has its moment."""
    assert control_check(control, now=1000.0 + (uptime if uptime > 100 else 0), uptime=uptime).status == word


@ensureDeferred
async def test_metrics(serve: Any) -> None:
    """Counts by reason, direction and session."""
    counts = BgpCounts(connections=9, sessions_opened=4, resumes=2, bytes_up=1000, bytes_down=10)
    counts.refuse("dup")
    counts.messages_up["Update"] = 17
    text = body(await serve(sample(counts=counts))("/metrics")).decode()
    for line in (
        'kbgp_connections_refused_total{reason="dup"} 1.0',
        'kbgp_connections_refused_total{reason="md5"} 0.0',
        'kbgp_bytes_total{direction="up"} 1000.0',
        'kbgp_messages_total{direction="up",type="Update"} 17.0',
        'kbgp_session_bytes_total{direction="up",peer="10.250.15.2:42875"} 123456.0',
        "kbgp_control_stream_connected 1.0",
        "kbgp_stream_resumes_total 2.0",
    ):
        assert line in text.splitlines()


@ensureDeferred
async def test_page(serve: Any) -> None:
    """Everything that the table must tell is on the page."""
    html = body(await serve(sample())("/")).decode()
    for word in (
        "10.250.15.2:42875",
        "AS4200000001",
        "10.9.8.7",
        ">90<",
        "Update 17",
        "42b0e9c9",
        "the router slept",
        "192.0.2.66",
        "12 min 34 s",
        "Round trip, ms",
        ">35<",
        "Relaying 1 BGP session",
    ):
        assert word in html, word
    assert "canary" not in html


@ensureDeferred
async def test_page_when_nothing_is_there(serve: Any) -> None:
    """It says where routers should connect."""
    empty = sample(sessions=(), history=(), denied=(), control=ControlStatus())
    html = body(await serve(empty)("/")).decode()
    assert "No router is connected" in html
    assert "0.0.0.0:179" in html


HOSTILE = ["<script>alert(1)</script>", '"><img src=x>', "\x1b[2J", "\u202egnp.exe"]


@pytest.mark.parametrize("text", HOSTILE)
@ensureDeferred
async def test_hostile_strings(serve: Any, text: str) -> None:
    """Names, pins, reasons and metadata of others act nowhere."""
    one = session(device=text, backend_pin=text, server_metadata={text: (text,)}, capabilities=(text,))
    ended = EndedStatus(session=one, ended_ns=NOW_NS, cause="stall", reason=text)
    control = ControlStatus(last_error=text)
    fetch = serve(sample(sessions=(one,), history=(ended,), control=control))
    for path in ("/", "/metrics", "/admin/sessions/10.250.15.2"):
        answer = await fetch(path)
        assert status(answer) == 200
        assert text not in body(answer).decode()


@ensureDeferred
async def test_a_thousand_sessions_are_quick(serve: Any) -> None:
    """The page is bounded (100 of them, 3 rows of other tables, 4 heads), the JSON complete, both quick."""
    many = sample(sessions=tuple(session(peer=f"10.0.{n // 250}.{n % 250}:179") for n in range(1000)))
    fetch = serve(many)
    began = time.monotonic()
    html, told = body(await fetch("/")), json.loads(body(await fetch("/admin/sessions")))
    assert (told["NumSessions"], len(told["Sessions"]), html.count(b"<tr>")) == (1000, 1000, 107)
    assert time.monotonic() - began < 5
