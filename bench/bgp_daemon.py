"""``python -m bench.bgp_daemon PORT``: the end of the relayed sessions. Answers OPENs, reads UPDATEs, tells what came.

After ``ready`` on stdout each line on stdin asks for a report: one line of JSON about what came since the one before.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time
from typing import TextIO

from bench.bgp_messages import KEEPALIVE, OPEN_LENGTH, UPDATE_BYTES, open_message, stamp_of
from bench.priority import before_relays

READ_BYTES = 1 << 18
BULK_READ_BYTES = 8192
"""A read of more than this is counted by its bytes alone."""

MAX_SAMPLES = 2_000_000

GATHER_SECONDS = 0.005
"""Between two looks at the sockets: a wake-up for each UPDATE would take from the relays' processors. The kernel has
noted when each came, so that waiting adds nothing to what is measured."""

GATHER_BYTES = 256 << 10
"""Who has read more than this at one look does not wait for the next one."""

SO_TIMESTAMPNS = 35
"""Linux, asm-generic/socket.h: the kernel tells when what is read arrived; of several pieces, when the last one did."""

_TIME = struct.Struct("qq")


class Peer:
    """One session: its first messages, then UPDATEs of one size, each with the time at which it was sent."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        self.greeted = False


class Report:
    """What came since the last report."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.bytes = 0
        self.first = self.last = 0.0

    def line(self, sessions: int) -> str:
        """Give it as JSON: milliseconds, bytes, seconds."""
        delays = sorted(self.delays)
        return json.dumps(
            {
                "sessions": sessions,
                "messages": len(delays),
                "p50": _quantile(delays, 0.5),
                "p99": _quantile(delays, 0.99),
                "bytes": self.bytes,
                "seconds": self.last - self.first,
            }
        )


class Daemon:
    """Takes all sessions in one loop."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # connections inherit it
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._report = Report()
        self._sessions = 0
        self._buffer = bytearray(READ_BYTES)
        self._looked = 0  # bytes that the last look has found

    def run(self, orders: TextIO) -> None:
        """Serve until ``orders`` ends."""
        self._selector.register(orders, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            if self._looked < GATHER_BYTES:
                time.sleep(GATHER_SECONDS)
            self._looked = 0
            for key, _events in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is orders:
                    if not orders.readline():
                        return
                    print(self._report.line(self._sessions), flush=True)
                    self._report = Report()
                else:
                    self._read(key.data)

    def _accept(self) -> None:
        sock, _address = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, Peer(sock))

    def _read(self, peer: Peer) -> None:
        try:
            size, notes, _flags, _address = peer.sock.recvmsg_into([self._buffer], socket.CMSG_SPACE(_TIME.size))
        except BlockingIOError:
            return
        except OSError:
            size, notes = 0, []
        if not size:
            self._selector.unregister(peer.sock)
            peer.sock.close()
            self._sessions -= peer.greeted
            return
        self._looked += size
        self._count(size)
        data = peer.rest + bytes(memoryview(self._buffer)[:size])
        if not peer.greeted:
            if len(data) < OPEN_LENGTH:
                peer.rest = data
                return
            peer.sock.sendall(open_message("10.255.255.254") + KEEPALIVE)
            peer.greeted, data = True, data[OPEN_LENGTH:]
            self._sessions += 1
        while data[: len(KEEPALIVE)] == KEEPALIVE:
            data = data[len(KEEPALIVE) :]
        peer.rest = self._updates(data, _arrival(notes))

    def _updates(self, data: bytes, arrival: float) -> bytes:
        """Note the delay of each UPDATE; what is left of the last one."""
        if len(data) > BULK_READ_BYTES or len(self._report.delays) > MAX_SAMPLES:
            return b""
        whole = len(data) - len(data) % UPDATE_BYTES
        self._report.delays += [arrival - stamp_of(data, start) for start in range(0, whole, UPDATE_BYTES)]
        return data[whole:]

    def _count(self, size: int) -> None:
        report = self._report
        report.last = time.monotonic()
        report.first = report.first or report.last
        report.bytes += size


def _arrival(notes: list[tuple[int, int, bytes]]) -> float:
    """When the kernel got what was read, in seconds of the day's clock, which the senders use, too."""
    if not notes:
        return time.time()
    seconds, nanoseconds = _TIME.unpack(notes[0][2])
    return float(seconds + nanoseconds / 1e9)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


if __name__ == "__main__":
    before_relays()
    Daemon(int(sys.argv[1])).run(sys.stdin)
