"""The daemons as processes: drained stop, second instance, twistd's spellings, and the API away at start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from kproxy_tw.testing.exporters import NetFlow9Exporter
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get, get_json
from kproxy_tw.testing.traffic import make_flows
from tests.interop import peers

SOURCE = "127.0.0.21"
CREDENTIALS = {"KENTIK_API_EMAIL": "tests@example.com", "KENTIK_API_TOKEN": "canary-token-4711"}


@contextmanager
def collector(directory: Path) -> Iterator[int]:
    """kcollect that registers every address; its port."""
    port = free_port()
    command = ["kcollect", f"-listen=127.0.0.1:{port}", f"-data={directory / 'data'}", "-auto_register"]
    with Daemon(command, log=directory / "kcollect.log") as daemon:
        daemon.wait_until_ready(port)
        yield port


def kproxy(directory: Path, flow_port: int, api_port: int, command: tuple[str, ...] = ("kproxy",)) -> Daemon:
    """A kproxy in front of the collector, not started yet."""
    flags = [
        "-host",
        "127.0.0.1",
        f"--port={flow_port}",
        f"-api=http://127.0.0.1:{api_port}/api/internal",
        "-state_dir",
        str(directory / "state"),
    ]
    return Daemon([*command, *flags], log=directory / "kproxy.log", environment=CREDENTIALS)


def send_flows(port: int, datagrams: int) -> int:
    """Send NetFlow v9; the number of flows."""
    exporter, flows = NetFlow9Exporter(time.time()), make_flows(25, np.random.default_rng(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((SOURCE, 0))
        for _datagram in range(datagrams):
            sock.sendto(exporter.datagram(flows, time.time()), ("127.0.0.1", port))
    return datagrams * len(flows)


def test_sigterm_drains_and_exits_with_0(tmp_path: Path) -> None:
    """What was received when the signal comes is in the collector when the process has ended, within 10 s."""
    flow_port = free_port_pair()
    with collector(tmp_path) as collector_port, kproxy(tmp_path, flow_port, collector_port) as proxy:
        proxy.wait_until_ready(flow_port + 1)
        sent = send_flows(flow_port, 1)
        peers.settled_ledger(flow_port + 1, sent)
        sent += send_flows(flow_port, 100)
        time.sleep(0.2)
        began = time.monotonic()
        assert proxy.stop() == 0
        assert time.monotonic() - began < 10
        assert peers.stored_totals(collector_port).flows == sent
    assert CREDENTIALS["KENTIK_API_TOKEN"] not in (tmp_path / "kproxy.log").read_text()


def failed_start(directory: Path, *flags: str) -> tuple[int, str]:
    """Exit status and standard error of a kproxy that cannot start; its backend is away."""
    command = [str(Path(sys.executable).parent / "kproxy"), "-api=http://127.0.0.1:9/api/internal", *flags]
    ended = subprocess.run(
        [*command, f"-state_dir={directory / 'state2'}"],
        env=os.environ | CREDENTIALS,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_a_second_instance_says_so_and_exits_with_1(tmp_path: Path) -> None:
    """The port is in use: one line on stderr, exit status 1, and the first instance goes on."""
    flow_port = free_port_pair()
    with collector(tmp_path) as collector_port, kproxy(tmp_path, flow_port, collector_port) as first:
        first.wait_until_ready(flow_port + 1)
        status, said = failed_start(tmp_path, "-host=127.0.0.1", f"-port={flow_port}")
        assert status == 1
        (line,) = said.splitlines()
        assert "cannot listen on" in line
        assert get(flow_port + 1, "/healthz")[0] == 200


def test_another_collector_has_the_port(tmp_path: Path) -> None:
    """The health port is free, and only the flow's is not: it ends as well, although its threads run by then."""
    flow_port = free_port_pair()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", flow_port))
        status, line = failed_start(tmp_path, "-host=127.0.0.1", f"-port={flow_port}")
    place = f"127.0.0.1:{flow_port}"
    assert line == f"kproxy: cannot listen on {place}: Address already in use; is another instance running?\n"
    assert status == 1


def test_a_host_that_is_no_address(tmp_path: Path) -> None:
    """Bad configuration, with a line that names the flag."""
    said = "kproxy: -host: 'router' is no IP address; give one of this machine, or all: -host=0.0.0.0\n"
    assert failed_start(tmp_path, f"-port={free_port_pair()}", "-host=127.0.0.1,router") == (78, said)


@pytest.mark.parametrize("command", [("twistd", "-n", "kproxy"), ("twistd", "kproxy", "-n")])
def test_twistd_runs_it_in_the_foreground(command: tuple[str, ...], tmp_path: Path) -> None:
    """Both spellings forward flow and end with 0 after SIGTERM."""
    flow_port = free_port_pair()
    with collector(tmp_path) as port, kproxy(tmp_path, flow_port, port, command) as proxy:
        proxy.wait_until_ready(flow_port + 1)
        sent = send_flows(flow_port, 2)
        assert peers.settled_ledger(flow_port + 1, sent)["RecordsForwarded"] == sent
        assert proxy.stop() == 0


def test_twistd_runs_it_in_the_background(tmp_path: Path) -> None:
    """Without -n the command returns, a pid file is there, and the daemon ends on SIGTERM and takes the file along."""
    flow_port = free_port_pair()
    pid_file = tmp_path / "twistd.pid"
    with collector(tmp_path) as port, kproxy(tmp_path, flow_port, port, ("twistd", "kproxy")) as starter:
        assert starter.process.wait(20) == 0
        pid = int(pid_file.read_text())
        try:
            starter.wait_until_ready(flow_port + 1)
            sent = send_flows(flow_port, 2)
            assert peers.settled_ledger(flow_port + 1, sent)["RecordsForwarded"] == sent
        finally:
            os.kill(pid, signal.SIGTERM)
        peers.wait_until(lambda: not pid_file.exists())


def test_the_last_good_device_list_serves_while_the_api_is_away(tmp_path: Path) -> None:
    """After a restart without API, flow of a device that was known before is taken, and delivered when it is back."""
    flow_port = free_port_pair()
    saved = tmp_path / "state" / "devices.json"
    with collector(tmp_path) as port:
        with kproxy(tmp_path, flow_port, port) as proxy:
            proxy.wait_until_ready(flow_port + 1)
            peers.settled_ledger(flow_port + 1, send_flows(flow_port, 1))
        with kproxy(tmp_path, flow_port, port):  # this start fetches, and saves, the list with the device
            peers.wait_until(lambda: SOURCE in saved.read_text())
    with kproxy(tmp_path, flow_port, port) as proxy:
        proxy.wait_until_ready(flow_port + 1, "/admin/status")
        sent = send_flows(flow_port, 2)
        peers.wait_until(lambda: get_json(flow_port + 1, "/admin/status")["Totals"]["RecordsReceived"] == sent)
        assert get_json(flow_port + 1, "/admin/devices")["NumConnected"] == 1
