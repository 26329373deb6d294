"""Real exporters and real collectors as processes, and our own chain beside them."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json

SETTLE_SECONDS = 20.0
EXPORT_SECONDS = 30.0
QUIET_SECONDS = 2.0
STOP_SECONDS = 10.0


@attrs.frozen
class Totals:
    """What a collector counted."""

    flows: int
    packets: int
    bytes: int


def need(*programs: str) -> None:
    """Skip the test, and say so, when a Debian package is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"NOT TESTED against real peers: {', '.join(missing)} not installed (tests/debian-packages.txt)")


def ours(program: str) -> str:
    """The path of one of our commands."""
    return str(Path(sys.executable).parent / program)


@contextmanager
def receiver() -> Iterator[socket.socket]:
    """A UDP socket that stands where a collector would."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(QUIET_SECONDS)
        yield sock


def drain(sock: socket.socket) -> list[bytes]:
    """All datagrams until nothing comes for a while."""
    datagrams = []
    try:
        while True:
            datagrams.append(sock.recv(65535))
    except TimeoutError:
        return datagrams


def softflowd(pcap: Path, version: int | str, *flags: str) -> list[bytes]:
    """What softflowd exports of the packets in ``pcap``."""
    with receiver() as sock:
        run_softflowd(pcap, sock.getsockname()[1], "-v", str(version), *flags)
        return drain(sock)


def run_softflowd(pcap: Path, port: int, *flags: str) -> None:
    """Let softflowd export the packets in ``pcap`` to a port of this machine."""
    command = ["softflowd", "-r", str(pcap), "-n", f"127.0.0.1:{port}", "-d", *flags]
    subprocess.run(command, check=True, capture_output=True, timeout=EXPORT_SECONDS, cwd=pcap.parent)


@contextmanager
def tunnel(target: str, directory: Path) -> Iterator[int]:
    """socat between one TCP connection to the port that this gives and ``target``, in socat's words."""
    port = free_port()
    command = ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1", target]
    process = subprocess.Popen(command, cwd=directory, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield port
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()


def send(datagrams: Sequence[bytes], port: int, source: str = "127.0.0.1") -> None:
    """Send from one socket, a little spaced out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        for datagram in datagrams:
            sock.sendto(datagram, ("127.0.0.1", port))
            time.sleep(0.001)


@contextmanager
def capturing(program: str, directory: Path) -> Iterator[int]:
    """``nfcapd`` or ``sfcapd`` on the port that this gives; it stores in the folder of its name."""
    store = directory / program
    store.mkdir()
    port = free_port(socket.SOCK_DGRAM)
    command = [shutil.which(program) or program, "-p", str(port), "-b", "127.0.0.1", "-l", str(store), "-t", "3600"]
    with Daemon(command, log=directory / f"{program}.log"):
        time.sleep(1.0)
        yield port
        time.sleep(1.0)


def captured(store: Path) -> Totals:
    """What was stored, as nfdump counts it."""
    printed = subprocess.run(["nfdump", "-R", str(store), "-I"], check=True, capture_output=True, text=True).stdout
    figures = dict(re.findall(r"^(Flows|Packets|Bytes): (\d+)$", printed, re.MULTILINE))
    return Totals(int(figures["Flows"]), int(figures["Packets"]), int(figures["Bytes"]))


def nfdump_totals(program: str, datagrams: Sequence[bytes], directory: Path) -> Totals:
    """What ``nfcapd`` or ``sfcapd`` stores of the datagrams, as nfdump counts it."""
    with capturing(program, directory) as port:
        send(datagrams, port)
    return captured(directory / program)


@contextmanager
def our_chain(directory: Path, *flags: str, flow_port: int = 0) -> Iterator[tuple[int, int]]:
    """kcollect that registers devices by itself, and kproxy in front of it; flow port and collector port.

    :param flags: further ones of kproxy.
    """
    flow_port, collector_port = flow_port or free_port_pair(), free_port()
    collect = ["kcollect", f"-listen=127.0.0.1:{collector_port}", f"-data={directory / 'data'}", "-auto_register"]
    proxy = [
        "kproxy",
        "-host=127.0.0.1",
        f"-port={flow_port}",
        f"-api=http://127.0.0.1:{collector_port}/api/internal",
        f"-state_dir={directory / 'state'}",
        *flags,
    ]
    credentials = {"KENTIK_API_EMAIL": "tests@example.com", "KENTIK_API_TOKEN": "interop"}
    with Daemon(collect, log=directory / "kcollect.log") as collector:
        collector.wait_until_ready(collector_port)
        with Daemon(proxy, log=directory / "kproxy.log", environment=credentials) as kproxy:
            kproxy.wait_until_ready(flow_port + 1)
            yield flow_port, collector_port


def wait_until(condition: Callable[[], bool]) -> None:
    """Until the condition holds. :raises AssertionError: it takes too long."""
    until = time.monotonic() + SETTLE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def settled_ledger(health_port: int, records: int) -> dict[str, int]:
    """kproxy's totals once ``records`` have come in and none is in flight."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        totals: dict[str, int] = get_json(health_port, "/admin/status")["Totals"]
        done = totals["RecordsReceived"] >= records and not totals["RecordsInFlight"]
        if done or time.monotonic() > until:
            return totals
        time.sleep(0.2)


def stored_totals(collector_port: int) -> Totals:
    """What kcollect has of all devices."""
    rows = get_json(collector_port, "/totals")["Devices"]
    return Totals(*(sum(row[key] for row in rows) for key in ("Flows", "InPkts", "InBytes")))
