"""kproxy end to end, and nfcapd on the same stream: flows a second without loss, CPU per flow, peak memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from bench.sender import EXPORTERS, RECORDS
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json

SECONDS = 5.0
"""How long each rate is offered."""

CAPPED_SECONDS = 30.0
"""The same with the cap in force: a flood's first seconds keep a quarter more than the cap, which is for a minute."""

RATES = (200_000, 600_000, 1_000_000)
"""Flows a second. The target is 600,000 without a loss; above 1,048,576 a message a second and device is too small."""

UNCAPPED = 1_000_000
DEFAULT_CAP = 0
"""As ``max_flow_rate`` of the API: the device has no cap of its own, so that of ``-max`` holds, 4,000 a second."""

BUFFER = 32 << 20
SETTLE_SECONDS = 20.0

QUIET_SECONDS = 1.5
"""Nothing may change for so long at the end: what waits for the tick of its device is not counted yet."""


@attrs.frozen
class Run:
    """One rate offered to one program. ``flows`` were sent, ``lost`` of them were not taken.

    :ivar thinned: flows that the cap left out; others carry their weight.
    """

    offered: float
    flows: int
    lost: int
    thinned: int
    cpu_seconds: float
    peak_memory: int

    @property
    def cpu_us(self) -> float:
        """CPU microseconds for each offered flow."""
        return self.cpu_seconds / self.flows * 1e6


def offer(port: int, rate: float, seconds: float) -> int:
    """Send the stream; the number of datagrams."""
    command = [sys.executable, "-m", "bench.sender", str(port), str(rate), str(seconds)]
    return int(subprocess.run(command, check=True, capture_output=True, timeout=seconds * 6).stdout)


@contextmanager
def sink(directory: Path, max_flow_rate: int) -> Iterator[int]:
    """The backend's stand-in; its port."""
    port = free_port()
    with Daemon(
        ["python", "-m", "bench.sink", str(port), str(max_flow_rate)],
        log=directory / "sink.log",
        environment={"PYTHONPATH": str(Path(__file__).parents[1])},
    ):
        yield port


def run_kproxy(rate: float, max_flow_rate: int, seconds: float = SECONDS) -> Run:
    """Offer one rate to a fresh kproxy."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with sink(directory, max_flow_rate) as sink_port:
            port = free_port_pair()
            command = [
                "kproxy",
                "-host=127.0.0.1",
                f"-port={port}",
                f"-state_dir={directory / 'state'}",
                f"-api=http://127.0.0.1:{sink_port}/api/internal",
                f"-rcvbuf_size={BUFFER}",
            ]
            credentials = {"KENTIK_API_EMAIL": "bench@example.com", "KENTIK_API_TOKEN": "bench"}
            with Daemon(command, log=directory / "kproxy.log", environment=credentials) as proxy:
                proxy.wait_until_ready(port + 1)
                before = proxy.cpu_seconds()
                flows = offer(port, rate, seconds) * RECORDS
                ledger = settled(port + 1)
                fates = ledger["RecordsForwarded"] + ledger["RecordsSampledOut"]
                thinned = ledger["RecordsSampledOut"]
                return Run(rate, flows, flows - fates, thinned, proxy.cpu_seconds() - before, proxy.peak_memory())


def settled(port: int) -> dict[str, int]:
    """The ledger when nothing is in flight any more."""
    until = time.monotonic() + SETTLE_SECONDS
    previous: dict[str, int] = {}
    while time.monotonic() < until:
        totals: dict[str, int] = get_json(port, "/admin/status")["Totals"]
        if not totals["RecordsInFlight"] and totals == previous:
            return totals
        previous = totals
        time.sleep(QUIET_SECONDS)
    return previous


def run_nfcapd(rate: float, seconds: float = SECONDS) -> Run:
    """Offer one rate to a fresh nfcapd; what it lost is what its socket dropped."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        port = free_port_pair()
        nfcapd = shutil.which("nfcapd")
        assert nfcapd
        command = [nfcapd, "-p", str(port), "-b", "127.0.0.1", "-B", str(BUFFER), "-l", name, "-t", "3600"]
        with Daemon(command, log=directory / "nfcapd.log") as peer:
            time.sleep(0.5)
            before = peer.cpu_seconds()
            flows = offer(port, rate, seconds) * RECORDS
            time.sleep(1.0)
            lost = socket_drops(port) * RECORDS
            return Run(rate, flows, lost, 0, peer.cpu_seconds() - before, peer.peak_memory())


def socket_drops(port: int) -> int:
    """Datagrams that the kernel dropped at a UDP socket (the last column of /proc/net/udp)."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}"):
            return int(fields[-1])
    raise RuntimeError(f"nobody listens on udp port {port}")


def row(name: str, run: Run) -> str:
    """One line of the table."""
    return (
        f"{name:<34}{run.offered:>12,.0f}{run.flows:>12,}{run.lost:>10,}{run.thinned:>12,}"
        f"{run.cpu_us:>12.3f}{run.peak_memory / (1 << 20):>10.0f}"
    )


def report() -> Iterator[str]:
    """The lines of the table, as they are measured."""
    yield f"v9, {RECORDS} records a datagram, {EXPORTERS} exporters, loopback, {SECONDS:.0f} s a rate"
    yield f"{'':<34}{'offered/s':>12}{'flows':>12}{'lost':>10}{'thinned':>12}{'CPU us/flow':>12}{'MiB peak':>10}"
    for rate in RATES:
        run = run_kproxy(rate, UNCAPPED)
        yield row("kproxy, no cap", run)
        if shutil.which("nfcapd"):
            yield row("nfcapd", run_nfcapd(rate))
        if run.lost:
            break
    for rate in RATES[1:]:
        yield row(f"kproxy, cap 4,000/s, {CAPPED_SECONDS:.0f} s", run_kproxy(rate, DEFAULT_CAP, CAPPED_SECONDS))
        if shutil.which("nfcapd"):
            yield row(f"nfcapd, {CAPPED_SECONDS:.0f} s", run_nfcapd(rate, CAPPED_SECONDS))
