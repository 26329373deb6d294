"""Copies of what comes in: to whom, as whose, and what becomes of those that cannot be sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.task import Clock

import pytest

from kproxy_tw.errors import ConfigError
from kproxy_tw.listen.proxied import unwrapped
from kproxy_tw.listen.tee.config import TeeTarget, tee_targets
from kproxy_tw.listen.tee.senders import MAX_SOCKETS
from kproxy_tw.listen.tee.tee import Tee

Arrived = tuple[bytes, tuple[str, int]]

EXPORTER = ("192.0.2.7", 2055)
FLOW = [(b"first", EXPORTER), (b"second" * 10_000, EXPORTER), (b"third", ("2001:db8::7", 9))]

may_spoof = pytest.mark.skipif(os.geteuid() != 0, reason="needs CAP_NET_RAW")


@contextmanager
def collector(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Somebody who gets copies."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.settimeout(5)
        yield sock


def target(sock: socket.socket, source: str = "") -> TeeTarget:
    """The collector as a target."""
    host, port = sock.getsockname()[:2]
    return TeeTarget(host, port, source)


@contextmanager
def tee(*targets: TeeTarget) -> Iterator[tuple[Tee, list[Arrived]]]:
    """A running service, and what it hands on."""
    taken: list[Arrived] = []
    service = Tee(reactor=Clock(), targets=targets, receiver=taken.extend)
    service.open()
    yield service, taken
    service.close()


def test_a_copy_of_everything() -> None:
    """To all targets, with what comes in handed on as before."""
    with collector() as one, collector("::1") as two, tee(target(one), target(two)) as (service, taken):
        service(FLOW)
        assert taken == FLOW
        for sock in (one, two):
            assert [sock.recvfrom(65536)[0] for _copy in FLOW] == [data for data, _exporter in FLOW]
        assert [(status.sent, status.lost) for status in service.status()] == [(3, 0)] * 2


def test_from_an_address_that_was_chosen() -> None:
    """One of this machine."""
    with collector() as sock, tee(target(sock, "127.0.0.77")) as (service, _taken):
        service(FLOW[:1])
        assert sock.recvfrom(100)[1][0] == "127.0.0.77"


def test_with_the_exporter_in_a_header() -> None:
    """As another kproxy with ``-proxy_protocol`` reads it, of either family."""
    with collector() as sock, tee(target(sock, "proxy")) as (service, _taken):
        service(FLOW)
        assert [unwrapped(sock.recv(65536), ("", 0)) for _copy in FLOW] == FLOW


@may_spoof
@pytest.mark.parametrize(("host", "exporter"), [("127.0.0.1", ("192.0.2.7", 2055)), ("::1", ("2001:db8::7", 2055))])
def test_as_the_exporters(host: str, exporter: tuple[str, int]) -> None:
    """Address and port are the exporter's; fragments, too."""
    arrived = [(b"first", exporter), (b"second" * 10_000, exporter)]
    with collector(host) as sock, tee(target(sock, "exporter")) as (service, _taken):
        service(arrived)
        got = [sock.recvfrom(65536) for _copy in arrived]
        assert [(data, source[:2]) for data, source in got] == arrived


@may_spoof
def test_as_an_exporter_of_this_machine() -> None:
    """Its port is taken: the address is right all the same."""
    with collector("127.0.0.7") as exporter, collector() as sock, tee(target(sock, "exporter")) as (service, _taken):
        service([(b"x", exporter.getsockname())])
        assert sock.recvfrom(10)[1][0] == "127.0.0.7"


@may_spoof
def test_few_sockets_however_many_exporters() -> None:
    """One that was silent longest makes room."""
    before = len(os.listdir("/proc/self/fd"))
    with collector() as sock, tee(target(sock, "exporter")) as (service, _taken):
        for number in range(MAX_SOCKETS + 20):
            service([(b"x", ("192.0.2.7", 1000 + number))])
            assert sock.recvfrom(10)[1] == ("192.0.2.7", 1000 + number)
        assert len(os.listdir("/proc/self/fd")) <= before + MAX_SOCKETS + 1
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_cannot_be_sent_is_counted() -> None:
    """And what comes in is taken all the same."""
    with collector() as gone:
        nobody = target(gone)
    with collector() as sock, tee(nobody, target(sock)) as (service, taken):
        for _time in range(4):
            service(FLOW[:1])
            sock.recv(10)  # by then the kernel has told that nobody listens
        first, second = service.status()
        assert (first.sent + first.lost, second.sent, len(taken)) == (4, 4, 4)
        assert (first.lost > 0, first.problem, second.problem) == (True, "Connection refused", "")


def test_a_target_without_a_way() -> None:
    """A source that is not ours: said at the start, on the page, and nothing else happens."""
    with tee(TeeTarget("127.0.0.1", 9, "192.0.2.99")) as (service, taken):
        service(FLOW)
        assert taken == FLOW
        (status,) = service.status()
        assert (status.sent, status.lost, status.problem) == (0, 3, "Cannot assign requested address")


def test_nothing_goes_back_to_where_it_came_from() -> None:
    """Two proxies that copy to each other must not send one datagram for ever."""
    with collector() as sock, tee(target(sock)) as (service, taken):
        service([(b"x", ("127.0.0.1", 5)), *FLOW[:1]])
        assert (sock.recv(10), len(taken), service.status()[0].sent) == (b"first", 2, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, ()),
        ("192.0.2.9:2055", (TeeTarget("192.0.2.9", 2055),)),
        ("[2001:db8::9]:2055", (TeeTarget("2001:db8::9", 2055),)),
        ("192.0.2.1:192.0.2.9:2055", (TeeTarget("192.0.2.9", 2055, "192.0.2.1"),)),
        ("[2001:db8::1]:[2001:db8::9]:2055", (TeeTarget("2001:db8::9", 2055, "2001:db8::1"),)),
        (
            "exporter:192.0.2.9:1, proxy:[2001:db8::9]:2",
            (TeeTarget("192.0.2.9", 1, "exporter"), TeeTarget("2001:db8::9", 2, "proxy")),
        ),
    ],
)
def test_the_flag(text: str | None, found: tuple[TeeTarget, ...]) -> None:
    """The documented form, several targets, and the two words."""
    assert tee_targets(text, ("198.51.100.1",), 9995) == found


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.9",
        "collector:2055",
        "192.0.2.9:0",
        "192.0.2.9:99999",
        "spoof:192.0.2.9:1",
        "192.0.2.1:[2001:db8::9]:1",
        "127.0.0.1:9995",
        "198.51.100.1:9995",
        ",".join(f"192.0.2.{number}:1" for number in range(17)),
    ],
)
def test_the_flag_when_it_cannot_work(text: str) -> None:
    """Names are no addresses, ports have bounds, families do not mix, and nobody copies to themselves."""
    with pytest.raises(ConfigError, match="tee_kproxy"):
        tee_targets(text, ("198.51.100.1",), 9995)
