"""kproxy as systemd runs it: sockets passed on, readiness, signs of life; and a restart that loses nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kproxy_tw.testing.exporters import NetFlow9Exporter
from kproxy_tw.testing.processes import free_port, get, get_json
from kproxy_tw.testing.traffic import make_flows
from tests.interop.test_interop_process import CREDENTIALS, collector

FIRST = 3
PASS_ON = """
import os, sys
passed = [int(number) for number in sys.argv[1].split(",")]
high = [os.dup2(number, 100 + place) for place, number in enumerate(passed)]
for place, number in enumerate(high):
    os.dup2(number, 3 + place)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(passed))
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextmanager
def activated(directory: Path, sockets: list[socket.socket], api: int, **environment: str) -> Iterator[None]:
    """A kproxy that gets ``sockets`` at its start, stopped in the end."""
    numbers = [sock.fileno() for sock in sockets]
    flags = [f"-api=http://127.0.0.1:{api}/api/internal", f"-state_dir={directory / 'state'}", "-port=1"]
    command = [sys.executable, "-c", PASS_ON, ",".join(map(str, numbers)), str(Path(sys.executable).parent / "kproxy")]
    given: Mapping[str, str] = os.environ | CREDENTIALS | environment
    with (directory / "kproxy.log").open("ab") as log:
        process = subprocess.Popen([*command, *flags], pass_fds=numbers, env=given, stdout=log, stderr=log)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, (directory / "kproxy.log").read_text()
    finally:
        process.kill()
        process.wait()


def told(systemd: socket.socket) -> str:
    """The next message to systemd."""
    return systemd.recv(4096).decode()


def received(port: int, wanted: int) -> int:
    """Datagrams that kproxy has read, when they are so many or some seconds are over."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        totals = get_json(port, "/admin/status")["Totals"]
        if totals["DatagramsReceived"] >= wanted:
            break
        time.sleep(0.2)
    return int(totals["DatagramsReceived"])


def test_sockets_outlive_the_process_and_keep_what_comes(tmp_path: Path) -> None:
    """50 datagrams before the start, 50 between two runs: each is read; systemd sees ready, alive and stopping."""
    exporter, flows = NetFlow9Exporter(time.time()), make_flows(5, np.random.default_rng(1))
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(tmp_path / "notify"))
    systemd.settimeout(20)
    flow, health = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
    flow.bind(("127.0.0.1", 0))
    health.bind(("127.0.0.1", free_port()))
    health.listen()
    port = health.getsockname()[1]
    watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000", "LISTEN_FDNAMES": "flow:health"}
    with collector(tmp_path) as api, systemd, flow, health, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        router.bind(("127.0.0.21", 0))
        for _run in range(2):
            for _datagram in range(50):
                router.sendto(exporter.datagram(flows, time.time()), flow.getsockname())
            with activated(tmp_path, [flow, health], api, **watched):
                assert told(systemd).startswith("READY=1\n")
                began = time.monotonic()
                assert [told(systemd) for _life in range(5)] == ["WATCHDOG=1"] * 5
                assert 0.6 < time.monotonic() - began < 3
                assert received(port, 50) == 50
                assert get(port, "/")[0] == 200
            last = ""
            while not last.startswith("STOPPING=1"):
                last = told(systemd)
