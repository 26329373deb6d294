"""From a flow's datagram to the backend's answer: p50 and p99, without spool, with it, and while it drains.

Each flow carries the moment at which its datagram was sent, as its number of bytes; the backend's stand-in reads it
from the messages, when it has answered them. Messages go out once a second, so that a flow waits half a second at
least, on average. What drains was written beforehand; it goes at its bounded rate, so that it lasts longer than the
measurement, as 1 GiB would.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import UUID

import numpy as np

from bench.sender import EXPORTERS, RECORDS, address
from bench.sink import devices
from kproxy_tw.deliver.attempt import BATCH_HEADER
from kproxy_tw.deliver.spool.limits import SpoolLimits
from kproxy_tw.deliver.spool.record import BatchId, SpoolRecord
from kproxy_tw.deliver.spool.store import Spool
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.testing.exporters import NetFlow9Exporter
from kproxy_tw.testing.processes import Daemon, free_port_pair
from kproxy_tw.testing.traffic import make_flows

RATE = 10_000
"""Flows a second of all exporters together."""

SECONDS = 15.0
LAST_SECONDS = 3.0
"""For the answers to what was sent last."""

BACKLOG_BYTES = 128 << 20
BODY_BYTES = 50_000
RUN = UUID(int=1)
"""Messages of the backlog are named by it."""


class Backend(ThreadingHTTPServer):
    """Answers every POST, and notes how old its flows are then.

    :ivar latencies: milliseconds, one array a message.
    :ivar drained: bytes of the backlog.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.began = time.monotonic()
        self.latencies: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        self.drained = 0

    def microseconds(self) -> int:
        """Since the start."""
        return int((time.monotonic() - self.began) * 1e6)

    def note(self, batch: str, body: bytes, now: int) -> None:
        """A message was answered at ``now``."""
        if batch.startswith(str(RUN)):
            self.drained += len(body)
            return
        sent = decode_body(body, gzipped=True).batch
        flows = sent.columns["in_bytes"][~sent.column("big")]
        self.latencies.append((now - flows.astype(np.float64)) / 1000)


class Answer(BaseHTTPRequestHandler):
    """One connection."""

    server: Backend
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Give the device list."""
        self._answer(devices(1_000_000))

    def do_POST(self) -> None:
        """Take a message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")
        if self.path.startswith("/chf"):
            self.server.note(self.headers[BATCH_HEADER], body, self.server.microseconds())

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


@contextmanager
def backend() -> Iterator[Backend]:
    """A running one."""
    with Backend() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def fill(directory: Path) -> None:
    """Leave a backlog on disk, as a run before this one would."""
    spool = Spool(directory, SpoolLimits(device_part=1.0, free_bytes=0), wall=time.time)
    spool.open()
    body = os.urandom(BODY_BYTES)
    for first in range(0, BACKLOG_BYTES // BODY_BYTES, 100):
        made = [SpoolRecord(BatchId(RUN, 100, number), 25, 0, body) for number in range(first, first + 100)]
        spool.release(place for place in spool.append(made)[0] if place is not None)
    spool.close()


def offer(port: int, server: Backend) -> None:
    """Send flows for ``SECONDS``, evenly."""
    random = np.random.default_rng(5)
    exporters = [NetFlow9Exporter(time.time(), number) for number in range(EXPORTERS)]
    sockets = []
    for number in range(EXPORTERS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address(number), 0))
        sockets.append(sock)
    began = time.monotonic()
    for sent in range(int(RATE * SECONDS / RECORDS)):
        time.sleep(max(0.0, began + sent * RECORDS / RATE - time.monotonic()))
        flows = make_flows(RECORDS, random)
        flows["bytes"] = server.microseconds()
        number = sent % EXPORTERS
        sockets[number].sendto(exporters[number].datagram(flows, time.time()), ("127.0.0.1", port))
    time.sleep(LAST_SECONDS)
    for sock in sockets:
        sock.close()


def measured(*flags: str, backlog: bool = False) -> str:
    """p50, p99 and the largest latency, the flows they are of, and what was drained meanwhile."""
    with tempfile.TemporaryDirectory() as name, backend() as server:
        state = Path(name) / "state"
        if backlog:
            fill(state / "spool")
        port = free_port_pair()
        api = f"-api=http://127.0.0.1:{server.server_address[1]}/api/internal"
        command = ["kproxy", "-host=127.0.0.1", f"-port={port}", f"-state_dir={state}", api, "-metrics=none", *flags]
        credentials = {"KENTIK_API_EMAIL": "bench@example.com", "KENTIK_API_TOKEN": "bench"}
        with Daemon(command, log=Path(name) / "kproxy.log", environment=credentials) as proxy:
            proxy.wait_until_ready(port + 1)
            offer(port, server)
        found = np.concatenate(server.latencies)
        p50, p99 = np.percentile(found, (50, 99))
        return f"{p50:>10,.0f}{p99:>10,.0f}{found.max():>10,.0f}{len(found):>12,}{server.drained / 1e6:>14,.0f}"


def report() -> Iterator[str]:
    """The lines of the table, as they are measured."""
    yield f"v9, {EXPORTERS} exporters, {RATE:,} flows/s for {SECONDS:.0f} s: from a datagram to the answer, ms"
    yield f"{'':<28}{'p50':>10}{'p99':>10}{'most':>10}{'flows':>12}{'MB drained':>14}"
    yield f"{'without spool':<28}{measured('-spool=off')}"
    yield f"{'spool, idle':<28}{measured()}"
    yield f"{'spool, draining':<28}{measured(backlog=True)}"
