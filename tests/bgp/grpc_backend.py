"""A backend written with plain grpc.aio, in this process, and a relay in front of it that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.bgp.proto.ktbgp_pb2_grpc import ProxyServiceServicer, add_ProxyServiceServicer_to_server

Reply = ktbgp_pb2.ControlResponse


def allow(request: ktbgp_pb2.ControlRequest, **fields: Any) -> Reply:
    """Answer a question: let the router in."""
    return Reply(proto="BGP", device_ip=request.device_ip, device_id=7, device_name="r1", **fields)


class Session:
    """What a backend knows of one session, counted independently of our code."""

    def __init__(self) -> None:
        self.received = b""
        self.messages_received = 0
        self.sent: list[bytes] = []
        self.streams = 0


class FakeBackend(ProxyServiceServicer):
    """Answers Control by ``reply``; on Data echoes what comes, unless ``script`` does something else."""

    def __init__(self) -> None:
        self.reply: Callable[[ktbgp_pb2.ControlRequest], Reply | None] = allow
        self.script: Callable[[Session, Any], Any] | None = None
        self.asked: list[ktbgp_pb2.ControlRequest] = []
        self.heartbeats = 0
        self.answers_heartbeats = True
        self.metadata: list[dict[str, str]] = []
        self.control_metadata: list[dict[str, str]] = []
        self.sessions: dict[str, Session] = {}
        self.controls: list[Any] = []
        self.tells_counts = True
        self.peers: set[str] = set()

    async def Control(self, _requests: Any, context: Any) -> None:  # noqa: N802
        """Answer questions until the agent leaves."""
        self.controls.append(context)
        self.control_metadata.append(dict(context.invocation_metadata()))
        while (request := await context.read()) is not grpc.aio.EOF:
            if request.action == ktbgp_pb2.CONTROL_ACTION_KEEPALIVE:
                self.heartbeats += 1
                if self.answers_heartbeats:
                    await context.write(Reply(action=ktbgp_pb2.CONTROL_ACTION_KEEPALIVE))
                continue
            self.asked.append(request)
            reply = self.reply(request)
            if reply is not None:
                await context.write(reply)

    async def Data(self, _requests: Any, context: Any) -> None:  # noqa: N802
        """Serve one stream of a session."""
        metadata = dict(context.invocation_metadata())
        self.metadata.append(metadata)
        self.peers.add(context.peer())
        session = self.sessions.setdefault(metadata["session-id"], Session())
        session.streams += 1
        if self.tells_counts:
            counts = (("counter-up", str(session.messages_received)), ("counter-down", str(len(session.sent))))
            await context.send_initial_metadata(counts)
        elif session.streams > 1:
            await context.send_initial_metadata(())
        for data in session.sent[int(metadata["counter-down"]) :]:
            await context.write(ktbgp_pb2.DataResponse(data=[data]))
        await (self.script or echo)(session, context)


async def take(session: Session, context: Any) -> ktbgp_pb2.DataRequest | None:
    """Read and count one message; ``None`` at the end."""
    request = await context.read()
    if request is grpc.aio.EOF:
        return None
    session.messages_received += 1
    session.received += b"".join(request.data)
    assert isinstance(request, ktbgp_pb2.DataRequest)
    return request


async def give(session: Session, context: Any, data: bytes) -> None:
    """Number and write one message."""
    session.sent.append(data)
    await context.write(ktbgp_pb2.DataResponse(data=[data[:3], data[3:]]))


async def echo(session: Session, context: Any) -> None:
    """Send everything back until the agent half-closes."""
    while (request := await take(session, context)) is not None:
        await give(session, context, b"".join(request.data))


@asynccontextmanager
async def serving(
    backend: FakeBackend, port: int = 0, credentials: Any = None, options: Any = ()
) -> AsyncIterator[int]:
    """Serve on a port of this machine."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), *options))
    add_ProxyServiceServicer_to_server(backend, server)
    if credentials is None:
        port = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        port = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


class Relay:
    """A TCP relay: ``cut`` resets all connections and refuses new ones, ``freeze`` lets no byte pass."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset what there is and listen no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0.01)

    def freeze(self) -> None:
        """Hold all bytes back."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let them pass again."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, here = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, here]
        for source, sink in ((reader, here), (there, writer)):
            task = asyncio.get_running_loop().create_task(self._copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        except (ConnectionError, OSError):
            return
        finally:
            sink.close()
