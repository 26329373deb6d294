"""Real sockets on loopback."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock, deferLater
from twisted.logger import capturedLogs

import pytest
import pytest_twisted

from kproxy_tw.listen.batch import SLOTS
from kproxy_tw.listen.drops import WRAPS, KernelDrops, kernel_count
from kproxy_tw.listen.protocol import FlowProtocol
from kproxy_tw.listen.service import (
    SO_RCVBUFFORCE,
    TURN_SECONDS,
    FlowPort,
    ListenConfig,
    UdpListener,
    enlarge_receive_buffer,
)

Datagrams = list[tuple[bytes, str, int]]


@contextmanager
def sender(family: int = socket.AF_INET) -> Iterator[socket.socket]:
    """A UDP socket to send from."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        yield sock


async def wait_for(datagrams: Datagrams, count: int) -> None:
    """Until so many datagrams are there; a second at most."""
    for _attempt in range(100):
        if len(datagrams) >= count:
            return
        await deferLater(reactor, 0.01)
    raise AssertionError(f"{len(datagrams)} of {count} datagrams came")


def listener(datagrams: Datagrams, *hosts: str, **config: Any) -> UdpListener:
    """A started listener on a free port."""
    service = UdpListener(
        reactor=reactor,
        config=ListenConfig(hosts=hosts, port=0, **config),
        receiver=lambda arrived: datagrams.extend((data, *source) for data, source in arrived),
    )
    service.startService()
    return service


@pytest_twisted.ensureDeferred
async def test_datagrams_arrive_whole_with_their_source() -> None:
    """The largest datagram that loopback carries is not cut, and the source is the sender's."""
    datagrams: Datagrams = []
    service = listener(datagrams, "127.0.0.1")
    with sender() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.sendto(b"x" * 65507, ("127.0.0.1", service.port))
        await wait_for(datagrams, 1)
        assert datagrams == [(b"x" * 65507, "127.0.0.1", sock.getsockname()[1])]
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_one_socket_takes_both_families_and_shows_ipv4_as_such() -> None:
    """On ``::``, an IPv4 exporter is 127.0.0.1 and not ::ffff:127.0.0.1."""
    datagrams: Datagrams = []
    service = listener(datagrams, "::")
    with sender() as four, sender(socket.AF_INET6) as six:
        four.sendto(b"4", ("127.0.0.1", service.port))
        await wait_for(datagrams, 1)
        six.sendto(b"6", ("::1", service.port))
        await wait_for(datagrams, 2)
    assert [(data, address) for data, address, _port in datagrams] == [(b"4", "127.0.0.1"), (b"6", "::1")]
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_what_the_kernel_drops_is_known_to_the_datagram() -> None:
    """Sent = received + dropped, when the reactor does not read for a while."""
    datagrams: Datagrams = []
    service = listener(datagrams, "127.0.0.1", receive_buffer=64 << 10)
    with sender() as sock:
        for _datagram in range(500):
            sock.sendto(b"x" * 1400, ("127.0.0.1", service.port))
        await deferLater(reactor, 0.1)
        (status,) = service.status()
        assert status.kernel_drops > 0
        assert len(datagrams) + status.kernel_drops == 500
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_each_listener_knows_its_own_drops_also_when_it_is_closed() -> None:
    """Two sockets, one flooded more: sent = read + dropped of each; and the kernel's own word, hung on a datagram."""
    datagrams: Datagrams = []
    service = listener(datagrams, "127.0.0.1", "::1", receive_buffer=64 << 10)
    ports = [int(status.address.rpartition(":")[2]) for status in service.status()]
    sent = {"127.0.0.1": 700, "::1": 300}
    for (address, count), port, family in zip(sent.items(), ports, (socket.AF_INET, socket.AF_INET6), strict=True):
        with sender(family) as sock:
            for _datagram in range(count):
                sock.sendto(b"x" * 1400, (address, port))
    await deferLater(reactor, 0.1)
    await service.stopService()
    for (address, count), status in zip(sent.items(), service.status(), strict=True):
        came = sum(source == address for _data, source, _port in datagrams)
        assert status.kernel_drops > 0
        assert came + status.kernel_drops == count


def test_the_counter_is_the_one_that_the_kernel_hangs_on_datagrams() -> None:
    """SO_RXQ_OVFL says the same, one datagram later."""
    rxq_ovfl = 40
    with sender() as sock, sender() as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        receiver.setsockopt(socket.SOL_SOCKET, rxq_ovfl, 1)
        receiver.bind(("127.0.0.1", 0))
        for _datagram in range(300):
            sock.sendto(b"x" * 1400, receiver.getsockname())
        drops = KernelDrops(receiver)
        seen = [receiver.recvmsg(1500, 64, socket.MSG_DONTWAIT) for _ in range(300 - drops.read())]
        sock.sendto(b"y", receiver.getsockname())
        ((_level, kind, told),) = receiver.recvmsg(1500, 64)[1]
        assert (kind, int.from_bytes(told, sys.byteorder)) == (rxq_ovfl, drops.total)
        assert len(seen) + drops.total == 300


