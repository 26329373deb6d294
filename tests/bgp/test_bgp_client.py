"""GrpcBackend's control stream against a plain grpc.aio server over loopback."""

from __future__ import annotations

import asyncio

import pytest

from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.errors import BackendUnavailable
from tests.bgp.agent import ask, on_asyncio, running, until
from tests.bgp.grpc_backend import FakeBackend, Relay, allow, serving


@on_asyncio
async def test_asks_and_is_answered() -> None:
    """A question reaches the server with the connection's addresses; its answer comes back."""
    backend = FakeBackend()
    async with serving(backend) as port, running(port) as client:
        answer = await ask(client)
    assert (answer.device_ip, answer.device_id, answer.device_name, answer.blocked) == ("10.0.0.1", 7, "r1", False)
    asked = ktbgp_pb2.ControlRequest(
        proto="BGP", device_ip="10.0.0.1", device_port=40000, proxy_ip="10.0.0.9", proxy_port=179
    )
    assert backend.asked == [asked]


@on_asyncio
async def test_introduces_itself() -> None:
    """The control stream carries account, token, version, instance and site."""
    backend = FakeBackend()
    async with serving(backend) as port, running(port) as client:
        await until(lambda: client.status().connected)
    wanted = {
        "x-ch-auth-email": "a@example.com",
        "x-ch-auth-api-token": "s3cret",
        "version": "1.0",
        "instance": "i1",
        "sid": "3",
    }
    assert wanted.items() <= backend.control_metadata[0].items()


@on_asyncio
async def test_concurrent_questions_share_one_answer() -> None:
    """Ten connections of one router are one question."""
    backend = FakeBackend()
    async with serving(backend) as port, running(port) as client:
        answers = await asyncio.gather(*(ask(client) for _ in range(10)))
    assert len({answer.device_id for answer in answers}) == len(backend.asked) == 1


@on_asyncio
async def test_reply_is_used_again_as_allowed() -> None:
    """``ttl_counter`` 2 allows two more uses, after which the backend is asked again."""
    backend = FakeBackend()
    backend.reply = lambda request: allow(request, ttl_seconds=60, ttl_counter=2)
    async with serving(backend) as port, running(port) as client:
        for _ in range(4):
            await ask(client)
    assert len(backend.asked) == 2


@on_asyncio
async def test_blocked_router() -> None:
    """BLOCK_IP is an answer like others."""
    backend = FakeBackend()
    backend.reply = lambda request: allow(request, action=ktbgp_pb2.CONTROL_ACTION_BLOCK_IP, ttl_seconds=1200)
    async with serving(backend) as port, running(port) as client:
        answer = await ask(client)
        assert (answer.blocked, answer.ttl_seconds) == (True, 1200)


@on_asyncio
async def test_pushed_reply_is_told_and_kept() -> None:
    """What the backend sends unasked goes to whoever wants it, and answers the next question."""
    backend = FakeBackend()
    pushed: list[Parameters] = []
    async with serving(backend) as port, running(port) as client:
        client.on_pushed(pushed.append)
        await until(lambda: client.status().connected)
        reply = ktbgp_pb2.ControlResponse(
            proto="BGP",
            device_ip="::ffff:10.0.0.1",
            ttl_seconds=60,
            tcp_md5=b"key",
            metadata=[ktbgp_pb2.KeyVal(key="tcp-md5-prefix", val=["10.0.0.0/24"])],
        )
        await backend.controls[0].write(reply)
        await until(lambda: pushed)
        answer = await ask(client)
    assert pushed == [answer]
    assert (answer.tcp_md5, answer.metadata["tcp-md5-prefix"]) == (b"key", ("10.0.0.0/24",))
    assert backend.asked == []


@on_asyncio
async def test_no_answer_in_time() -> None:
    """A silent backend costs a bounded wait, and the error says so."""
    backend = FakeBackend()
    backend.reply = lambda request: None
    async with serving(backend) as port, running(port, question_seconds=0.3) as client:
        with pytest.raises(BackendUnavailable, match=r"no answer about 10\.0\.0\.1 within 0\.3 s"):
            await ask(client)


