"""Exporters of four formats that send real packets until they are stopped."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import attrs
import numpy as np

from kproxy_tw.testing.exporters import Exporter, IpfixExporter, NetFlow5Exporter, NetFlow9Exporter
from kproxy_tw.testing.traffic import make_flows
from tests.browser.switch import SwitchExporter

TURN_SECONDS = 0.25
STRANGER = "127.0.0.29"
"""An exporter that no device has."""

ONE_LOST_IN = 3
"""Of the datagrams of an exporter that loses some, one in so many is not sent."""


@attrs.define
class Source:
    """An exporter. ``lossy``: some of its datagrams get lost on the way."""

    device_id: int
    name: str
    address: str
    exporter: Exporter
    flows: int
    max_fps: int = 0
    lossy: bool = False
    datagrams: int = 0


def sources(now: float) -> list[Source]:
    """Four formats; the sFlow exporter sends more than its cap."""
    return [
        Source(101, "edge_fra1_r1", "127.0.0.21", NetFlow9Exporter(now), 160),
        Source(102, "edge_ams2_r1", "127.0.0.22", IpfixExporter(now), 120),
        Source(103, "core_fra1_sw3", "127.0.0.23", SwitchExporter(now, rate=1024), 400, max_fps=60),
        Source(104, "branch_old_7206", "127.0.0.24", NetFlow5Exporter(now, sampling=100), 60),
        Source(0, "", STRANGER, NetFlow5Exporter(now), 30),
    ]


class Traffic:
    """Sends until it is stopped."""

    def __init__(self, port: int) -> None:
        self.sources = sources(time.time())
        self._port = port
        self._stopped = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._stopped.set()
        self._flowing.set()
        self._thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Send nothing for a while."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    def source(self, name: str) -> Source:
        """The exporter of a device."""
        return next(source for source in self.sources if source.name == name)

    def _run(self) -> None:
        random = np.random.default_rng(7)
        with ExitStack() as stack:
            sockets = [stack.enter_context(_from(source.address, self._port)) for source in self.sources]
            while not self._stopped.wait(TURN_SECONDS):
                self._flowing.wait()
                for source, sock in zip(self.sources, sockets, strict=True):
                    self._send(source, sock, random)

    def _send(self, source: Source, sock: socket.socket, random: np.random.Generator) -> None:
        size = min(source.exporter.flows_per_datagram, source.flows)
        flows = make_flows(max(size, int(source.flows * TURN_SECONDS) // size * size), random)
        for first in range(0, len(flows), size):
            datagram = source.exporter.datagram(flows[first : first + size], time.time())
            source.datagrams += 1
            if not (source.lossy and source.datagrams % ONE_LOST_IN == 0):
                sock.send(datagram)


def _from(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.connect(("127.0.0.1", port))
    return sock
