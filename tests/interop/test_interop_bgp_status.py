"""The status port of a kbgp at work, beside the examples of kbgp's public documentation: key by key, type by type."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from kproxy_tw.testing.processes import Daemon, free_port, get, get_json
from tests.collector.bgp_target.target import (
    EMAIL,
    KEEPALIVE,
    SECONDS,
    TOKEN,
    BgpDaemon,
    bgp_open,
    device,
    read_exactly,
    running_target,
)

ROUTER = "127.0.0.1"

DOCUMENTED: dict[str, dict[str, Any]] = {
    "/hc": {"timestamp": "2023-07-25T17:01:25.409183151Z", "status": "ok"},
    "/admin/status": {
        "InstanceID": "9ef12a66-47ff-45b5-b56b-23a76941c655",
        "ControlStream": {
            "Connected": True,
            "Since": "2023-07-24T16:37:51.158790049Z",
            "DurationMs": 74925903,
            "MessagesRx": 1311,
        },
        "Heartbeats": {
            "LastTx": "2023-07-25T13:25:51.159072268Z",
            "MsSinceLastTx": 45902,
            "LastTxRTTMs": 0,
            "LastRx": "2023-07-25T13:25:51.194488212Z",
            "MsSinceLastRx": 45867,
        },
        "ActiveSessions": 1,
        "Config": {
            "Listeners": ["0.0.0.0:179", "[::]:179"],
            "MD5Enabled": True,
            "MD5Interface": "any",
            "ProxyTarget": "grpc.api.our1.kentik.com:443",
            "APIEmail": "ops@example.com",
            "SiteID": 0,
        },
    },
    "/admin/sessions": {
        "NumSessions": 1,
        "Sessions": [
            {
                "Peer": "10.250.15.2:42875",
                "Time": "2023-07-25T14:00:22.696499347Z",
                "DurationMs": 16831,
                "Connected": True,
            }
        ],
    },
    f"/admin/sessions/{ROUTER}": {
        "Peer": "10.250.15.2:44507",
        "ConnectedSince": "2023-07-25T16:48:01.132557342Z",
        "ConnectedDurationMs": 21881,
        "SessionID": "abc9a042-61b1-4114-8f65-6b4db10d9121",
        "ServerMetadata": {"content-type": ["application/grpc"], "counter-down": ["0"], "counter-up": ["0"]},
    },
}
OWN: dict[str, list[Any]] = {"DenyList": []}
"""Of ``/admin/status``, beside the documented keys."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def form(value: Any) -> Any:
    """What two documents have in common: keys in their order, and types; a time is a type of its own."""
    if isinstance(value, dict):
        return [(key, form(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [list, *{repr(form(inner)) for inner in value}]
    return "time" if isinstance(value, str) and TIME.fullmatch(value) else type(value)


@pytest.fixture(scope="module")
def status_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A router has a session through kbgp and kcollect with a BGP daemon."""
    daemon, folder = BgpDaemon(), tmp_path_factory.mktemp("status")
    listen, metrics = free_port(), free_port()
    with running_target(folder, daemon.port, [device(1, ROUTER)]) as target:
        command = ["kbgp", f"--listen={ROUTER}:{listen}", f"--target=127.0.0.1:{target.grpc_port}", "--insecure"]
        command += [f"--metrics-port={metrics}", "--metrics-export-url=", "--disable-log-export"]
        credentials = {"KENTIK_API_EMAIL": EMAIL, "KENTIK_API_TOKEN": TOKEN}
        with Daemon(command, log=folder / "kbgp.log", environment=credentials) as kbgp:
            kbgp.wait_until_ready(metrics)
            with socket.create_connection((ROUTER, listen), SECONDS) as router, _established(router, daemon):
                yield metrics


def _established(router: socket.socket, daemon: BgpDaemon) -> socket.socket:
    router.sendall(bgp_open())
    connection, _source = daemon.accept()
    connection.sendall(bgp_open("10.0.0.9") + KEEPALIVE)
    size = len(bgp_open() + KEEPALIVE)
    assert len(read_exactly(router, size)) == size
    return connection


@pytest.mark.parametrize("query", ["", "?pretty"])
@pytest.mark.parametrize("path", DOCUMENTED)
def test_documented_keys_and_types(status_port: int, path: str, query: str) -> None:
    """Neither a key nor a type differs; what the backend says of itself may be more than in the example."""
    found = get_json(status_port, path + query)
    documented = DOCUMENTED[path]
    if path == "/admin/status":
        documented = {**documented, **OWN}
        documented["Config"] = {**documented["Config"], "Listeners": documented["Config"]["Listeners"][:1]}
    if "ServerMetadata" in found:
        assert found["ServerMetadata"].items() >= documented["ServerMetadata"].items()
        assert all(type(text) is str for values in found["ServerMetadata"].values() for text in values)
        documented = {**documented, "ServerMetadata": found["ServerMetadata"]}
    assert form(found) == form(documented)


def test_pretty_is_for_people(status_port: int) -> None:
    """The same document on one line, or on many."""
    plain, pretty = (get(status_port, "/admin/sessions" + query)[1] for query in ("", "?pretty"))
    assert plain.count(b"\n") <= 1 < pretty.count(b"\n")
    assert form(json.loads(plain)) == form(json.loads(pretty))


def test_a_session_that_is_not_there(status_port: int) -> None:
    """404, with a reason in JSON."""
    status, body = get(status_port, "/admin/sessions/192.0.2.1")
    assert (status, list(json.loads(body))) == (404, ["error"])
