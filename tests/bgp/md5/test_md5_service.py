"""The whole service over loopback: real SYNs, the real child, the real kernel; only the backend is made up."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.task import deferLater

import attrs
import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred

from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.md5.capabilities import capability_sets, capture_problem, set_capabilities
from kproxy_tw.bgp.md5.config import Md5Config
from kproxy_tw.bgp.md5.service import Md5Service
from kproxy_tw.bgp.md5.sockopt import key_option
from kproxy_tw.bgp.md5.store import md5_problem
from kproxy_tw.bgp.md5.verdict import Verdict

PROBLEM = capture_problem() or md5_problem()
pytestmark = pytest.mark.skipif(bool(PROBLEM), reason=f"NOT TESTED: {PROBLEM}")

reactor: Any = _reactor

ROUTER, OTHER, STRANGER = "127.0.0.5", "127.0.0.6", "127.0.0.7"
WAIT_SECONDS = 15.0


class Keys:
    """A backend that knows keys."""

    def __init__(self) -> None:
        self.keys = {ROUTER: b"right", "::1": b"right", OTHER: b"right"}

    async def parameters(self, *, device_ip: str, device_port: int, proxy_ip: str, proxy_port: int) -> Parameters:
        """Answer."""
        return Parameters(device_ip=device_ip, tcp_md5=self.keys.get(device_ip, b""))

    def forget(self, device_ip: str) -> None:
        """Nothing is kept."""

    def on_pushed(self, callback: Callable[[Parameters], None]) -> None:
        """Nothing is pushed."""


@attrs.define
class Running:
    """A started service, its listener for both IP versions, and the routers' sockets."""

    service: Md5Service
    listener: socket.socket
    sockets: list[socket.socket] = attrs.field(factory=list)

    def router(self, source: str, key: bytes) -> socket.socket:
        """Begin to connect; the kernel repeats the SYN by itself."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        self.sockets.append(sock)
        target = "::1" if ":" in source else "127.0.0.1"
        sock.bind((source, 0))
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, *key_option(ip_network(target), key, family=family))
        sock.connect_ex((target, self.listener.getsockname()[1]))
        return sock


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    for _turn in range(int(WAIT_SECONDS / 0.05)):
        if condition():
            return
        await deferLater(reactor, 0.05)
    raise AssertionError("it does not hold in time")


@pytest_twisted.async_yield_fixture
async def running() -> AsyncIterator[Running]:
    """A service that watches."""
    capabilities = capability_sets()
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        service = Md5Service(
            reactor=reactor,
            backend=Keys(),
            config=Md5Config(interface="lo", ports=(listener.getsockname()[1],)),
            listeners=lambda: [listener],
        )
        service.startService()
        scene = Running(service, listener)
        await until(lambda: service.status().capturing)
        yield scene
        await service.stopService()
        for sock in scene.sockets:
            sock.close()
    set_capabilities(capabilities)


def connected(sock: socket.socket) -> bool:
    """Whether the handshake is over."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


@ensureDeferred
async def test_keys_are_learned_from_syns(running: Running) -> None:
    """Routers that nobody announced connect with their second SYN, over IPv4 and IPv6; the wrong ones are named."""
    good = [running.router(ROUTER, b"right"), running.router("::1", b"right")]
    bad = [running.router(OTHER, b"wrong"), running.router(STRANGER, b"any")]
    await until(lambda: all(map(connected, good)) and len(running.service.status().peers) == 4)
    assert not any(map(connected, bad))
    status = running.service.status()
    assert set(status.networks) == {ROUTER, "::1"}
    assert {peer.address: peer.verdict for peer in status.peers} == {
        ROUTER: Verdict.SIGNED,
        "::1": Verdict.SIGNED,
        OTHER: Verdict.WRONG_KEY,
        STRANGER: Verdict.UNEXPECTED_KEY,
    }


@ensureDeferred
async def test_a_killed_child_is_replaced(running: Running) -> None:
    """Within two seconds there is another one, and routers are learned again."""
    before = running.service.status()
    os.kill(before.pid, signal.SIGKILL)
    began = reactor.seconds()
    await until(lambda: running.service.status().pid not in (0, before.pid))
    assert reactor.seconds() - began < 2.0
    await until(lambda: running.service.status().capturing)
    router = running.router(ROUTER, b"right")
    await until(lambda: connected(router))
    assert running.service.status().restarts == 1


@ensureDeferred
async def test_this_process_lays_the_capability_down(running: Running) -> None:
    """While the child watches, its parent cannot open raw sockets."""
    with pytest.raises(PermissionError):
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    assert running.service.status().problem == ""
