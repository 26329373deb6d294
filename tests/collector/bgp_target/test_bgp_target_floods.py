"""Clients that flood: it costs them their connection, and others notice nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.bgp_target.raw_h2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    RawClient,
    frame,
    request,
    streams,
)
from tests.collector.bgp_target.target import (
    KEEPALIVE,
    SECONDS,
    Agent,
    BgpDaemon,
    Target,
    bgp_open,
    device,
    read_exactly,
    running_target,
)

FLOOD_SECONDS = 5.0
CANCEL = (8).to_bytes(4, "big")


@pytest.fixture(scope="module")
def daemon() -> BgpDaemon:
    """The BGP daemon."""
    return BgpDaemon()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, daemon: BgpDaemon) -> Iterator[Target]:
    """A kcollect for all tests of this file."""
    with running_target(tmp_path_factory.mktemp("target"), daemon.port, [device(1, "192.0.2.1")]) as running:
        yield running


def resets() -> Iterator[bytes]:
    """Streams opened and reset at once (CVE-2023-44487)."""
    block = request()
    for stream in streams():
        opened = frame(HEADERS, block, stream=stream, flags=END_HEADERS)
        yield opened + frame(RST_STREAM, CANCEL, stream=stream)


def opens() -> Iterator[bytes]:
    """Calls with wrong credentials, one after the other."""
    block = request(token="wrong")
    for stream in streams():
        yield frame(HEADERS, block, stream=stream, flags=END_HEADERS)


def forever(data: bytes) -> Iterator[bytes]:
    """The same, again and again."""
    while True:
        yield data


FLOODS = {
    "rapid reset": resets,
    "calls with wrong credentials": opens,
    "PING": lambda: forever(frame(PING, bytes(8)) * 50),
    "SETTINGS": lambda: forever(frame(SETTINGS, b"\x00\x04\x00\x00\xff\xff") * 50),
    "WINDOW_UPDATE": lambda: forever(frame(WINDOW_UPDATE, b"\x00\x00\x00\x01") * 50),
    "PRIORITY": lambda: forever(frame(PRIORITY, b"\x00\x00\x00\x00\x10", stream=1) * 50),
    "empty DATA": lambda: forever(frame(DATA, stream=1) * 50),
    "CONTINUATION": lambda: forever(frame(CONTINUATION, b"\x00", stream=1) * 50),
    "unknown frames": lambda: forever(frame(0x42, b"") * 50),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_flood(target: Target, daemon: BgpDaemon, kind: str) -> None:
    """The connection is soon closed at little cost, and a session of another connection goes on undisturbed."""
    agent = Agent(target.grpc_port)
    call = agent.stream("192.0.2.1")
    call.data(bgp_open())
    connection, _ = daemon.accept()
    read_exactly(connection, 29)
    before = target.process.cpu_seconds()
    flooding = RawClient(target.grpc_port)
    until = time.monotonic() + FLOOD_SECONDS
    for data in FLOODS[kind]():
        if time.monotonic() > until or not flooding.send(data):
            break
    assert flooding.wait_closed() < 5
    assert target.process.cpu_seconds() - before < 1
    call.data(KEEPALIVE)
    assert read_exactly(connection, 19) == KEEPALIVE
    call.half_close()
    assert call.rest() == []
    agent.close()


def test_what_is_no_http2(target: Target) -> None:
    """It is closed at once."""
    client = RawClient(target.grpc_port, preface=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.wait_closed() < 5


def test_a_client_that_says_nothing(target: Target) -> None:
    """It is closed after ten seconds."""
    client = RawClient(target.grpc_port, preface=b"")
    client._reading.join(20)
    assert client.closed_after is not None
    assert 9 < client.closed_after < 20


def test_many_connections(target: Target, daemon: BgpDaemon) -> None:
    """One host may have 512; what comes beyond is closed, and what was there before goes on."""
    agent = Agent(target.grpc_port)
    control = agent.control()
    many = [RawClient(target.grpc_port) for _ in range(560)]
    until = time.monotonic() + SECONDS
    while sum(client.closed_after is not None for client in many) < 40:
        assert time.monotonic() < until
        time.sleep(0.1)
    for client in many:
        client.close()
    control.half_close()
    # The stream ends in order, and holds what an agent is told unasked when it comes: its one router.
    assert [reply.device_name for reply in control.rest()] == ["edge1"]
    assert target.json("status")["ConnectionsRejected"] >= 40
    agent.close()


def test_memory_and_descriptors_after_the_floods(target: Target) -> None:
    """Nothing of them stays: few descriptors, memory below a bound."""
    until = time.monotonic() + SECONDS
    folder = Path(f"/proc/{target.process.process.pid}/fd")
    while len(os.listdir(folder)) > 60:
        assert time.monotonic() < until, os.listdir(folder)
        time.sleep(0.1)
    assert target.process.peak_memory() < 400 << 20
    assert target.json("status")["ConnectionsFlooding"] >= 6
