"""200 polled devices beside full flow load: how late polls are, what is lost, and whether memory stays.

Flows come at the rate that the ``flows`` table is to take without a loss, and devices have kproxy's default cap; the
same without polling shows what of a loss is the machine's. When polls begin is told by the agents, not by kproxy.

It takes long, so it runs only when it is named: ``python -m bench polling``. ``BENCH_MINUTES`` says how long (30 if not
told), ``BENCH_FLOWS`` how many flows a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from prometheus_client.parser import text_string_to_metric_families

from bench.end_to_end import BUFFER, DEFAULT_CAP, settled
from bench.polling_figures import LATE_SECONDS, Punctuality, Sample, costs, memory, punctuality
from bench.sender import RECORDS
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get, get_json

DEVICES, INTERFACES = 200, 48
FIRST_ID = 1000
FLOWS_A_SECOND = int(os.environ.get("BENCH_FLOWS", "600000"))
MINUTES = float(os.environ.get("BENCH_MINUTES", "30"))
MINUTES_WITHOUT = 5.0
"""The run without polling is no longer than this."""

INTERVAL = 60.0
"""Between two polls of a device; five times as much polling as usual, so that some minutes see enough of them."""

SAMPLE_SECONDS = 5.0

ROOT = Path(__file__).parents[1]


@attrs.frozen
class Seen:
    """What came of a run.

    :ivar outcomes: polls that kproxy tells, by how they went.
    """

    flows: int
    lost: int
    samples: list[Sample]
    outcomes: Mapping[str, int]

    def loss(self) -> str:
        """In words."""
        return f"{self.flows:,} flows, {self.lost:,} lost ({self.lost / self.flows:.4%})"


def report() -> Iterator[str]:
    """The lines, as they are measured."""
    yield (
        f"{DEVICES} simulated devices with {INTERFACES} interfaces, polled each {INTERVAL:.0f} s, beside "
        f"{FLOWS_A_SECOND:,} flows/s for {MINUTES:g} minutes"
    )
    without, _nobody = run(60 * min(MINUTES, MINUTES_WITHOUT), polled=0)
    yield f"without polling: {without.loss()}"
    yield f"  of a core: {costs(without.samples)}"
    seen, polls = run(60 * MINUTES, polled=DEVICES)
    yield f"with polling:    {seen.loss()}"
    yield f"  of a core: {costs(seen.samples)}"
    places = DEVICES * (60 * MINUTES / INTERVAL - 1)
    yield (
        f"polls: {polls.polls:,} of some {places:,.0f}; {polls.missed} missed, {polls.again} asked again; by kproxy "
        + (", ".join(f"{outcome}: {count:,}" for outcome, count in seen.outcomes.items()))
    )
    yield f"the latest {polls.latest:.2f} s late, {polls.over} later than {LATE_SECONDS:g} s"
    yield from memory(seen.samples, ("kproxy", "polling"))


def run(seconds: float, polled: int) -> tuple[Seen, Punctuality]:
    """Offer flows for so long to a fresh kproxy that polls so many devices."""
    with (
        tempfile.TemporaryDirectory() as name,
        _agents(polled) as agents,
        _kproxy(Path(name), agents.ports) as (processes, port),
    ):
        before = _taken(port)
        sender = subprocess.Popen(
            [sys.executable, "-m", "bench.sender", str(port), str(FLOWS_A_SECOND), str(seconds)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        samples = _watch(sender, port, {**processes, "agents": agents.pid, "sender": sender.pid})
        flows = int(sender.communicate()[0]) * RECORDS
        settled(port + 1)
        seen = Seen(flows, flows - (_taken(port) - before), samples, _sums(port, "kproxy_snmp_polls", "outcome"))
    return seen, punctuality(agents.begun, INTERVAL)


def _taken(port: int) -> int:
    """Flows that kproxy has taken so far, without the metric records, which are its own; those may be under way."""
    while True:
        made = _sums(port, "kproxy_snmp_metric_records").total()
        totals = get_json(port + 1, "/admin/status")["Totals"]
        # Polls go on: only what was read between two of them fits together.
        if made == _sums(port, "kproxy_snmp_metric_records").total():
            fates = ("RecordsForwarded", "RecordsSampledOut", "RecordsInFlight")
            return sum(int(totals[fate]) for fate in fates) - made


def _sums(port: int, metric: str, label: str = "device") -> Counter[str]:
    """A metric by the values of one of its labels, summed up over the others."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(get(port + 1, "/metrics")[1].decode()):
        if family.name == metric:
            for sample in family.samples:
                found[sample.labels[label]] += int(sample.value)
    return found


def _watch(sender: subprocess.Popen[bytes], port: int, pids: dict[str, int]) -> list[Sample]:
    """Memory and costs at many moments, until the sender ends."""
    found: list[Sample] = []
    began = time.monotonic()
    while True:
        try:
            sender.wait(SAMPLE_SECONDS)
        except subprocess.TimeoutExpired:
            pids["polling"] = get_json(port + 1, "/admin/status").get("Polling", {}).get("PID", 0)
            running = {name: pid for name, pid in pids.items() if pid}
            resident = {name: _resident(pid) for name, pid in running.items()}
            found.append(Sample(time.monotonic() - began, resident, {name: _cpu(pid) for name, pid in running.items()}))
        else:
            return found


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _cpu(pid: int) -> float:
    """Seconds of processor time, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Agents:
    """The process with the agents.

    :ivar begun: by agent, when polls began; there when it has ended.
    """

    def __init__(self, count: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.snmp_agents", str(count), str(INTERFACES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.ports: list[int] = json.loads(self._process.stdout.readline())
        self.begun: list[list[float]] = []

    def end(self) -> None:
        """Hear what they saw."""
        said, _errors = self._process.communicate()
        self.begun = json.loads(said)


@contextmanager
def _agents(count: int) -> Iterator[_Agents]:
    agents = _Agents(count)
    try:
        yield agents
    finally:
        agents.end()


@contextmanager
def _kproxy(folder: Path, ports: list[int]) -> Iterator[tuple[dict[str, int], int]]:
    """A kproxy that polls these, beside the backend's stand-in; the processes, and its flow port."""
    sink_port, port = free_port(), free_port_pair()
    file = folder / "snmp.json"
    file.write_text(json.dumps({"devices": _settings(ports)}), encoding="ascii")
    file.chmod(0o600)
    flags = [f"-snmp_file={file}", "-snmp_allow=127.0.0.0/8", "-bootstrap_devices=all"] if ports else []
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
    sink_command = ["python", "-m", "bench.sink", str(sink_port), str(DEFAULT_CAP), str(len(ports))]
    credentials = {"KENTIK_API_EMAIL": "bench@example.com", "KENTIK_API_TOKEN": "bench"}
    with (
        Daemon(sink_command, log=folder / "sink.log", environment={"PYTHONPATH": str(ROOT)}) as sink,
        Daemon(command, log=folder / "kproxy.log", environment=credentials) as proxy,
    ):
        proxy.wait_until_ready(port + 1)
        yield {"kproxy": proxy.process.pid, "sink": sink.process.pid}, port


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
