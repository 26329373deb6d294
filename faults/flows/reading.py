"""How far kproxy has read its socket, seen from outside: the oldest datagram in the kernel's queue tells.

The chain holds the socket, too, and looks at the head of its queue without taking it. What was sent before that
datagram has been read by somebody, what was sent later has not: so a crash can be charged with exactly what the dead
process had read, and what still waits in the kernel for the next one is not forgiven.
"""

from __future__ import annotations

import bisect
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import attrs

from faults.flows.numbered import NumberedExporter, number_in

LOOK_SECONDS = 0.05
HEAD_BYTES = 2048
SO_PEEK_OFF = 42
"""``asm/socket.h``: lets one peek behind the first datagram; not in :mod:`socket`."""

UNDER_WAY_SECONDS = 0.1
"""A datagram is stamped before it is sent: so late it may be in the queue on a busy machine."""


@attrs.frozen
class Crash:
    """What a killed process may have had in memory alone.

    :ivar first, last: from when to when it was sent, monotonic seconds.
    :ivar waiting: first numbers of the datagrams that were sent meanwhile, but waited in the kernel when it died.
    """

    first: float
    last: float
    waiting: frozenset[int]

    def may_have_cost(self, number: int, at: float) -> bool:
        """Whether a datagram may be lost by it."""
        return self.first <= at <= self.last and number not in self.waiting


class Reading:
    """Follows a socket; see the module.

    :param sock: bound, not blocking, the same that kproxy reads.
    :param exporters: all that send to it.
    """

    def __init__(self, sock: socket.socket, exporters: Sequence[NumberedExporter]) -> None:
        self._socket = sock
        self._exporters = exporters
        self._looked: list[float] = []
        self._read: list[float] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Note how far the socket is read now."""
        with self._lock:
            now = time.monotonic()
            head = next(self._peeked(), None)
            if head is None:
                self._note(now, now)
                return
            number = number_in(head)
            for exporter in self._exporters:
                if number is not None and exporter.has(number):
                    self._note(now, exporter.sent_at(number))

    def crash(self, durable: float) -> Crash:
        """Whoever read is dead. :param durable: what it had read by that moment, monotonic seconds, was on the disk."""
        now = time.monotonic()
        with self._lock:
            place = bisect.bisect_right(self._looked, durable)
            first = self._read[place - 1] - UNDER_WAY_SECONDS if place else float("-inf")
            numbers = (number_in(datagram) for datagram in self._peeked())
            return Crash(first, now, frozenset(number for number in numbers if number is not None))

    def _note(self, now: float, read: float) -> None:
        self._looked.append(now)
        self._read.append(read)

    def _peeked(self) -> Iterator[bytes]:
        """The datagrams in the queue, the oldest first; they stay there."""
        self._socket.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 0)
        with suppress(BlockingIOError):
            while True:
                yield self._socket.recv(HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.look()
