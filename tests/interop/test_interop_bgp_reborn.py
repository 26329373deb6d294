"""A router that loses its power says no farewell: across namespaces, its return takes over its session."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import attrs
import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.bgp.config import ListenAddress
from tests.bgp.bgp_messages import open_message
from tests.bgp.edge import edge
from tests.interop.namespaces import Namespace, need_namespaces

NETWORK = 41
AGENT, ROUTER = f"10.{NETWORK}.0.2", f"10.{NETWORK}.0.1"


@attrs.frozen
class Place:
    """A router's network and the agent's, with a cable between them."""

    router: Namespace
    agent: Namespace

    def connect(self, port: int) -> socket.socket:
        """Connect as the router does, and say OPEN."""
        with self.router.entered():
            connection = socket.create_connection((AGENT, port), timeout=10)
        connection.sendall(open_message())
        return connection

    def power_off(self, connection: socket.socket) -> None:
        """End the router's side of a connection so that nobody is told."""
        self.router.cut("tagent")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


@pytest.fixture
def place() -> Iterator[Place]:
    """Make it; it is gone afterwards."""
    need_namespaces()
    with Namespace("r") as router, Namespace("a") as agent:
        router.link(agent, str(NETWORK), names=("tagent", "trouter"))
        yield Place(router, agent)


@pytest.mark.parametrize("answers", [True, False], ids=["knows nothing of it", "drops what is old"])
@ensureDeferred
async def test_reborn(place: Place, answers: bool) -> None:
    """Whether the router's machine refuses the old connection or keeps silent about it, the new one is in at once."""
    with place.agent.entered():
        one = edge(listen=(ListenAddress(AGENT, 0),))
    old = place.connect(one.port)
    await one.tunnel()
    port = old.getsockname()[1]
    place.power_off(old)
    place.router.mend()
    if not answers:
        rules = f"type filter hook output priority 0; tcp sport {port} drop;"
        place.router.run("nft", f"table inet silent {{ chain o {{ {rules} }}; }}")
    began = time.monotonic()
    with place.connect(one.port):
        await one.until(lambda: len(one.backend.tunnels) == 2)
        took = time.monotonic() - began
        assert took < 6, took
        assert [ended.cause for ended in one.service.table.history()] == ["router_lost"]
        assert len(one.service.table) == 1
    await one.stop()
