"""Exporters of numbered flows: from its number alone follows what a flow must look like in the store."""

from __future__ import annotations

import socket
import struct
import threading
import time

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.testing.exporters import NetFlow5Exporter
from kproxy_tw.testing.traffic import FLOW, Flows

BASE = 0x0A000000
"""A flow's number is its source address behind 10.0.0.0."""

NUMBERS_EACH = 1 << 19
"""So many numbers an exporter has; 32 exporters fit into 10.0.0.0/8."""

Numbers = npt.NDArray[np.int64]

FIRST_SOURCE = slice(24, 28)
"""Where the first flow's source address stands in a datagram of NetFlow v5."""


def flows_of(numbers: Numbers) -> Flows:
    """The flows with these numbers."""
    flows = np.zeros(len(numbers), FLOW)
    flows["src"], flows["dst"] = BASE + numbers, destination(numbers)
    flows["sport"], flows["dport"], flows["protocol"] = numbers * 40503 & 0xFFFF, 443, 6
    flows["packets"], flows["bytes"] = packets(numbers), octets(numbers)
    return flows


def destination(numbers: Numbers) -> Numbers:
    """Their destination address: Knuth's multiplicative hash."""
    return numbers * 2654435761 & 0xFFFFFFFF


def packets(numbers: Numbers) -> Numbers:
    """Their packets."""
    return 1 + numbers % 7


def octets(numbers: Numbers) -> Numbers:
    """Their bytes."""
    return packets(numbers) * (64 + numbers % 1400)


def number_in(datagram: bytes) -> int | None:
    """The number of the first flow of a NetFlow v5 datagram; ``None`` of any other."""
    if len(datagram) < FIRST_SOURCE.stop or datagram[:2] != b"\0\5":
        return None
    number: int = struct.unpack("!I", datagram[FIRST_SOURCE])[0] - BASE
    return number if number >= 0 else None


@attrs.frozen
class Sent:
    """One datagram: its first number, how many flows, and when, monotonic seconds."""

    first: int
    count: int
    at: float


class NumberedExporter:
    """A router that sends NetFlow v5, by hand or at a rate in a thread of its own.

    :param place: which of the exporters it is, from 0: it has an address and a range of numbers of its own.
    :ivar sent: every datagram.
    """

    def __init__(self, port: int, place: int = 0) -> None:
        self.address = address_of(place)
        self.sent: list[Sent] = []
        self._first = self._next = place * NUMBERS_EACH
        self._target = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 0))
        self._format = NetFlow5Exporter(time.time())
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, datagrams: int = 1) -> int:
        """Send so many full datagrams. :return: their flows."""
        size = self._format.flows_per_datagram
        for _datagram in range(datagrams):
            numbers = np.arange(self._next, self._next + size, dtype=np.int64)
            self._next += size
            self.sent.append(Sent(int(numbers[0]), size, time.monotonic()))
            self._socket.sendto(self._format.datagram(flows_of(numbers), time.time()), self._target)
        return datagrams * size

    def has(self, number: int) -> bool:
        """Whether it has sent the flow with that number, as the first of a datagram."""
        place = (number - self._first) // self._format.flows_per_datagram
        return 0 <= place < len(self.sent) and self.sent[place].first == number

    def sent_at(self, number: int) -> float:
        """When it has sent that flow, monotonic seconds."""
        return self.sent[(number - self._first) // self._format.flows_per_datagram].at

    def start(self, flows_per_second: int) -> None:
        """Send at that rate, and no other, until :meth:`stop`."""
        self.stop()
        self._over.clear()
        self._thread = threading.Thread(target=self._run, args=(flows_per_second,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; harmless when nothing is sent."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Stop, and close the socket."""
        self.stop()
        self._socket.close()

    def _run(self, flows_per_second: int) -> None:
        step = self._format.flows_per_datagram / flows_per_second
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self.send()
            due += step


def address_of(place: int) -> str:
    """The address of an exporter."""
    return f"127.0.1.{place + 1}"