@on_asyncio
async def test_no_backend_at_all() -> None:
    """Without a backend the error and the status name the cause, and nothing of the token."""
    async with serving(FakeBackend()) as port:
        pass
    async with running(port, question_seconds=0.5) as client:
        with pytest.raises(BackendUnavailable, match="refused the connection"):
            await ask(client)
        assert not client.status().connected
        assert "s3cret" not in client.status().last_error
        assert client.status().last_sent is None


@on_asyncio
async def test_open_questions_survive_the_stream() -> None:
    """A question asked on a stream that breaks is asked again on the next one."""
    backend = FakeBackend()
    backend.reply = lambda request: None
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port) as client:
            question = asyncio.ensure_future(ask(client))
            await until(lambda: backend.asked)
            await relay.cut()
            backend.reply = allow
            await relay.start()
            assert (await question).device_id == 7
        await relay.cut()
    assert len(backend.asked) == 2


@on_asyncio
async def test_comes_back_after_a_cut() -> None:
    """The stream is kept for ever; the status tells each state."""
    backend = FakeBackend()
    async with serving(backend) as port:
        relay = Relay(port)
        await relay.start()
        async with running(relay.port) as client:
            await until(lambda: client.status().connected)
            await relay.cut()
            await until(lambda: not client.status().connected)
            assert client.status().last_error
            await relay.start()
            await until(lambda: client.status().connected)
            assert (client.status().last_error, len(backend.controls)) == ("", 2)
        await relay.cut()


@on_asyncio
async def test_heartbeats() -> None:
    """They go out with their period, and the round trip is measured."""
    backend = FakeBackend()
    async with serving(backend) as port, running(port, heartbeat_seconds=0.1) as client:
        await until(lambda: backend.heartbeats >= 4)
        status = client.status()
    assert status.messages_received >= 3
    assert status.last_sent is not None
    assert status.last_received is not None
    assert status.since is not None
    assert 0 <= status.last_received - status.since < 10
    assert 0 <= status.last_round_trip_ms < 1000


@on_asyncio
async def test_server_that_stops_answering_heartbeats() -> None:
    """Three missed answers of a server that answered before end the stream, and a new one begins."""
    backend = FakeBackend()
    async with serving(backend) as port, running(port, heartbeat_seconds=0.1) as client:
        await until(lambda: client.status().last_received)
        backend.answers_heartbeats = False
        await until(lambda: len(backend.controls) == 2)


@on_asyncio
async def test_server_that_never_answers_heartbeats() -> None:
    """It keeps its stream."""
    backend = FakeBackend()
    backend.answers_heartbeats = False
    async with serving(backend) as port, running(port, heartbeat_seconds=0.02) as client:
        await ask(client)
        await until(lambda: backend.heartbeats > 12)
        assert (client.status().connected, len(backend.controls)) == (True, 1)


@on_asyncio
async def test_reply_of_no_use() -> None:
    """A reply that cannot be read is dropped, and the stream goes on."""
    backend = FakeBackend()
    async with serving(backend) as port, running(port) as client:
        await until(lambda: client.status().connected)
        await backend.controls[0].write(ktbgp_pb2.ControlResponse(device_ip="nowhere"))
        assert (await ask(client)).device_id == 7
    assert len(backend.controls) == 1


@on_asyncio
async def test_forgotten_reply_is_asked_for_again() -> None:
    """After ``forget`` the backend is asked, however long the reply was good for."""
    backend = FakeBackend()
    backend.reply = lambda request: allow(request, ttl_seconds=600)
    async with serving(backend) as port, running(port) as client:
        await ask(client)
        client.forget("10.0.0.1")
        await ask(client)
    assert len(backend.asked) == 2


@on_asyncio
async def test_questions_end_with_the_service() -> None:
    """Nobody waits for a client that was stopped."""
    backend = FakeBackend()
    backend.reply = lambda request: None
    async with serving(backend) as port:
        async with running(port) as client:
            question = asyncio.ensure_future(ask(client))
            await until(lambda: backend.asked)
        with pytest.raises(BackendUnavailable, match="stopping"):
            await question
