"""The spool with real daemons: what is sent while the backend is away arrives, once."""

from __future__ import annotations

import time
from pathlib import Path

from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json
from tests.interop import peers
from tests.interop.test_interop_process import CREDENTIALS, kproxy, send_flows

WAIT_SECONDS = 60


def kcollect(directory: Path, port: int) -> Daemon:
    """A collector that keeps its data from run to run; not started yet."""
    command = ["kcollect", f"-listen=127.0.0.1:{port}", f"-data={directory / 'data'}", "-auto_register"]
    return Daemon(command, log=directory / "kcollect.log")


def until(condition: object, what: str) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.1)
    raise AssertionError(f"after {WAIT_SECONDS} s: {what}")


def spooled(port: int) -> dict[str, int]:
    """What ``/admin/status`` tells of the spool."""
    shown: dict[str, int] = get_json(port, "/admin/status")["Spool"]
    return shown


def test_flows_survive_an_outage_a_restart_and_a_kill(tmp_path: Path) -> None:
    """Kept over SIGTERM and SIGKILL, delivered when the collector is back: none lost, none twice."""
    flow_port, collector_port = free_port_pair(), free_port()
    with kcollect(tmp_path, collector_port) as collector, kproxy(tmp_path, flow_port, collector_port) as proxy:
        collector.wait_until_ready(collector_port)
        proxy.wait_until_ready(flow_port + 1)
        sent = send_flows(flow_port, 20)
        peers.settled_ledger(flow_port + 1, sent)
        assert spooled(flow_port + 1)["Messages"] == 0
        collector.process.kill()
        collector.process.wait()
        sent += send_flows(flow_port, 20)
        until(lambda: spooled(flow_port + 1)["Messages"] >= 1, "nothing is on disk")
        totals = get_json(flow_port + 1, "/admin/status")["Totals"]
        assert totals["RecordsInFlight"] == sent // 2
        assert proxy.stop() == 0
    with kproxy(tmp_path, flow_port, collector_port) as proxy:
        until(lambda: "wait on disk from before" in proxy.log.read_text(), "the spool was not opened")
        time.sleep(1)
        proxy.process.kill()
        proxy.process.wait()
    with kproxy(tmp_path, flow_port, collector_port) as proxy, kcollect(tmp_path, collector_port) as collector:
        collector.wait_until_ready(collector_port)
        proxy.wait_until_ready(flow_port + 1)
        until(lambda: peers.stored_totals(collector_port).flows >= sent, "not all flows arrived")
        until(lambda: spooled(flow_port + 1)["Messages"] == 0, "the disk still has something")
        assert peers.stored_totals(collector_port).flows == sent
        totals = get_json(flow_port + 1, "/admin/status")["Totals"]
        assert (totals["RecordsForwarded"], totals["RecordsInFlight"]) == (sent // 2, 0)
        assert CREDENTIALS["KENTIK_API_TOKEN"].encode() not in b"".join(
            path.read_bytes() for path in (tmp_path / "state" / "spool").iterdir()
        )