def test_the_counter_may_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has 32 bits; the total has more."""
    counts = iter((WRAPS - 5, 7))
    monkeypatch.setattr("kproxy_tw.listen.drops.kernel_count", lambda _socket: (next(counts), 0.5))
    with sender() as sock:
        drops = KernelDrops(sock)
        assert (drops.read(), drops.read()) == (WRAPS - 5, WRAPS + 7)


@pytest_twisted.ensureDeferred
async def test_a_port_in_use_is_refused() -> None:
    """Two listeners cannot share a port unnoticed."""
    first = listener([], "127.0.0.1")
    second = UdpListener(reactor=reactor, config=ListenConfig(port=first.port), receiver=lambda *_: None)
    with pytest.raises(CannotListenError):
        second.startService()
    await first.stopService()


def test_sockets_that_cannot_tell_count_no_drops() -> None:
    """Where SO_MEMINFO is not offered the count is 0, not an error."""
    with socket.socket() as closed:
        pass
    drops = KernelDrops(closed)
    assert (kernel_count(closed), drops.read()) == (None, 0)


@pytest_twisted.ensureDeferred
async def test_what_has_come_when_it_stops_is_read() -> None:
    """Datagrams that arrived while the socket rested are not lost with it."""
    datagrams: Datagrams = []
    service = listener(datagrams, "127.0.0.1")
    with sender() as sock:
        for number in range(30):
            sock.sendto(bytes([number]), ("127.0.0.1", service.port))
    assert datagrams == []
    await service.stopService()
    assert [data for data, _address, _port in datagrams] == [bytes([number]) for number in range(30)]


@pytest_twisted.ensureDeferred
async def test_a_turn_ends_when_it_has_taken_long() -> None:
    """Whatever the walk of a few datagrams costs, the reactor gets its turn behind it."""
    clock: Any = Clock()
    costs = TURN_SECONDS / 2

    def walk(_datagrams: object) -> None:
        clock.advance(costs)

    port = FlowPort(0, FlowProtocol(walk), "127.0.0.1", reactor=reactor)
    port.startListening()
    port.stopReading()
    with sender() as sock:
        sock.connect(("127.0.0.1", port.getHost().port))
        for _datagram in range(3 * SLOTS + 1):
            sock.send(b"")
    actual, port.reactor = port.reactor, clock
    assert port._read_turn() == (2 * SLOTS, False)
    costs = TURN_SECONDS
    assert [port._read_turn() for _turn in range(2)] == [(SLOTS, False), (1, True)]
    port.reactor = actual
    await maybeDeferred(port.stopListening)


@pytest_twisted.ensureDeferred
async def test_nothing_is_read_before_it_is_known_whose_it_is() -> None:
    """What comes earlier waits in the kernel; if the process ends before, its successor on that socket gets it."""
    datagrams: Datagrams = []
    known: Deferred[None] = Deferred()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kept, sender() as sock:
        kept.bind(("127.0.0.1", 0))
        for successor in (False, True):
            service = UdpListener(
                reactor=reactor,
                config=ListenConfig(port=0),
                receiver=lambda arrived: datagrams.extend((data, *source) for data, source in arrived),
                inherited=[kept.dup()],
                known=lambda: known,
            )
            service.startService()
            sock.sendto(b"late" if successor else b"early", kept.getsockname())
            await deferLater(reactor, 0.1)
            assert datagrams == []
            if successor:
                known.callback(None)
                await wait_for(datagrams, 2)
            await service.stopService()
    assert [data for data, _address, _port in datagrams] == [b"early", b"late"]


@pytest_twisted.ensureDeferred
async def test_a_small_buffer_gets_short_rests() -> None:
    """64 KiB at 200 MB a second are 0.3 ms; 32 MiB would be 160 ms, of which 20 are taken."""
    service = listener([], "127.0.0.1", receive_buffer=64 << 10)
    assert service.rests() == [pytest.approx((64 << 10) / 200e6)]
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_a_bug_behind_the_socket_does_not_close_it() -> None:
    """A receiver that raises is told once, and the datagrams after it are still read."""
    taken: list[bytes] = []

    def receive(arrived: Iterable[tuple[bytes, tuple[str, int]]]) -> None:
        for data, _source in arrived:
            taken.append(data)
            if data == b"bad":
                raise ZeroDivisionError

    service = UdpListener(reactor=reactor, config=ListenConfig(port=0), receiver=receive)
    service.startService()
    with sender() as sock, capturedLogs() as events:
        for data in (b"bad", b"bad", b"good"):
            sock.sendto(data, ("127.0.0.1", service.port))
        while len(taken) < 3:
            await deferLater(reactor, 0.01)
    await service.stopService()
    assert taken == [b"bad", b"bad", b"good"]
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]


def test_a_buffer_that_systemd_made_larger_than_we_may_ask_for_stays() -> None:
    """The kernel would cut it down to ``rmem_max`` otherwise; asking for less than there is still works."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        limit = enlarge_receive_buffer(_Unprivileged(socket.AF_INET, socket.SOCK_DGRAM), 1 << 30)
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 2 * limit)
        except PermissionError:
            pytest.skip("needs CAP_NET_ADMIN to be systemd")
        with _Unprivileged(fileno=sock.detach()) as ours:
            assert enlarge_receive_buffer(ours, 4 * limit) == 2 * limit
            assert enlarge_receive_buffer(ours, 65536) == 65536


class _Unprivileged(socket.socket):
    """Without CAP_NET_ADMIN."""

    def setsockopt(self, level: int, name: int, value: Any) -> None:  # type: ignore[override]
        if name == SO_RCVBUFFORCE:
            raise PermissionError
        super().setsockopt(level, name, value)
