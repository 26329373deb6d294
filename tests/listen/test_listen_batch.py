"""Many datagrams for one system call, on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kproxy_tw.listen.batch import MAX_SOURCES, SLOTS, DatagramBatch


@contextmanager
def pair(family: int = socket.AF_INET, host: str = "127.0.0.1") -> Iterator[tuple[socket.socket, socket.socket]]:
    """A bound socket to read from, and one connected to it."""
    with socket.socket(family, socket.SOCK_DGRAM) as taker, socket.socket(family, socket.SOCK_DGRAM) as sender:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        taker.bind((host, 0))
        taker.setblocking(False)
        sender.connect(taker.getsockname())
        yield taker, sender


def test_an_empty_socket_gives_nothing() -> None:
    """Nothing to read is no error."""
    with pair() as (taker, _sender):
        assert DatagramBatch(taker).read() == []


def test_a_burst_comes_in_order_and_in_full_batches() -> None:
    """Every datagram of every size, once; no batch is larger than it may be."""
    with pair() as (taker, sender):
        sent = [bytes([number % 251]) * (number * 97 % 1500) for number in range(2 * SLOTS + 5)]
        for datagram in sent:
            sender.send(datagram)
        batch = DatagramBatch(taker)
        batches = [batch.read() for _call in range(4)]
        assert [len(read) for read in batches] == [SLOTS, SLOTS, 5, 0]
        assert [data for read in batches for data, _source in read] == sent
        assert {source for read in batches for _data, source in read} == {sender.getsockname()[:2]}


def test_a_long_datagram_leaves_nothing_in_the_next_one() -> None:
    """A slot that was full gives a short datagram as it is; the largest datagram is whole."""
    with pair() as (taker, sender):
        batch = DatagramBatch(taker)
        sender.send(b"x" * 65507)
        assert [data for data, _source in batch.read()] == [b"x" * 65507]
        sender.send(b"")
        sender.send(b"yz")
        assert [data for data, _source in batch.read()] == [b"", b"yz"]


def test_sources_are_told_apart_by_address_and_port() -> None:
    """Two ports of one address, and two addresses, on IPv6 as on IPv4."""
    with pair() as (taker, one), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        two.bind(("127.0.0.2", 0))
        one.send(b"1")
        two.sendto(b"2", taker.getsockname())
        assert DatagramBatch(taker).read() == [(b"1", one.getsockname()), (b"2", two.getsockname())]
    with pair(socket.AF_INET6, "::1") as (taker, sender):
        sender.send(b"6")
        assert DatagramBatch(taker).read() == [(b"6", ("::1", sender.getsockname()[1]))]


def test_what_is_remembered_of_sources_is_bounded() -> None:
    """More sources than are remembered are still named rightly."""
    with pair() as (taker, _sender):
        batch = DatagramBatch(taker)
        for number in range(MAX_SOURCES + 3):
            address = f"127.9.{number >> 8}.{number & 255}"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((address, 0))
                sender.sendto(b"x", taker.getsockname())
                ((_data, source),) = batch.read()
                assert source == sender.getsockname()
        assert len(batch._sources) <= MAX_SOURCES


def test_a_closed_socket_is_an_error() -> None:
    """Reading what cannot be read raises, it does not look empty."""
    with pair() as (taker, _sender):
        batch = DatagramBatch(taker)
    with pytest.raises(OSError, match="Bad file descriptor"):
        batch.read()
