"""Tunnels against a plain grpc.aio server over loopback: bytes both ways, cuts, KILL, RESTART, back pressure."""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import Any

from twisted.logger import globalLogPublisher

import pytest

from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.bgp.replay import SETTLED_SECONDS
from kproxy_tw.bgp.upstream.tunnel import GrpcTunnel
from tests.bgp.agent import Router, ask, connect, on_asyncio, running, until
from tests.bgp.grpc_backend import FakeBackend, Relay, Session, allow, echo, give, serving, take


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that show any change of order."""
    return random.Random(seed).randbytes(size)  # noqa: S311


@on_asyncio
async def test_bytes_go_both_ways() -> None:
    """What the router says arrives, and what the backend says comes back; the description is complete."""
    backend, router = FakeBackend(), Router()
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router, metadata={"backend-pin": ("p1",)})
        tunnel.write(b"hello")
        tunnel.write(b" world")
        await until(lambda: router.data == b"hello world")
        assert router.resumes == [0]
        assert router.metadata["counter-up"] == ("0",)
        tunnel.close("router left")
    wanted = {"backend-pin": "p1", "session-id": "s1", "device-ip": "10.0.0.1", "proto": "BGP", "counter-up": "0"}
    assert wanted.items() <= backend.metadata[0].items()


@on_asyncio
async def test_documented_log_line() -> None:
    """Opening a stream is logged with the fields of the public documentation, without the token."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)  # type: ignore[arg-type]
    backend, router = FakeBackend(), Router()
    try:
        async with serving(backend) as port, running(port) as client:
            connect(client, router, company_id=1289, device_name="r1", device_id=5)
            await until(lambda: router.resumes)
    finally:
        globalLogPublisher.removeObserver(events.append)  # type: ignore[arg-type]
    (line,) = [event for event in events if event.get("log_format") == "opening Data stream"]
    assert (line["device"], line["session_id"]) == ("1289:r1:5-ipv4", "s1")
    assert (line["peer_addr"], line["local_addr"]) == ("10.0.0.1:40000", "10.0.0.9:179")
    assert line["client_metadata"]["x-ch-auth-api-token"] == ["***"]
    assert "s3cret" not in repr(events)


@on_asyncio
async def test_close_sends_what_is_held() -> None:
    """The last bytes of a router, its NOTIFICATION for example, arrive before the half-close."""
    backend, router = FakeBackend(), Router()
    data = noise(300_000)
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router)
        tunnel.write(data)
        tunnel.close("router left")
        await until(lambda: backend.sessions and backend.sessions["s1"].received == data)
    assert router.ended is None


@on_asyncio
async def test_backend_closes() -> None:
    """A stream that ends well closes the router's connection after the bytes under way."""

    async def farewell(session: Session, context: Any) -> None:
        await give(session, context, b"good bye")

    backend, router = FakeBackend(), Router()
    backend.script = farewell
    async with serving(backend) as port, running(port) as client:
        connect(client, router)
        await until(lambda: router.ended)
    assert router.data == b"good bye"
    assert router.ended == ("the backend closed the session", False)


@on_asyncio
async def test_kill() -> None:
    """KILL aborts the connection and drops the cached reply."""

    async def kill(session: Session, context: Any) -> None:
        await context.write(ktbgp_pb2.DataResponse(action=ktbgp_pb2.DATA_ACTION_KILL, data=[b"not this"]))
        await context.read()

    backend, router = FakeBackend(), Router()
    backend.reply = lambda request: allow(request, ttl_seconds=600)
    backend.script = kill
    async with serving(backend) as port, running(port) as client:
        await ask(client)
        connect(client, router)
        await until(lambda: router.ended)
        await ask(client)
    assert (router.ended, router.data) == (("the backend asked to abort the session", True), b"")
    assert len(backend.asked) == 2


@on_asyncio
async def test_refused_for_good() -> None:
    """A status that says no is not tried again."""
    import grpc

    async def refuse(session: Session, context: Any) -> None:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")

    backend, router = FakeBackend(), Router()
    backend.script, backend.tells_counts = refuse, False
    async with serving(backend) as port, running(port) as client:
        connect(client, router)
        await until(lambda: router.ended)
    assert router.ended is not None
    assert "PERMISSION_DENIED" in router.ended[0]
    assert "not yours" in router.ended[0]
    assert (router.resumes, backend.sessions["s1"].streams) == ([], 1)


