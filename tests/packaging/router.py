"""A router that sends flow for as long as a test lasts."""

from __future__ import annotations

import socket
import threading
import time
from typing import Self

import numpy as np

from kproxy_tw.testing.exporters import NetFlow5Exporter
from kproxy_tw.testing.traffic import make_flows

DATAGRAMS_PER_SECOND = 20
ADDRESS = "127.0.0.77"


class Router(threading.Thread):
    """Sends NetFlow v5 at a steady rate from :data:`ADDRESS` until it is told to end; use it as a context manager.

    It sends in the network in which it was made.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ADDRESS, 0))
        self._socket.connect(("127.0.0.1", port))
        self._end = threading.Event()
        self.flows = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._end.set()
        self.join()
        self._socket.close()

    def run(self) -> None:
        """Send."""
        exporter, random = NetFlow5Exporter(time.time()), np.random.default_rng(1)
        while not self._end.wait(1 / DATAGRAMS_PER_SECOND):
            flows = make_flows(exporter.flows_per_datagram, random)
            self._socket.send(exporter.datagram(flows, time.time()))
            self.flows += len(flows)
