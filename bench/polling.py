"""200 polled devices beside full flow load: how late polls are, what is lost, and whether memory stays.

It takes minutes, so it runs only when it is named: ``python -m bench polling``; ``BENCH_MINUTES`` says how many (30 if
not told), ``BENCH_FLOWS`` how many flows a second. When polls begin is told by the agents, not by kproxy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from bench.end_to_end import BUFFER, UNCAPPED, settled
from bench.sender import RECORDS
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json

DEVICES, INTERFACES = 200, 48
FIRST_ID = 1000
FLOWS_A_SECOND = int(os.environ.get("BENCH_FLOWS", "600000"))
"""The rate that kproxy is to take without a loss; less on a machine that has other work."""

INTERVAL = 60.0
"""Between two polls of a device; five times as much polling as usual, so that some minutes see enough of them."""

LATE_SECONDS = 5.0
"""To reach: no poll later than this."""

ROOT = Path(__file__).parents[1]


@attrs.frozen
class Memory:
    """Resident MiB of kproxy and of its polling process at one moment."""

    kproxy: float
    polling: float


@attrs.frozen
class Seen:
    """What came of it."""

    flows: int
    lost: int
    polls: int
    latest: float
    over: int
    cpu_percent: float
    memory: list[Memory]


def minutes() -> float:
    """How long."""
    return float(os.environ.get("BENCH_MINUTES", "30"))


def report() -> Iterator[str]:
    """The lines, as they are measured."""
    seconds = minutes() * 60
    yield (
        f"{DEVICES} simulated devices with {INTERFACES} interfaces, polled each {INTERVAL:.0f} s, beside "
        f"{FLOWS_A_SECOND:,} flows/s for {minutes():g} minutes"
    )
    without = run(min(seconds, 60.0), polled=0)
    yield f"without polling: {without.flows:,} flows, {without.lost:,} lost"
    seen = run(seconds, polled=DEVICES)
    yield f"with polling:    {seen.flows:,} flows, {seen.lost:,} lost"
    yield f"polls: {seen.polls:,}; the latest {seen.latest:.2f} s late, {seen.over} later than {LATE_SECONDS:g} s"
    yield f"the polling process used {seen.cpu_percent:.1f} % of one core"
    for place, memory in enumerate(seen.memory):
        part = (place + 1) * 100 // len(seen.memory)
        yield f"memory at {part:3} %: kproxy {memory.kproxy:.0f} MiB, polling process {memory.polling:.0f} MiB"


def run(seconds: float, polled: int) -> Seen:
    """Offer flows for so long to a fresh kproxy that polls so many devices."""
    with tempfile.TemporaryDirectory() as name, _agents(polled) as agents:
        folder = Path(name)
        with _kproxy(folder, agents.ports) as (proxy, port):
            before = proxy_totals(port)
            sender = subprocess.Popen(
                [sys.executable, "-m", "bench.sender", str(port), str(FLOWS_A_SECOND), str(seconds)],
                stdout=subprocess.PIPE,
                cwd=ROOT,
            )
            memory = _watch(proxy, port, seconds)
            flows = int(sender.communicate()[0]) * RECORDS
            ledger = settled(port + 1)
            taken = ledger["RecordsForwarded"] + ledger["RecordsSampledOut"] - before
            polling = get_json(port + 1, "/admin/status").get("Polling", {})
    polls, latest, over = lateness(agents.begun())
    return Seen(flows, flows - taken, polls, latest, over, polling.get("CPUPercent", 0.0), memory)


def proxy_totals(port: int) -> int:
    """Flows that it has taken so far."""
    totals = get_json(port + 1, "/admin/status")["Totals"]
    return int(totals["RecordsForwarded"] + totals["RecordsSampledOut"])


def lateness(begun: list[list[float]]) -> tuple[int, float, int]:
    """How many polls there were on their grid, how late the latest was, and how many were too late.

    A device's grid is where its earliest poll within an interval lies; its first poll is off the grid.
    """
    late: list[float] = []
    for times in begun:
        places = [moment % INTERVAL for moment in times[1:]]
        if places:
            # The circle is cut opposite to the first of them, so that a grid near its end is not torn.
            cut = (places[0] + INTERVAL / 2) % INTERVAL
            turned = [(place - cut) % INTERVAL for place in places]
            late += [place - min(turned) for place in turned]
    return len(late), max(late, default=0.0), sum(one > LATE_SECONDS for one in late)


def _watch(proxy: Daemon, port: int, seconds: float) -> list[Memory]:
    """Memory at six moments."""
    found = []
    for _moment in range(6):
        time.sleep(seconds / 6)
        polling = get_json(port + 1, "/admin/status").get("Polling", {}).get("PID", 0)
        found.append(Memory(_resident(proxy.process.pid), _resident(polling) if polling else 0.0))
    return found


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class _Agents:
    """The process with the agents."""

    def __init__(self, count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.snmp_agents", str(count), str(INTERFACES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self._process.stdout is not None
        self.ports: list[int] = json.loads(self._process.stdout.readline())
        self._begun: list[list[float]] = []

    def begun(self) -> list[list[float]]:
        """When polls began, of each agent, after the end."""
        return self._begun

    def end(self) -> None:
        """Hear what they saw."""
        said, _errors = self._process.communicate()
        self._begun = json.loads(said)


@contextmanager
def _agents(count: int) -> Iterator[_Agents]:
    agents = _Agents(count)
    try:
        yield agents
    finally:
        agents.end()


@contextmanager
def _kproxy(folder: Path, ports: list[int]) -> Iterator[tuple[Daemon, int]]:
    """A kproxy that polls these, and its flow port."""
    sink_port, port = free_port(), free_port_pair()
    file = folder / "snmp.json"
    file.write_text(json.dumps({"devices": _settings(ports)}), encoding="ascii")
    file.chmod(0o600)
    flags = ["-snmp_file=" + str(file), "-snmp_allow=127.0.0.0/8", "-bootstrap_devices=all"] if ports else []
    command = [
        "kproxy",
        "-host=127.0.0.1",
        f"-port={port}",
        f"-state_dir={folder / 'state'}",
        f"-api=http://127.0.0.1:{sink_port}/api/internal",
        f"-rcvbuf_size={BUFFER}",
        f"-snmp_counter_seconds={INTERVAL:.0f}",
        f"-snmp_description_seconds={6 * INTERVAL:.0f}",
        *flags,
    ]
    sink = ["python", "-m", "bench.sink", str(sink_port), str(UNCAPPED), str(len(ports))]
    credentials = {"KENTIK_API_EMAIL": "bench@example.com", "KENTIK_API_TOKEN": "bench"}
    with (
        Daemon(sink, log=folder / "sink.log", environment={"PYTHONPATH": str(ROOT)}),
        Daemon(command, log=folder / "kproxy.log", environment=credentials) as proxy,
    ):
        proxy.wait_until_ready(port + 1)
        yield proxy, port


def _settings(ports: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "device_id": FIRST_ID + number,
            "snmp_ip": f"127.0.0.1:{port}",
            "snmp_comm": "public",
            "minimize_snmp": False,
        }
        for number, port in enumerate(ports)
    ]
