"""``python -m bench.bgp_routers PORT SESSIONS``: routers that peer through a relay, and do what stdin tells them.

After ``ready`` on stdout each line on stdin is an order: ``steady RATE SECONDS`` sends so many UPDATEs a second on
each session, ``bulk BYTES SESSIONS`` as fast as they are taken; ``done`` follows each.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator

from bench.bgp_messages import BULK_UPDATE_BYTES, KEEPALIVE, OPEN_LENGTH, open_message, update
from bench.priority import before_relays

SESSIONS_OF_ONE_ADDRESS = 16
"""kbgp takes so many different routers from one address (behind one NAT device), and asks for each address once."""

CONNECT_SECONDS = 60.0

TICK_SECONDS = 0.001
"""UPDATEs that are due in one tick are sent in one go: a wake-up for each would take from the relays' processors."""
BULK = update(0.0, BULK_UPDATE_BYTES) * 128


def source(number: int) -> str:
    """Give the address of a session's router."""
    index = number // SESSIONS_OF_ONE_ADDRESS
    return f"127.77.{index >> 8}.{(index & 255) + 1}"


def connect(port: int, number: int) -> socket.socket:
    """Bring one session up: both OPENs and a KEEPALIVE each way."""
    sock = socket.socket()
    sock.settimeout(CONNECT_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind((source(number), 0))
    sock.connect(("127.0.0.1", port))
    sock.sendall(open_message(f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}"))
    answer = b""
    while len(answer) < OPEN_LENGTH + len(KEEPALIVE):
        data = sock.recv(4096)
        if not data:
            raise RuntimeError(f"session {number} from {source(number)} was closed")
        answer += data
    sock.sendall(KEEPALIVE)
    return sock


def waves(sessions: int) -> Iterator[list[int]]:
    """Give the sessions in an order in which each address has one more session at a time."""
    for turn in range(min(sessions, SESSIONS_OF_ONE_ADDRESS)):
        yield list(range(turn, sessions, SESSIONS_OF_ONE_ADDRESS))


def steady(sockets: list[socket.socket], rate: float, seconds: float) -> None:
    """Send at an even rate over all sessions."""
    began = time.monotonic()
    total, sent = int(rate * seconds * len(sockets)), 0
    per_second = rate * len(sockets)
    while sent < total:
        due = int((time.monotonic() - began) * per_second)
        while sent < min(due, total):
            sockets[sent % len(sockets)].send(update(time.time()))
            sent += 1
        time.sleep(TICK_SECONDS)


def bulk(sockets: list[socket.socket], size: int) -> None:
    """Send as fast as the relay takes it."""
    left = dict.fromkeys(sockets, size // len(sockets) // BULK_UPDATE_BYTES * BULK_UPDATE_BYTES)
    while left:
        _read, writable, _errors = select.select([], list(left), [])
        for sock in writable:
            at = left[sock] % len(BULK)
            piece = BULK[len(BULK) - at :] if at else BULK
            left[sock] -= sock.send(piece, socket.MSG_DONTWAIT)
            if not left[sock]:
                del left[sock]


def main(port: int, sessions: int) -> None:
    """Connect, then obey."""
    sockets = {number: connect(port, number) for wave in waves(sessions) for number in wave}
    ordered = [sockets[number] for number in range(sessions)]
    print("ready", flush=True)
    for line in sys.stdin:
        order, *numbers = line.split()
        if order == "steady":
            steady(ordered, float(numbers[0]), float(numbers[1]))
        else:
            bulk(ordered[: int(numbers[1])], int(numbers[0]))
        print("done", flush=True)


if __name__ == "__main__":
    before_relays()
    main(int(sys.argv[1]), int(sys.argv[2]))
