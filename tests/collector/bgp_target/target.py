"""A real kcollect, a BGP daemon played by a socket, and an agent in plain synchronous grpcio."""

from __future__ import annotations

import json
import queue
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import grpc

from kproxy_tw.bgp.proto.ktbgp_pb2 import ControlRequest, ControlResponse, DataRequest, DataResponse
from kproxy_tw.testing.processes import Daemon, free_port, get_json

SERVICE = "/kentik.ktbgp.v202203beta2.ProxyService/"
EMAIL, TOKEN = "agent@example.com", "s3cret-token"
SECONDS = 20.0
MARKER = b"\xff" * 16
KEEPALIVE = MARKER + b"\x00\x13\x04"


def bgp_open(router_id: str = "10.0.0.7", *, system: int = 65001, hold: int = 90) -> bytes:
    """An OPEN without capabilities (RFC 4271 section 4.2)."""
    body = bytes([4]) + system.to_bytes(2, "big") + hold.to_bytes(2, "big") + socket.inet_aton(router_id) + b"\x00"
    return MARKER + (19 + len(body)).to_bytes(2, "big") + b"\x01" + body


def device(number: int, address: str, **fields: object) -> dict[str, object]:
    """A device that peers from ``address``."""
    family = "device_bgp_neighbor_ip6" if ":" in address else "device_bgp_neighbor_ip"
    return {
        "id": number,
        "company_id": 1,
        "device_name": f"edge{number}",
        "sending_ips": [],
        "device_bgp_type": "device",
        family: address,
        **fields,
    }


class BgpDaemon:
    """Listens as the BGP daemon would."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(SECONDS)
        self.port = int(self.listening.getsockname()[1])

    def accept(self) -> tuple[socket.socket, str]:
        """The next connection, and where it comes from."""
        connection, peer = self.listening.accept()
        connection.settimeout(SECONDS)
        return connection, str(peer[0])


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer at the end."""
    found = b""
    while len(found) < size and (data := connection.recv(min(65536, size - len(found)))):
        found += data
    return found


class Call:
    """One stream of an agent."""

    def __init__(self, method: Any, metadata: Sequence[tuple[str, str]]) -> None:
        self._requests: queue.Queue[Any] = queue.Queue()
        self.call = method(iter(self._requests.get, None), metadata=metadata, timeout=60)

    def send(self, message: Any) -> None:
        """Send a message."""
        self._requests.put(message)

    def data(self, data: bytes) -> None:
        """Send bytes of the router."""
        self.send(DataRequest(data=[data]))

    def half_close(self) -> None:
        """End what this side sends."""
        self._requests.put(None)

    def next(self) -> Any:
        """The next message of the target."""
        return next(self.call)

    def read(self, size: int) -> bytes:
        """So many bytes from the target."""
        found = b""
        while len(found) < size:
            found += b"".join(self.next().data)
        return found

    def rest(self) -> list[Any]:
        """All messages up to the end, which must come."""
        return list(self.call)

    @property
    def headers(self) -> dict[str, str]:
        """The initial metadata."""
        return dict(self.call.initial_metadata())

    def status(self) -> str:
        """How the stream has ended."""
        return str(self.call.code().name)


