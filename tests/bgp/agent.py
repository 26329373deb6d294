"""The agent's side for the tests: a client that runs, and a router that keeps all it is told."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet.defer import Deferred

from kproxy_tw.bgp.client import GrpcBackend
from kproxy_tw.bgp.interfaces import Connection, Parameters, Tunnel
from kproxy_tw.bgp.metadata import Caller
from kproxy_tw.bgp.upstream.config import BackendConfig

CALLER = Caller(email="a@example.com", token="s3cret", version="1.0", instance="i1", site_id=3)
WAIT = 10.0


def on_asyncio(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    """Run a test as a task of the reactor's event loop."""

    @functools.wraps(test)
    async def run(**fixtures: Any) -> None:
        async with asyncio.timeout(30):
            await test(**fixtures)

    @functools.wraps(test)
    def outer(**fixtures: Any) -> Any:
        return Deferred.fromFuture(asyncio.ensure_future(run(**fixtures)))

    return outer


class Router:
    """What a session of a router would do: keeps all it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.resumes: list[int] = []
        self.metadata: Mapping[str, tuple[str, ...]] = {}
        self.interruptions: list[str] = []
        self.paused = 0
        self.resumed = 0
        self.ended: tuple[str, bool] | None = None

    def opened(self, server_metadata: Mapping[str, tuple[str, ...]], resumes: int) -> None:
        """A stream is up."""
        self.metadata = server_metadata
        self.resumes.append(resumes)

    def interrupted(self, reason: str) -> None:
        """The stream broke."""
        self.interruptions.append(reason)

    def received(self, data: bytes) -> None:
        """Bytes of the backend."""
        assert self.ended is None
        self.data += data

    def pause(self) -> None:
        """Read no more from the router."""
        self.paused += 1

    def resume(self) -> None:
        """Read again."""
        self.resumed += 1

    def closed(self, reason: str, *, abort: bool) -> None:
        """The end."""
        assert self.ended is None
        self.ended = reason, abort


async def until(condition: Callable[[], object], seconds: float = WAIT) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(port: int, **settings: Any) -> AsyncIterator[GrpcBackend]:
    """A backend client that is connected, or tries to be."""
    from twisted.internet import reactor

    fast = {"backoff_seconds": 0.1, "max_backoff_seconds": 0.2, "retry_seconds": 0.05, "max_retry_seconds": 0.2}
    config = BackendConfig(**{"target": f"127.0.0.1:{port}", "insecure": True, **fast, **settings})
    client = GrpcBackend(reactor=reactor, config=config, caller=CALLER)
    client.startService()
    try:
        yield client
    finally:
        await client.stopService().asFuture(asyncio.get_running_loop())


def ask(client: GrpcBackend, device_ip: str = "10.0.0.1") -> Awaitable[Parameters]:
    """Ask about a router, as the edge does."""
    question = client.parameters(device_ip=device_ip, device_port=40000, proxy_ip="10.0.0.9", proxy_port=179)
    return Deferred.fromCoroutine(question).asFuture(asyncio.get_running_loop())


def connect(client: GrpcBackend, router: Router, session_id: str = "s1", **parameters: Any) -> Tunnel:
    """Open a tunnel for a router."""
    connection = Connection(
        session_id=session_id, device_ip="10.0.0.1", device_port=40000, proxy_ip="10.0.0.9", proxy_port=179
    )
    return client.open_tunnel(connection, Parameters(device_ip="10.0.0.1", **parameters), router)
