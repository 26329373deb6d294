"""Sessions through a real kcollect: relay, resume, ends, and who gets which source address."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from kproxy_tw.bgp.proto.ktbgp_pb2 import DATA_ACTION_KILL, DATA_ACTION_RESTART, DataRequest
from tests.collector.bgp_target.target import (
    KEEPALIVE,
    SECONDS,
    Agent,
    BgpDaemon,
    Call,
    Target,
    bgp_open,
    device,
    read_exactly,
    running_target,
)

DEVICES = [
    device(1, "192.0.2.1"),
    device(2, "192.0.2.2"),
    device(3, "2001:db8::3"),
    device(4, "198.51.100.0/24"),
    device(5, "fe80::5"),
    device(6, "192.0.2.6"),
    device(7, "192.0.2.7"),
    device(8, "192.0.2.8"),
]
CEASE_RESET_HEADER = b"\x03\x06\x04"
CEASE_COLLISION = b"\xff" * 16 + b"\x00\x15\x03\x06\x07"


@pytest.fixture(scope="module")
def daemon() -> BgpDaemon:
    """The BGP daemon."""
    return BgpDaemon()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, daemon: BgpDaemon) -> Iterator[Target]:
    """A kcollect for all tests of this file."""
    with running_target(tmp_path_factory.mktemp("target"), daemon.port, DEVICES) as running:
        yield running


@pytest.fixture
def agent(target: Target) -> Iterator[Agent]:
    """An agent with a connection of its own; the sessions of a test end with it."""
    one = Agent(target.grpc_port)
    yield one
    one.close()


def established(agent: Agent, daemon: BgpDaemon, address: str, **stream: object) -> tuple[Call, socket.socket, str]:
    """A session whose OPENs have been exchanged."""
    router_id = str(stream.pop("router_id", "10.0.0.7"))
    call = agent.stream(address, **stream)  # type: ignore[arg-type]
    call.data(bgp_open(router_id))
    connection, source = daemon.accept()
    assert read_exactly(connection, 29) == bgp_open(router_id)
    connection.sendall(bgp_open("10.255.0.1"))
    assert call.read(29) == bgp_open("10.255.0.1")
    return call, connection, source


def ended(call: Call, connection: socket.socket) -> None:
    """End a session as a router does."""
    call.half_close()
    assert (call.rest(), call.status()) == ([], "OK")
    assert connection.recv(1) == b""


def test_bytes_pass_both_ways(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """What the router says reaches the daemon and the other way round; the end of one is the end of the other."""
    call, connection, source = established(agent, daemon, "192.0.2.1")
    assert source.startswith("127.64.")
    call.send(DataRequest(data=[KEEPALIVE, KEEPALIVE]))
    assert read_exactly(connection, 38) == KEEPALIVE * 2
    (session,) = target.wait_for_sessions(1)
    assert (session["DeviceName"], session["Source"], session["RouterID"]) == ("edge1", source, "10.0.0.7")
    assert (session["RouterAS"], session["BytesUp"], session["BytesDown"]) == (65001, 67, 29)
    ended(call, connection)
    target.wait_for_sessions(0)
    assert target.json("sessions")["Ended"][0]["Reason"] == "the router closed the connection"


def test_headers_are_those_of_the_documents(daemon: BgpDaemon, agent: Agent) -> None:
    """The keys of the documented ServerMetadata are there, and the rate limit is the JSON that it looks like."""
    session = str(uuid.uuid4())
    call, connection, _ = established(agent, daemon, "192.0.2.1", session=session)
    documented = "date referrer-policy server x-content-type-options x-frame-options x-request-id x-xss-protection"
    assert set(documented.split()) <= set(call.headers)
    assert (call.headers["counter-up"], call.headers["counter-down"], call.headers["session-id"]) == ("0", "0", session)
    encoded = call.headers["x-ratelimit-details"]
    limit = json.loads(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
    assert limit["descriptor_statuses"][0]["current_limit"] == {"requests_per_unit": 6000, "unit": 2}
    ended(call, connection)


@pytest.mark.parametrize("address", ["2001:db8::3", "198.51.100.77", "fe80::5%eth0", "::ffff:192.0.2.1"])
def test_addresses_of_all_kinds(daemon: BgpDaemon, agent: Agent, address: str) -> None:
    """IPv6, an address of a listed network, link-local with its zone, IPv4 in IPv6 clothes."""
    call, connection, _ = established(agent, daemon, address)
    ended(call, connection)


def test_each_router_is_a_neighbor_of_its_own(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """Different routers come from different addresses, the same one from the same again."""
    first = established(agent, daemon, "192.0.2.1")
    second = established(agent, daemon, "192.0.2.2")
    assert first[2] != second[2]
    ended(*first[:2])
    again = established(agent, daemon, "192.0.2.1", port=40002)
    assert again[2] == first[2]
    mapping = {source["Source"]: source for source in target.json("sources")["Sources"]}
    assert (mapping[first[2]]["Router"], mapping[first[2]]["InUse"]) == ("192.0.2.1", True)
    for call, connection, _ in (second, again):
        ended(call, connection)


def test_routers_behind_one_address(daemon: BgpDaemon, agent: Agent) -> None:
    """Two routers with one address and different identifiers have sessions side by side."""
    first = established(agent, daemon, "192.0.2.1", router_id="10.0.0.1")
    second = established(agent, daemon, "192.0.2.1", router_id="10.0.0.2", port=40002)
    assert first[2] != second[2]
    for call, connection, _ in (first, second):
        call.data(KEEPALIVE)
        assert read_exactly(connection, 19) == KEEPALIVE
        ended(call, connection)


def test_the_same_router_again_replaces_its_session(daemon: BgpDaemon, agent: Agent) -> None:
    """A second session of the same agent and the same identifier: the first one ends with a Cease."""
    old, old_connection, source = established(agent, daemon, "192.0.2.2")
    new, connection, again = established(agent, daemon, "192.0.2.2", port=40002)
    assert again == source
    assert b"".join(part for message in old.rest() for part in message.data) == CEASE_COLLISION
    with pytest.raises(ConnectionResetError):
        old_connection.recv(1)
    ended(new, connection)


def test_another_agent_does_not_take_a_young_session(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """Two agents of one router do not take it from each other; a session without a stream is taken over at once."""
    held, connection, _ = established(agent, daemon, "192.0.2.6")
    other = Agent(target.grpc_port)
    refused = other.stream("192.0.2.6", port=40002)
    refused.data(bgp_open())
    assert [bytes(part) for message in refused.rest() for part in message.data] == [CEASE_COLLISION]
    held.call.cancel()
    target.wait_for_state("interrupted")
    taken, new_connection, _ = established(other, daemon, "192.0.2.6", port=40003)
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    ended(taken, new_connection)
    other.close()


def test_resume_goes_on_where_it_was(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """The daemon's connection stays; messages that the agent says it has not read come again, with their borders."""
    session = str(uuid.uuid4())
    call, connection, _ = established(agent, daemon, "192.0.2.7", session=session)
    connection.sendall(KEEPALIVE)
    assert call.read(19) == KEEPALIVE
    call.call.cancel()
    target.wait_for_state("interrupted")
    connection.sendall(KEEPALIVE * 3)
    again = agent.stream("192.0.2.7", session=session, up=1, down=1)
    assert (again.headers["counter-up"], again.headers["counter-down"]) == ("1", "2")
    assert [bytes(part) for part in again.next().data] == [KEEPALIVE]
    assert again.read(57) == KEEPALIVE * 3
    again.data(KEEPALIVE)
    assert read_exactly(connection, 19) == KEEPALIVE
    (status,) = target.wait_for_sessions(1)
    assert status["Resumes"] == 1
    ended(again, connection)


