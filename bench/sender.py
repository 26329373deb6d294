"""A process that sends NetFlow v9 from 16 loopback addresses at a given rate and prints how many datagrams it sent.

Usage: ``python -m bench.sender PORT FLOWS_PER_SECOND SECONDS``. Datagrams are made before the clock starts; while
sending, only the header's uptime, time and sequence are written anew.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

import numpy as np

from kproxy_tw.testing.exporters import TEMPLATE_EVERY, NetFlow9Exporter
from kproxy_tw.testing.traffic import make_flows

EXPORTERS = 16
RECORDS = NetFlow9Exporter.flows_per_datagram
READY_MADE = 4 * TEMPLATE_EVERY
"""Different datagrams of each exporter that are sent in turn; a multiple of the template's period."""

TURN_SECONDS = 0.002
CLOCK_AND_SEQUENCE = struct.Struct("!III")
CLOCK_OFFSET = 4


def address(exporter: int) -> str:
    """The source address of one exporter."""
    return f"127.0.1.{exporter + 1}"


def ready_made(random: np.random.Generator) -> list[bytearray]:
    """Datagrams of one exporter, the first of each ``TEMPLATE_EVERY`` with the template."""
    now = time.time()
    exporter = NetFlow9Exporter(now)
    return [bytearray(exporter.datagram(make_flows(RECORDS, random), now)) for _datagram in range(READY_MADE)]


def send(port: int, flows_per_second: float, seconds: float) -> int:
    """Send, evenly over the time and the exporters; the number of datagrams sent."""
    random = np.random.default_rng(5)
    sockets = []
    for exporter in range(EXPORTERS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address(exporter), 0))
        sock.connect(("127.0.0.1", port))
        sockets.append(sock)
    datagrams = [ready_made(random) for _exporter in range(EXPORTERS)]
    started = time.monotonic()
    sent = 0
    goal = int(flows_per_second * seconds / RECORDS)
    while sent < goal:
        elapsed = time.monotonic() - started
        due = min(goal, int(elapsed * flows_per_second / RECORDS))
        uptime, now = 60_000 + int(elapsed * 1000), int(time.time())
        while sent < due:
            turn, exporter = divmod(sent, EXPORTERS)
            datagram = datagrams[exporter][turn % READY_MADE]
            CLOCK_AND_SEQUENCE.pack_into(datagram, CLOCK_OFFSET, uptime, now, turn)
            sockets[exporter].send(datagram)
            sent += 1
        time.sleep(TURN_SECONDS)
    return sent


if __name__ == "__main__":
    # One core of its own, the last one, so that every run meets the same neighbor.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(send(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])), flush=True)
