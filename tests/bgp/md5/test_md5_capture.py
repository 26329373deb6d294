"""The capturing child as a process, on the loopback interface. Needs CAP_NET_RAW."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from kproxy_tw.bgp.md5.capabilities import capture_problem
from kproxy_tw.bgp.md5.capture.bpf import MOST_PORTS, program
from kproxy_tw.bgp.md5.digest import proves
from kproxy_tw.bgp.md5.record import RECORD_BYTES, Counts, Problem, Ready, Record, decode
from kproxy_tw.bgp.md5.sockopt import key_option
from kproxy_tw.bgp.md5.store import md5_problem
from kproxy_tw.bgp.md5.supervision import capture_command, capture_environment
from kproxy_tw.bgp.md5.syn import Syn
from kproxy_tw.testing.processes import free_port

PROBLEM = capture_problem() or md5_problem()
pytestmark = pytest.mark.skipif(bool(PROBLEM), reason=f"NOT TESTED: {PROBLEM}")

Child = subprocess.Popen[bytes]
Capture = Callable[[str, int], Child]


@contextmanager
def capture(interface: str, port: int) -> Iterator[Child]:
    """A child; killed at the end."""
    child = subprocess.Popen(
        capture_command(interface, (port,)),
        env=capture_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def read(child: Child) -> Record:
    """Its next record."""
    assert child.stdout is not None
    return decode(child.stdout.read(RECORD_BYTES))


def next_syn(child: Child) -> Syn:
    """Its next SYN."""
    while not isinstance(record := read(child), Syn):
        assert not isinstance(record, Problem)
    return record


def try_to_connect(source: str, target: str, port: int, key: bytes) -> None:
    """Send one SYN, signed when there is a key."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((source, 0))
        sock.setblocking(False)
        if key:
            sock.setsockopt(socket.IPPROTO_TCP, *key_option(ip_network(target), key, family=family))
        sock.connect_ex((target, port))


@pytest.mark.parametrize("interface", ["any", "lo"])
def test_it_reports_each_syn_once(interface: str) -> None:
    """Signed and not, IPv4 and IPv6, to our port: the parent can prove the key; other ports are not heard."""
    port = free_port()
    with capture(interface, port) as child:
        assert read(child) == Ready()
        try_to_connect("127.0.0.9", "127.0.0.1", port + 1, b"other port")
        try_to_connect("127.0.0.9", "127.0.0.1", port, b"right")
        try_to_connect("::1", "::1", port, b"right")
        try_to_connect("127.0.0.8", "127.0.0.1", port, b"")
        first, second, third = (next_syn(child) for _syn in range(3))
        while not isinstance(counts := read(child), Counts) or counts.syns < 3:
            assert not isinstance(counts, Syn)
    assert [str(syn.source) for syn in (first, second, third)] == ["127.0.0.9", "::1", "127.0.0.8"]
    assert [proves(syn, b"right") for syn in (first, second)] == [True, True]
    assert (counts.shed, counts.malformed) == (0, 0)  # what this host sent itself was not heard a second time
    assert (third.digest, first.interface) == (b"", socket.if_nametoindex("lo"))


def test_it_gives_up_everything() -> None:
    """No capability in any set, no way to new ones, nobody's user when it was root, four files."""
    with capture("any", free_port()) as child:
        assert read(child) == Ready()
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{child.pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert {int(status[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Amb")} == {0}
        assert (status["NoNewPrivs"], status["Uid"].split()[1] != "0") == ("1", True)
        limits = Path(f"/proc/{child.pid}/limits").read_text()
        assert "Max processes             0" in limits
        if os.getuid() == 0:
            assert int(status["CapBnd"], 16) == 0
            assert sorted(os.listdir(f"/proc/{child.pid}/fd")) == ["0", "1", "2", "3"]


def test_it_ends_when_its_parent_closes_the_pipe() -> None:
    """No orphan stays behind."""
    with capture("any", free_port()) as child:
        assert read(child) == Ready()
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(10) == 0


def test_an_interface_that_is_not_there() -> None:
    """It says so and ends."""
    with capture("nosuch0", free_port()) as child:
        assert read(child) == Problem(19)
        assert child.wait(10) == 1


def test_a_flood_does_not_block_it() -> None:
    """Nobody reads its pipe: it leaves SYNs out, and still ends when told to."""
    port = free_port()
    with capture("lo", port) as child:
        assert read(child) == Ready()
        for number in range(2000):
            source = f"127.1.{number // 250}.{number % 250 + 1}"
            try_to_connect(source, "127.0.0.1", port, b"")
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(10) == 0


@pytest.mark.parametrize("count", [0, MOST_PORTS + 1])
def test_how_many_ports_a_filter_can_have(count: int) -> None:
    """None is a mistake, and too many as well."""
    with pytest.raises(ValueError, match="ports"):
        program(list(range(1, count + 1)))