@on_asyncio
async def test_resumes_after_cuts_without_a_wrong_byte() -> None:
    """While bytes flow both ways the path is cut again and again; both ends have every byte, once."""
    backend, router = FakeBackend(), Router()
    data = noise(3_000_000)
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port) as client:
            tunnel = connect(client, router)
            for start in range(0, len(data), 20_000):
                tunnel.write(data[start : start + 20_000])
                await asyncio.sleep(0.004)
                if start in (400_000, 1_000_000, 2_000_000):
                    await relay.cut()
                    await relay.start()
                await until(lambda: tunnel.held_bytes < 400_000)
            await until(lambda: len(router.data) == len(data))
        await relay.cut()
    assert router.data == data
    assert backend.sessions["s1"].received == data
    assert router.resumes == [0, 1, 2, 3]
    assert len(router.interruptions) == 3


@on_asyncio
async def test_gap_ends_the_session() -> None:
    """A backend that has forgotten the session cannot get bytes that are no longer there: the router is reset."""
    backend, router = FakeBackend(), Router()
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port) as client:
            tunnel = connect(client, router)
            tunnel.write(b"hello")
            await until(lambda: router.data == b"hello")
            await relay.cut()
            backend.sessions.clear()
            await relay.start()
            await until(lambda: router.ended)
        await relay.cut()
    assert router.ended is not None
    reason, abort = router.ended
    assert abort
    assert "0 messages sent, of which 1 were read" in reason


@on_asyncio
async def test_backend_without_counts_cannot_resume() -> None:
    """A server that tells no counts serves a session, but not a second stream of it."""
    backend, router = FakeBackend(), Router()
    backend.tells_counts = False
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port) as client:
            tunnel = connect(client, router)
            tunnel.write(b"hello")
            await until(lambda: router.data == b"hello")
            await relay.cut()
            await relay.start()
            await until(lambda: router.ended)
        await relay.cut()
    assert router.ended == ("the session could not be resumed: the other end tells no counts", True)


@pytest.mark.parametrize("hold_seconds", [0.0, 0.5])
@on_asyncio
async def test_gives_up_after_the_limit_and_the_hold_time(hold_seconds: float) -> None:
    """A path that stays away ends the session after ``resume_seconds`` and the hold time, not before."""
    backend, router = FakeBackend(), Router()
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port, resume_seconds=0.5) as client:
            tunnel = connect(client, router)
            if hold_seconds:
                tunnel.allow(hold_seconds)
            tunnel.write(b"hello")
            await until(lambda: router.data == b"hello")
            await relay.cut()
            began = asyncio.get_running_loop().time()
            await until(lambda: router.ended)
            took = asyncio.get_running_loop().time() - began
    assert 0.5 + hold_seconds - 0.25 < took < 0.5 + hold_seconds + 0.3
    assert router.ended is not None
    reason, abort = router.ended
    assert "no way to the backend" in reason
    assert "refused the connection" in reason
    assert not abort


@on_asyncio
async def test_first_stream_that_never_comes_up() -> None:
    """A session that cannot begin is closed within the limit, without ever having been open."""
    router = Router()
    async with serving(FakeBackend()) as port:
        pass
    async with running(port, resume_seconds=0.4) as client:
        connect(client, router).write(b"OPEN")
        await until(lambda: router.ended)
    assert (router.resumes, router.interruptions) == ([], [])


@on_asyncio
async def test_restart() -> None:
    """The backend asks for a new stream: ours ends with RESTART, the next one goes on where both were."""

    async def restart(session: Session, context: Any) -> None:
        if session.streams > 1:
            return await echo(session, context)
        await give(session, context, (await take(session, context) or ktbgp_pb2.DataRequest()).data[0])
        session.sent.append(b"")
        await context.write(ktbgp_pb2.DataResponse(action=ktbgp_pb2.DATA_ACTION_RESTART))
        while (request := await take(session, context)) is not None:
            actions.append(request.action)
        return None

    actions: list[int] = []
    backend, router = FakeBackend(), Router()
    backend.script = restart
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router)
        tunnel.write(b"one")
        await until(lambda: router.resumes == [0, 1])
        tunnel.write(b"two")
        await until(lambda: router.data == b"onetwo")
    assert actions == [ktbgp_pb2.DATA_ACTION_RESTART]
    assert (backend.metadata[1]["counter-up"], backend.metadata[1]["counter-down"]) == ("2", "2")
    assert backend.sessions["s1"].received == b"onetwo"


