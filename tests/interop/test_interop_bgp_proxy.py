"""A real HAProxy in front of kbgp's edge: the router's own address arrives."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from twisted.internet.threads import deferToThread

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.testing.processes import Daemon, free_port
from tests.bgp.bgp_messages import KEEPALIVE, open_message
from tests.bgp.edge import edge, read
from tests.interop.peers import need, wait_until

ROUTER = "127.0.7.7"

CONFIGURATION = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen bgp
    bind 127.0.0.1:{port}
    server kbgp 127.0.0.1:{edge} {how}
"""


def connected(port: int) -> socket.socket | None:
    """Connect as the router, once HAProxy listens."""
    router = socket.socket()
    router.settimeout(10)
    router.bind((ROUTER, 0))
    try:
        router.connect(("127.0.0.1", port))
    except ConnectionRefusedError:
        router.close()
        return None
    return router


def connect(port: int) -> socket.socket:
    """The same, with patience."""
    found: list[socket.socket] = []

    def there() -> bool:
        found.extend(filter(None, [connected(port)]))
        return bool(found)

    wait_until(there)
    return found[0]


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2"])
@ensureDeferred
async def test_haproxy(how: str, tmp_path: Path) -> None:
    """Both versions of the header, from the program that invented them."""
    need("haproxy")
    one, port = edge(proxies="127.0.0.1"), free_port()
    (tmp_path / "haproxy.cfg").write_text(CONFIGURATION.format(port=port, edge=one.port, how=how))
    with Daemon(
        [shutil.which("haproxy") or "haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")], log=tmp_path / "haproxy.log"
    ):
        router = await deferToThread(connect, port)
        with router:
            router.sendall(open_message())
            tunnel = await one.tunnel()
            place = tunnel.connection
            assert (place.device_ip, place.device_port) == router.getsockname()
            assert (place.proxy_ip, place.proxy_port) == ("127.0.0.1", port)
            await one.until(lambda: tunnel.written == open_message())
            tunnel.events.received(KEEPALIVE)
            assert await read(router, len(KEEPALIVE)) == KEEPALIVE
    await one.until(lambda: tunnel.closed)
    await one.stop()
