"""The thin Twisted protocol that hands each datagram on, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

BUG_LOG_SECONDS = 60.0
"""One traceback in this time."""


class DatagramReceiver(Protocol):
    """Who takes the datagrams."""

    def __call__(self, data: bytes, address: str, port: int, /) -> None:
        """Take one datagram; must not raise for anything that a peer sent."""


class FlowProtocol(DatagramProtocol):
    """Passes datagrams and their source address on.

    A receiver that raises has a bug. It must not close the socket to everybody: the bug is logged, once a minute, and
    the next datagram is read.
    """

    log = Logger()
    noisy = False

    def __init__(self, receiver: DatagramReceiver) -> None:
        self._receiver = receiver
        self._quiet_until = 0.0

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """One datagram came in."""
        self.datagramsReceived([(datagram, addr)])

    def datagramsReceived(self, datagrams: Sequence[tuple[bytes, tuple[str, int]]]) -> None:
        """Some came in together."""
        receiver = self._receiver
        for datagram, (address, port) in datagrams:
            try:
                receiver(datagram, address, port)
            except Exception:
                self._report(address)

    def _report(self, address: str) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + BUG_LOG_SECONDS
            self.log.failure("a datagram of {address} met a bug; please report this", address=address)