@on_asyncio
async def test_backend_that_does_not_read_pauses_the_router() -> None:
    """Bytes for a backend that stands still are held up to a bound; then the router is paused, and resumed later."""
    go = asyncio.Event()

    async def slow(session: Session, context: Any) -> None:
        await go.wait()
        await echo(session, context)

    backend, router = FakeBackend(), Router()
    backend.script = slow
    data = noise(8_000_000)
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router)
        sent = 0
        while not router.paused:
            tunnel.write(data[sent : sent + 65536])
            sent += 65536
            await asyncio.sleep(0)
        assert tunnel.held_bytes <= 1 << 20
        assert not router.resumed
        go.set()
        await until(lambda: router.resumed and len(router.data) == sent)
    assert router.data == data[:sent]


@on_asyncio
async def test_router_that_does_not_read_pauses_the_backend() -> None:
    """While the router stands still no byte is given, the backend stops soon; another session goes on."""
    written = 0

    async def flood(session: Session, context: Any) -> None:
        nonlocal written
        if dict(context.invocation_metadata())["session-id"] == "s2":
            return await echo(session, context)
        for number in range(100):
            await give(session, context, noise(65536, number))
            written += 65536
        return None

    backend, router, other = FakeBackend(), Router(), Router()
    backend.script = flood
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router)
        tunnel.pause()
        second = connect(client, other, "s2")
        second.write(b"ping")
        await until(lambda: other.data == b"ping")
        await asyncio.sleep(0.3)
        assert len(router.data) <= 65536
        assert written <= 1 << 20
        second.write(b"pong")
        await until(lambda: other.data == b"pingpong")
        tunnel.proceed()
        await until(lambda: router.ended)
    assert router.data == b"".join(noise(65536, number) for number in range(100))


@on_asyncio
async def test_sessions_share_connections() -> None:
    """``multi`` sessions use one HTTP/2 connection, the next one a new one; control has its own."""
    backend = FakeBackend()
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port, multi=2) as client:
            await ask(client)
            routers = [Router() for _ in range(5)]
            for number, router in enumerate(routers):
                connect(client, router, f"s{number}")
            await until(lambda: all(router.resumes for router in routers))
            assert (relay.connections, len(backend.peers)) == (4, 3)
        await relay.cut()


@on_asyncio
async def test_small_messages_are_coalesced() -> None:
    """What is written while a message is on its way shares the next one."""
    backend, router = FakeBackend(), Router()
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router)
        for number in range(1000):
            tunnel.write(b"%04d" % number)
        await until(lambda: len(router.data) == 4000)
    assert backend.sessions["s1"].messages_received < 20
    assert router.data == b"".join(b"%04d" % number for number in range(1000))


@on_asyncio
async def test_frozen_path_is_resumed() -> None:
    """Bytes that stand still on the way and then go on are no reason to break anything."""
    backend, router = FakeBackend(), Router()
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port) as client:
            tunnel = connect(client, router)
            tunnel.write(b"one")
            await until(lambda: router.data == b"one")
            relay.freeze()
            tunnel.write(b"two")
            await asyncio.sleep(0.5)
            relay.thaw()
            await until(lambda: router.data == b"onetwo")
        await relay.cut()
    assert (router.resumes, router.interruptions) == ([0], [])


@on_asyncio
async def test_session_at_rest_holds_nothing() -> None:
    """What has long arrived is not kept for a replay, as long as the stream is up."""
    backend, router = FakeBackend(), Router()
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router)
        assert isinstance(tunnel, GrpcTunnel)
        tunnel.write(noise(500_000))
        await until(lambda: len(router.data) == 500_000)
        now = monotonic()
        tunnel.settle(now + SETTLED_SECONDS - 5)
        assert tunnel.replay_weight >= 500_000
        tunnel.settle(now + SETTLED_SECONDS + 5)
        assert tunnel.replay_weight == 0


@on_asyncio
async def test_children_do_not_disturb_streams() -> None:
    """A child process may be started while streams are open, as the capture of signed SYNs is."""
    backend, router = FakeBackend(), Router()
    async with serving(backend) as port, running(port) as client:
        tunnel = connect(client, router)
        for number in range(5):
            tunnel.write(b"%d" % number)
            child = await asyncio.create_subprocess_exec("true")
            assert await child.wait() == 0
        await until(lambda: router.data == b"01234")
    assert router.interruptions == []
