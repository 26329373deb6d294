"""The ways from the benchmark's routers to its BGP daemon: direct, socat, HAProxy, and kbgp with kcollect."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import attrs

from kproxy_tw.testing.processes import Daemon, free_port

START_SECONDS = 30.0


@attrs.frozen
class Way:
    """Where routers connect. :ivar processes: what is between them and the daemon, by name, as process ids."""

    port: int
    processes: Mapping[str, int]


@contextmanager
def direct(daemon_port: int, _directory: Path) -> Iterator[Way]:
    """No relay at all."""
    yield Way(daemon_port, {})


@contextmanager
def socat_relay(daemon_port: int, _directory: Path) -> Iterator[Way]:
    """One process for each session."""
    port = free_port()
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=1024"
    with _program("socat", "-b65536", listen, f"TCP:127.0.0.1:{daemon_port},nodelay") as process:
        yield Way(port, {"socat": process.pid})


@contextmanager
def haproxy(daemon_port: int, directory: Path) -> Iterator[Way]:
    """One thread for all sessions."""
    port = free_port()
    configuration = directory / "haproxy.cfg"
    configuration.write_text(
        "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n"
        f"  timeout server 1h\nlisten relay\n  bind 127.0.0.1:{port}\n  server daemon 127.0.0.1:{daemon_port}\n"
    )
    with _program("haproxy", "-db", "-f", str(configuration)) as process:
        yield Way(port, {"haproxy": process.pid})


@contextmanager
def kbgp(daemon_port: int, directory: Path) -> Iterator[Way]:
    """kbgp, and kcollect as its backend."""
    port, metrics, grpc, http = (free_port() for _ in range(4))
    devices = directory / "devices.json"
    device = {
        "id": 1,
        "company_id": 1,
        "device_name": "routers",
        "sending_ips": ["127.77.0.1"],
        "device_bgp_type": "device",
        "device_bgp_neighbor_ip": "127.77.0.0/16",
    }
    devices.write_text(json.dumps({"devices": [device]}))
    collector = [
        "kcollect",
        f"-listen=127.0.0.1:{http}",
        f"-grpc_listen=127.0.0.1:{grpc}",
        f"-bgp_daemon=127.0.0.1:{daemon_port}",
        f"-devices={devices}",
        f"-data={directory / 'data'}",
    ]
    agent = [
        "kbgp",
        f"--listen=127.0.0.1:{port}",
        f"--target=127.0.0.1:{grpc}",
        "--insecure",
        f"--metrics-port={metrics}",
        "--metrics-export-url=",
        "--disable-log-export",
        "--log-level=warn",
    ]
    credentials = {"KENTIK_API_EMAIL": "bench@example.com", "KENTIK_API_TOKEN": "bench"}
    with ExitStack() as stack:
        target = stack.enter_context(Daemon(collector, log=directory / "kcollect.log"))
        _wait_for(grpc)
        proxy = stack.enter_context(Daemon(agent, log=directory / "kbgp.log", environment=credentials))
        proxy.wait_until_ready(metrics)
        yield Way(port, {"kbgp": proxy.process.pid, "kcollect": target.process.pid})


WAYS: Mapping[str, Callable[[int, Path], AbstractContextManager[Way]]] = {
    "direct": direct,
    "socat": socat_relay,
    "haproxy": haproxy,
    "kbgp": kbgp,
}


def there() -> list[str]:
    """Name the ways whose programs are installed."""
    return [name for name in WAYS if name not in ("socat", "haproxy") or _program_path(name)]


@contextmanager
def _program(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    path = _program_path(command[0])
    assert path
    process = subprocess.Popen([path, *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"nobody listens on port {port}")


def _program_path(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")