def test_resume_takes_the_session_from_its_old_stream(daemon: BgpDaemon, agent: Agent) -> None:
    """An agent that has lost its path comes back before the target has noticed."""
    session = str(uuid.uuid4())
    old, connection, _ = established(agent, daemon, "192.0.2.7", session=session)
    again = agent.stream("192.0.2.7", session=session, up=1, down=1)
    again.data(KEEPALIVE)
    assert read_exactly(connection, 19) == KEEPALIVE
    with pytest.raises(Exception, match="another stream"):
        old.rest()
    ended(again, connection)


@pytest.mark.parametrize(("up", "down"), [(0, 1), (1, 2), (1, 999_999)])
def test_counters_that_prove_a_gap(daemon: BgpDaemon, agent: Agent, up: int, down: int) -> None:
    """The agent is told to kill the session, and the daemon's connection is reset."""
    session = str(uuid.uuid4())
    call, connection, _ = established(agent, daemon, "192.0.2.8", session=session)
    call.call.cancel()
    again = agent.stream("192.0.2.8", session=session, up=up, down=down)
    assert [message.action for message in again.rest()] == [DATA_ACTION_KILL]
    with pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_kill_for_what_is_not_known(target: Target, agent: Agent) -> None:
    """Counters of a session that is not there, a router that is not listed, a session of another connection."""
    unknown = agent.stream("192.0.2.1", up=5, down=7)
    unlisted = agent.stream("203.0.113.9")
    for call in (unknown, unlisted):
        assert [message.action for message in call.rest()] == [DATA_ACTION_KILL]


