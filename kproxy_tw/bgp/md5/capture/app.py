"""``python -m kproxy_tw.bgp.md5.capture.app INTERFACE PORT,...``: SYNs in, records of one size out on standard output.

It opens its socket, gives up all privileges, and ends when its standard input does. It holds no key and knows no
backend; whoever takes it over can read SYNs to the BGP port, and nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from kproxy_tw.bgp.md5.capture.bpf import attach_filter
from kproxy_tw.bgp.md5.capture.privileges import give_up_privileges
from kproxy_tw.bgp.md5.capture.shedding import Shedding
from kproxy_tw.bgp.md5.config import ANY_INTERFACE
from kproxy_tw.bgp.md5.record import Counts, Problem, Ready, Record, encode
from kproxy_tw.bgp.md5.syn import MOST_CAPTURED, parse_syn
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

INPUT, OUTPUT = 0, 1

SOL_PACKET, PACKET_STATISTICS = 263, 6
ETH_P_ALL = 3
"""``linux/if_ether.h``; both IP versions come through one socket only this way."""

RECEIVE_BUFFER = 1 << 20
PACKETS_A_TURN = 256
COUNTS_SECONDS = 2.0
DOWN_SECONDS = 1.0
"""How long to wait when the interface is down."""


def open_socket(ports: Sequence[int]) -> socket.socket:
    """A packet socket that is deaf until it is bound, its filter locked. :raises OSError: no CAP_NET_RAW."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    attach_filter(sock, ports)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setblocking(False)
    return sock


def bind(sock: socket.socket, interface: str) -> None:
    """Begin to hear what comes in on an interface; needs no privilege. :raises OSError: there is none of this name."""
    if interface != ANY_INTERFACE:
        sock.bind((interface, ETH_P_ALL))
        return
    # The standard library cannot say "all interfaces" (index 0 of struct sockaddr_ll) to a socket that has a filter.
    address = struct.pack("=HHiHBB8s", socket.AF_PACKET, socket.htons(ETH_P_ALL), 0, 0, 0, 0, b"")
    if ctypes.CDLL(None, use_errno=True).bind(sock.fileno(), address, len(address)) != 0:
        raise OSError(ctypes.get_errno(), "bind")


class Capture:
    """Reads packets, writes records.

    :param sock: a bound packet socket.
    :param output: file descriptor of the pipe to the parent, which must not block.
    """

    def __init__(self, sock: socket.socket, output: int) -> None:
        self._sock = sock
        self._output = output
        self._shedding = Shedding(time.monotonic())
        self._syns = self._shed = self._malformed = self._drops = 0
        self._told = Counts()

    def read_turn(self) -> None:
        """Read what is there, some of it at a time. :raises OSError: the socket or the pipe is gone."""
        for _packet in range(PACKETS_A_TURN):
            try:
                packet, address = self._sock.recvfrom(MOST_CAPTURED)
            except BlockingIOError:
                return
            self._take(packet, _index(address[0]))

    def _take(self, packet: bytes, interface: int) -> None:
        try:
            syn = parse_syn(packet, interface)
        except MalformedInput:
            self._malformed += 1
            return
        if self._shedding.admits(syn, time.monotonic()) and self.tell(syn):
            self._syns += 1
        else:
            self._shed += 1

    def tell(self, record: Record) -> bool:
        """Write one record; false when the pipe is full. :raises BrokenPipeError: the parent is gone."""
        try:
            os.write(self._output, encode(record))
        except BlockingIOError:
            return False
        return True

    def tell_counts(self) -> None:
        """Write the counts, when there is news."""
        # The kernel clears the figures that it tells.
        figures = Reader(self._sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        figures.skip(4)
        self._drops += int.from_bytes(figures.take(4), sys.byteorder)
        counts = Counts(syns=self._syns, shed=self._shed, malformed=self._malformed, kernel_drops=self._drops)
        if counts != self._told and self.tell(counts):
            self._told = counts


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:  # it is gone already
        return 0


def watch(capture: Capture, sock: socket.socket) -> None:
    """Until standard input ends. :raises OSError: the interface or the pipe is gone."""
    due = time.monotonic()
    while True:
        readable, _writable, _broken = select.select([sock.fileno(), INPUT], [], [], COUNTS_SECONDS)
        if INPUT in readable and not os.read(INPUT, 1):
            return
        if sock.fileno() in readable:
            try:
                capture.read_turn()
            except OSError as problem:
                if problem.errno != errno.ENETDOWN:  # when the interface is up again, the socket works again
                    raise
                time.sleep(DOWN_SECONDS)
        if time.monotonic() >= due:
            due = time.monotonic() + COUNTS_SECONDS
            capture.tell_counts()


def main(arguments: Sequence[str]) -> int:
    """Watch ``arguments[0]`` for SYNs to the ports in ``arguments[1]``; the exit status."""
    interface, ports = arguments[0], [int(port) for port in arguments[1].split(",")]
    os.set_blocking(OUTPUT, False)
    try:
        with open_socket(ports) as sock:
            give_up_privileges()
            bind(sock, interface)
            capture = Capture(sock, OUTPUT)
            capture.tell(Ready())
            watch(capture, sock)
    except BrokenPipeError:
        return 0
    except OSError as problem:
        with suppress(OSError):
            os.write(OUTPUT, encode(Problem(problem.errno or 0)))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
