"""The thin Twisted protocol that hands each datagram on, and nothing else."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.protocol import DatagramProtocol

V4_MAPPED = "::ffff:"
"""How an IPv4 exporter looks on a socket bound to ``::`` (RFC 4291 section 2.5.5.2)."""


class DatagramReceiver(Protocol):
    """Who takes the datagrams."""

    def __call__(self, data: bytes, address: str, port: int) -> None:
        """Take one datagram; must not raise for anything that a peer sent."""


class FlowProtocol(DatagramProtocol):
    """Passes datagrams and their source address on; IPv4-mapped addresses become plain IPv4."""

    noisy = False

    def __init__(self, receiver: DatagramReceiver) -> None:
        self._receiver = receiver

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """One datagram came in."""
        address = addr[0]
        if address.startswith(V4_MAPPED):
            address = address[len(V4_MAPPED) :]
        self._receiver(datagram, address, addr[1])