def test_a_session_belongs_to_its_agent(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """Who knows a session-id and comes from another agent gets a kill, and the session goes on."""
    session = str(uuid.uuid4())
    call, connection, _ = established(agent, daemon, "192.0.2.8", session=session)
    thief = Agent(target.grpc_port)
    assert [message.action for message in thief.stream("192.0.2.8", session=session, up=1, down=1).rest()] == [1]
    call.data(KEEPALIVE)
    assert read_exactly(connection, 19) == KEEPALIVE
    ended(call, connection)
    thief.close()


def test_kill_of_the_agent(daemon: BgpDaemon, agent: Agent) -> None:
    """The daemon's connection is reset."""
    call, connection, _ = established(agent, daemon, "192.0.2.8")
    call.send(DataRequest(action=DATA_ACTION_KILL))
    assert (call.rest(), call.status()) == ([], "OK")
    with pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_restart_of_the_agent(daemon: BgpDaemon, agent: Agent) -> None:
    """The target answers with a RESTART; the session goes on with the next stream, the RESTARTs counted."""
    session = str(uuid.uuid4())
    call, connection, _ = established(agent, daemon, "192.0.2.8", session=session)
    call.send(DataRequest(action=DATA_ACTION_RESTART))
    call.half_close()
    assert ([message.action for message in call.rest()], call.status()) == ([DATA_ACTION_RESTART], "OK")
    again = agent.stream("192.0.2.8", session=session, up=2, down=2)
    assert (again.headers["counter-up"], again.headers["counter-down"]) == ("2", "2")
    again.data(KEEPALIVE)
    assert read_exactly(connection, 19) == KEEPALIVE
    ended(again, connection)


def test_the_daemon_closes(daemon: BgpDaemon, agent: Agent) -> None:
    """The router gets what the daemon said, then a Cease (administrative reset) with the reason, and an orderly end."""
    call, connection, _ = established(agent, daemon, "192.0.2.8")
    connection.sendall(KEEPALIVE)
    connection.close()
    data = b"".join(part for message in call.rest() for part in message.data)
    assert data.startswith(KEEPALIVE)
    assert data[19 + 18 : 19 + 21] == CEASE_RESET_HEADER
    assert len(data) - 19 == int.from_bytes(data[19 + 16 : 19 + 18], "big")
    assert b"BGP daemon" in data
    assert call.status() == "OK"


def test_the_daemon_closes_inside_a_message(daemon: BgpDaemon, agent: Agent) -> None:
    """A NOTIFICATION would land inside the message: the agent is told to kill the session instead."""
    call, connection, _ = established(agent, daemon, "192.0.2.8")
    connection.sendall(KEEPALIVE[:10])
    connection.close()
    last = call.rest()[-1]
    assert (last.action, list(last.data)) == (DATA_ACTION_KILL, [])


def test_the_daemon_says_why_itself(daemon: BgpDaemon, agent: Agent) -> None:
    """After a NOTIFICATION of the daemon there is no second one."""
    call, connection, _ = established(agent, daemon, "192.0.2.8")
    hold_timer_expired = b"\xff" * 16 + b"\x00\x15\x03\x04\x00"
    connection.sendall(hold_timer_expired)
    connection.close()
    assert b"".join(part for message in call.rest() for part in message.data) == hold_timer_expired


def test_no_bgp_from_the_router(target: Target, agent: Agent) -> None:
    """Something else than an OPEN never reaches the daemon."""
    call = agent.stream("192.0.2.8")
    call.data(b"GET / HTTP/1.0\r\n\r\n" + b"x" * 100)
    assert (call.rest(), call.status()) == ([], "OK")
    target.wait_for("sends no BGP")


def test_a_router_that_waits_for_the_other_side(daemon: BgpDaemon, agent: Agent) -> None:
    """Without an OPEN within five seconds the daemon is asked nevertheless (DelayOpen, RFC 4271 section 8)."""
    call = agent.stream("192.0.2.8")
    began = time.monotonic()
    connection, _ = daemon.accept()
    assert 4.5 < time.monotonic() - began < 15
    connection.sendall(bgp_open())
    assert call.read(29) == bgp_open()
    ended(call, connection)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_bulk_with_cuts(daemon: BgpDaemon, agent: Agent, direction: str) -> None:
    """8 MB with the stream cut several times on the way arrive byte for byte."""
    session, size = str(uuid.uuid4()), 8 << 20
    payload = random.Random(5).randbytes(size)  # noqa: S311
    pieces = [payload[at : at + 32768] for at in range(0, size, 32768)]
    call, connection, _ = established(agent, daemon, "192.0.2.8", session=session)
    if direction == "up":
        found = _bulk_up(agent, call, connection, session, pieces)
    else:
        found = _bulk_down(agent, call, connection, session, payload)
    assert hashlib.sha256(found).digest() == hashlib.sha256(payload).digest()


def _bulk_up(agent: Agent, call: Call, connection: socket.socket, session: str, pieces: list[bytes]) -> bytes:
    arrived: list[bytes] = []
    size = sum(map(len, pieces))
    reading = threading.Thread(target=lambda: arrived.append(read_exactly(connection, size)))
    reading.start()
    sent = 0
    for cut in (40, 90, 200, len(pieces)):
        for piece in pieces[sent:cut]:
            call.data(piece)
        if cut == len(pieces):
            break
        time.sleep(0.05)
        call.call.cancel()
        call = agent.stream("192.0.2.8", session=session, up=1 + cut, down=1)
        sent = int(call.headers["counter-up"]) - 1
        assert sent <= cut
    reading.join(SECONDS)
    ended(call, connection)
    return b"".join(arrived)


def _bulk_down(agent: Agent, call: Call, connection: socket.socket, session: str, payload: bytes) -> bytes:
    writing = threading.Thread(target=connection.sendall, args=(payload,))
    writing.start()
    found: list[bytes] = []
    messages = 1
    for cut in (1 << 20, 3 << 20, len(payload)):
        while sum(map(len, found)) < cut:
            found.append(b"".join(call.next().data))
            messages += 1
        if cut < len(payload):
            call.call.cancel()
            call = agent.stream("192.0.2.8", session=session, up=1, down=messages)
    writing.join(SECONDS)
    ended(call, connection)
    return b"".join(found)


@pytest.mark.parametrize(("size", "piece"), [(4 << 20, 65536), (480_000, 60)], ids=["large pieces", "small pieces"])
def test_a_cut_with_all_under_way_that_fits(
    target: Target, daemon: BgpDaemon, agent: Agent, size: int, piece: int
) -> None:
    """An agent that has read nothing of what fills windows and buffers gets all of it again, on another stream."""
    session, payload = str(uuid.uuid4()), random.Random(6).randbytes(size)  # noqa: S311
    call, connection, _ = established(agent, daemon, "192.0.2.8", session=session)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writing = threading.Thread(target=_dribble, args=(connection, payload, piece))
    writing.start()
    _until_still(target)
    call.call.cancel()
    call = agent.stream("192.0.2.8", session=session, up=1, down=1)
    found = call.read(size)
    writing.join(SECONDS)
    assert hashlib.sha256(found).digest() == hashlib.sha256(payload).digest()
    ended(call, connection)


def _dribble(connection: socket.socket, payload: bytes, piece: int) -> None:
    """Send piece by piece, most of them apart from each other."""
    for start in range(0, len(payload), piece):
        connection.sendall(payload[start : start + piece])
        time.sleep(0.0003)


def _until_still(target: Target) -> None:
    """Wait until nothing more is taken from the daemon."""
    seen, still = -1, 0
    while still < 5:
        (session,) = target.json("sessions")["Sessions"]
        still = still + 1 if session["BytesDown"] == seen else 0
        seen = session["BytesDown"]
        time.sleep(0.2)


def test_neither_side_reads(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """A daemon that does not read stops the agent, an agent that does not read stops the daemon; little is held."""
    call, connection, _ = established(agent, daemon, "192.0.2.8")
    for _ in range(400):
        call.data(bytes(32768))
    connection.setblocking(False)
    written = 0
    until = time.monotonic() + 3
    while time.monotonic() < until:
        try:
            written += connection.send(bytes(65536))
        except BlockingIOError:
            time.sleep(0.05)
    assert written < 16 << 20
    (status,) = target.wait_for_sessions(1)
    assert status["BytesHeld"] < 1 << 20
    other, other_connection, _ = established(agent, daemon, "192.0.2.1")
    ended(other, other_connection)
    call.call.cancel()
    connection.close()
