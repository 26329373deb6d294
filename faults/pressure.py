"""Sides that do not read, and peers that connect as fast as they can: F25, F27."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from faults.scenes import MIB, Scene, resident, scene
from tests.interop.bgp_lab import wait
from tests.interop.bgp_tables import table
from tests.interop.namespaces import Namespace

TABLE_ROUTES = 60_000
MOST_GROWTH = 24 * MIB
"""Of kbgp's and kcollect's memory: 1 MiB held per direction, and what gRPC and the allocator make of a busy session."""

FLOOD_SECONDS = 12.0
FLOOD_PER_SECOND = 1000
FLOOD_NETWORK = "10.77"
KNOWN_SECONDS = 10.0
MOST_PENDING = 64
LOOKUPS_PER_SECOND = 5
SOME_MORE = 20
"""Questions that may come on top: of the router itself, heartbeats, a burst."""

HALF_OPEN = b"\xff" * 16 + struct.pack("!HBB", 29, 1, 4)
"""The beginning of an OPEN (RFC 4271 section 4.2) whose rest never comes."""


def side_stops_reading(directory: Path, chance: random.Random) -> None:
    """F25: a router, or the daemon, is stopped while a table is under way to it."""
    with scene(directory, 1, 2, export="all") as made:
        router = chance.random() < 0.5
        stopped = (made.routers[2] if router else made.lab.terminator).daemon.process.pid
        before = made.memory(), resident(made.lab.kcollect.process.pid)
        since = made.since(1), made.since(2)
        os.kill(stopped, signal.SIGSTOP)
        try:
            made.add(3, routes=table(TABLE_ROUTES))
            if router:
                wait(lambda: made.routers[1].route_count() >= TABLE_ROUTES, "the other router suffers")
            time.sleep(chance.uniform(2.0, 6.0))
            after = made.memory(), resident(made.lab.kcollect.process.pid)
        finally:
            os.kill(stopped, signal.SIGCONT)
        grown = [(late - early) // MIB for early, late in zip(before, after, strict=True)]
        assert all(figure * MIB <= MOST_GROWTH for figure in grown), f"kbgp, kcollect grew by {grown} MiB"
        made.settle("not whole after the stop", 60.0)
        wait(lambda: made.routers[2].route_count() >= TABLE_ROUTES, "the stopped side did not get all")
        assert made.untouched(1, since[0]), "the other router's session did not survive"
        assert made.untouched(2, since[1]), "the session of the stopped side did not survive"


def flood(directory: Path, chance: random.Random) -> None:
    """F27: strangers connect and reset, or send half an OPEN; a known router whose session ends meanwhile is back."""
    with scene(directory, 1) as made:
        space = made.lab.router_space(7)
        space.run("ip", "route", "add", "local", f"{FLOOD_NETWORK}.0.0/16", "dev", "lo")
        made.lab.agent.run("ip", "route", "add", f"{FLOOD_NETWORK}.0.0/16", "via", "10.7.0.2")
        over = threading.Event()
        strangers = threading.Thread(target=_strangers, args=(space, chance.randrange(1 << 30), over))
        asked, began = made.metric("kbgp_control_messages_received_total"), time.monotonic()
        strangers.start()
        try:
            _known_router_returns(made)
            pending = list(_watched(made, "kbgp_connections_pending"))
        finally:
            over.set()
            strangers.join()
        asked = made.metric("kbgp_control_messages_received_total") - asked
        assert max(pending) <= MOST_PENDING, f"{max(pending):.0f} connections waited"
        most = (time.monotonic() - began) * LOOKUPS_PER_SECOND + SOME_MORE
        assert asked <= most, f"{asked:.0f} answers of the backend, {most:.0f} allowed"
        made.settle("not whole after the flood")


def _watched(made: Scene, metric: str) -> Iterator[float]:
    for _look in range(10):
        yield made.metric(metric)
        time.sleep(0.3)


def _known_router_returns(made: Scene) -> None:
    time.sleep(2.0)
    since = made.since(1)
    made.routers[1].restart()
    wait(lambda: not made.untouched(1, since), "BIRD did not restart its session")
    took = wait(lambda: made.established(1), "the known router is kept out", None, 30.0)
    assert took <= KNOWN_SECONDS, f"the known router was back after {took:.1f} s"


def _strangers(space: Namespace, seed: int, over: threading.Event) -> None:
    chance = random.Random(seed)
    held: list[socket.socket] = []
    until = time.monotonic() + FLOOD_SECONDS
    with space.entered():
        while not over.is_set() and time.monotonic() < until:
            began = time.monotonic()
            for _stranger in range(FLOOD_PER_SECOND // 10):
                held.append(_connected(f"{FLOOD_NETWORK}.{chance.randrange(256)}.{chance.randrange(1, 255)}"))
            time.sleep(max(0.0, 0.1 - (time.monotonic() - began)))
            while len(held) > 2 * FLOOD_PER_SECOND // 10:
                _given_up(held.pop(0), half_open=chance.random() < 0.3)
    for sock in held:
        sock.close()


def _connected(source: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    with suppress(OSError):
        sock.bind((source, 0))
        sock.connect_ex(("10.7.0.1", 179))
    return sock


def _given_up(sock: socket.socket, *, half_open: bool) -> None:
    with suppress(OSError):
        if half_open:
            sock.send(HALF_OPEN)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