@attrs.define
class Agent:
    """An agent in plain grpcio."""

    port: int
    instance: str = attrs.Factory(lambda: str(uuid.uuid4()))
    email: str = EMAIL
    token: str = TOKEN
    token_key: str = "x-ch-auth-api-token"
    site: int = 0
    credentials: Any = None
    _channel: Any = None

    def channel(self) -> Any:
        """Its connection."""
        if self._channel is None:
            target = f"127.0.0.1:{self.port}"
            window = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 256 << 10))
            options = (("grpc.use_local_subchannel_pool", 1), *window)
            self._channel = (
                grpc.insecure_channel(target, options)
                if self.credentials is None
                else grpc.secure_channel(target, self.credentials, options)
            )
        return self._channel

    def close(self) -> None:
        """Close its connection, as if the process had ended."""
        self.channel().close()
        self._channel = None

    def about(self) -> list[tuple[str, str]]:
        """What it says of itself."""
        site = [("sid", str(self.site))] if self.site else []
        own = [("x-ch-auth-email", self.email), (self.token_key, self.token), ("version", "1"), *site]
        return [*own, ("instance", self.instance)]

    def control(self) -> Call:
        """Open a Control stream."""
        method = self.channel().stream_stream(
            SERVICE + "Control", ControlRequest.SerializeToString, ControlResponse.FromString
        )
        return Call(method, self.about())

    def stream(self, address: str, *, session: str = "", port: int = 40001, up: int = 0, down: int = 0) -> Call:
        """Open a Data stream."""
        method = self.channel().stream_stream(SERVICE + "Data", DataRequest.SerializeToString, DataResponse.FromString)
        described = {
            "proto": "BGP",
            "device-ip": address,
            "device-port": str(port),
            "proxy-ip": "192.0.2.200",
            "proxy-port": "179",
            "session-id": session or str(uuid.uuid4()),
            "counter-up": str(up),
            "counter-down": str(down),
        }
        return Call(method, [*self.about(), *described.items()])


@attrs.define
class Target:
    """A running kcollect."""

    port: int
    grpc_port: int
    devices: Path
    log: Path
    process: Daemon

    def write_devices(self, devices: Sequence[Mapping[str, object]]) -> None:
        """Replace the device list, and wait until it counts."""
        before = self.log.read_text().count("has changed")
        other = self.devices.with_suffix(".new")
        other.write_text(json.dumps({"devices": devices}))
        other.rename(self.devices)
        until = time.monotonic() + SECONDS
        while self.log.read_text().count("has changed") == before:
            assert time.monotonic() < until, "the change is not seen"
            time.sleep(0.05)

    def json(self, name: str) -> Any:
        """One of the documents of ``/admin/bgp/``."""
        return get_json(self.port, f"/admin/bgp/{name}")

    def wait_for(self, what: str, *, seconds: float = SECONDS) -> None:
        """Wait until the log says something."""
        until = time.monotonic() + seconds
        while what not in self.log.read_text():
            assert time.monotonic() < until, f"{what!r} is not in\n{self.log.read_text()}"
            time.sleep(0.05)

    def wait_for_state(self, state: str) -> None:
        """Wait until the only session is in that state."""
        until = time.monotonic() + SECONDS
        while [session["State"] for session in self.json("sessions")["Sessions"]] != [state]:
            assert time.monotonic() < until, self.json("sessions")
            time.sleep(0.05)

    def wait_for_sessions(self, count: int) -> list[dict[str, Any]]:
        """Wait until there are so many sessions."""
        until = time.monotonic() + SECONDS
        while len(sessions := self.json("sessions")["Sessions"]) != count:
            assert time.monotonic() < until, sessions
            time.sleep(0.05)
        return list(sessions)


@contextmanager
def running_target(
    folder: Path, daemon_port: int, devices: Sequence[Mapping[str, object]], *flags: str
) -> Iterator[Target]:
    """Run kcollect with a gRPC target."""
    port, grpc_port = free_port(), free_port()
    log, listed = folder / "kcollect.log", folder / "devices.json"
    listed.write_text(json.dumps({"devices": devices}))
    command = [
        "kcollect",
        f"-listen=127.0.0.1:{port}",
        f"-grpc_listen=127.0.0.1:{grpc_port}",
        f"-bgp_daemon=127.0.0.1:{daemon_port}",
        f"-devices={listed}",
        f"-data={folder / 'data'}",
        f"-email={EMAIL}",
        f"-token={TOKEN}",
        *flags,
    ]
    with Daemon(command, log=log) as process:
        scheme_is_plain = not any("tls" in flag for flag in flags)
        if scheme_is_plain:
            process.wait_until_ready(port)
        yield Target(port, grpc_port, listed, log, process)
