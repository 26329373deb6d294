"""The thin Twisted protocol that hands each datagram on, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from operator import length_hint
from typing import Protocol

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

BUG_LOG_SECONDS = 60.0
"""One traceback in this time."""


class DatagramReceiver(Protocol):
    """Who takes the datagrams."""

    def __call__(self, arrived: Iterable[tuple[bytes, tuple[str, int]]], /) -> None:
        """Take datagrams, each with its source's address and port; must not raise for anything that a peer sent."""


class FlowProtocol(DatagramProtocol):
    """Passes datagrams and their source address on.

    A receiver that raises has a bug. It must not close the socket to everybody: the bug is logged, once a minute, and
    the receiver gets the datagrams behind the one that met it.
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
        rest = iter(datagrams)
        for _bug in datagrams:
            try:
                self._receiver(rest)
            except Exception:
                _datagram, (address, _port) = datagrams[-1 - length_hint(rest)]
                self._report(address)
            else:
                return

    def _report(self, address: str) -> None:
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + BUG_LOG_SECONDS
            self.log.failure("a datagram of {address} met a bug; please report this", address=address)
