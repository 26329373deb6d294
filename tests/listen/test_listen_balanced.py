"""IPFIX connections through a load balancer: whose they are stands in a PROXY protocol header, before TLS."""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.addresses import networks
from kproxy_tw.errors import MalformedInput
from kproxy_tw.listen.ipfix.balanced import BalancedFactory
from kproxy_tw.listen.ipfix.config import StreamConfig, StreamLimits
from kproxy_tw.listen.ipfix.service import IpfixListener
from kproxy_tw.listen.proxyheader import ProxyHeader, read_header
from tests.listen.test_listen_ipfix import LOOPBACK, MESSAGE, Recorder, connect, listener, tls_config, wait_for
from tests.listen.test_listen_proxied import SIGNATURE, header

BALANCERS = networks("127.0.0.1/32")
VERSION_1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 40001 4739\r\n"
VERSION_1_OF_6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 40001 4739\r\n"
TCP = struct.pack("!BB", 0x21, 0x11)


def version_2(source: str, port: int) -> bytes:
    """A header of version 2 for TCP."""
    made = header(source, port)
    return made[:13] + bytes([made[13] & 0xF0 | 1]) + made[14:]


def balanced(recorder: Recorder, *, limits: StreamLimits | None = None) -> IpfixListener:
    """A listener on loopback that takes this machine for a balancer."""
    return listener(recorder, StreamConfig(tcp=(LOOPBACK,), balancers=BALANCERS, limits=limits or StreamLimits()))


@pytest.mark.parametrize(
    ("head", "source"),
    [
        (VERSION_1, ("192.0.2.7", 40001)),
        (VERSION_1_OF_6, ("2001:db8::7", 40001)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
        (version_2("192.0.2.7", 40001), ("192.0.2.7", 40001)),
        (version_2("2001:db8::7", 40001), ("2001:db8::7", 40001)),
        (header("192.0.2.7", 1, command=0x20), None),
        (SIGNATURE + b"\x20\x00\x00\x00", None),
    ],
)
def test_headers_of_both_versions(head: bytes, source: tuple[str, int] | None) -> None:
    """Whole, and byte by byte: until the last byte more is asked for."""
    assert read_header(head + MESSAGE) == ProxyHeader(len(head), source)
    assert [read_header(head[:length]) for length in range(len(head))] == [None] * len(head)


@pytest.mark.parametrize(
    "head",
    [
        MESSAGE,
        b"PROXY TCP4 192.0.2.7 198.51.100.1 40001\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4000x 4739\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 4739\r\n",
        b"PROXY TCP4 router 198.51.100.1 1 4739\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 4739\r\n",
        b"PROXY " + b"x" * 120,
        SIGNATURE + b"\x21\x31\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header(head: bytes) -> None:
    """Wrong words, an unknown family, no room for addresses, no end."""
    with pytest.raises(MalformedInput):
        read_header(head)


@given(st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + TCP]), st.binary(max_size=150))
def test_any_bytes(head: bytes, data: bytes) -> None:
    """A header no longer than what came, a wish for more, or MalformedInput."""
    try:
        found = read_header(head + data)
    except MalformedInput:
        return
    assert found is None or found.length <= len(head + data)


@pytest_twisted.ensureDeferred
async def test_the_connection_is_the_exporters() -> None:
    """Its address and port are those of the header, and its messages are not touched."""
    recorder = Recorder()
    service = balanced(recorder)
    with connect(service.ports()[0]) as sock:
        for part in (VERSION_1[:9], VERSION_1[9:] + MESSAGE + MESSAGE[:3], MESSAGE[3:]):
            sock.sendall(part)
            await deferToThread(lambda: None)
        await wait_for(lambda: len(recorder.messages) == 2)
        (stream,) = service.status().streams
        assert (stream.address, recorder.streams[0].port, stream.bytes) == ("192.0.2.7", 40001, 40)
    await wait_for(lambda: recorder.gone)
    assert recorder.messages == [MESSAGE] * 2
    status = service.status()
    assert (status.accepted, status.ended_for["exporter"], status.ended_for["no_proxy_header"]) == (1, 1, 0)
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_limits_are_those_of_each_exporter() -> None:
    """Not of the balancer, from which all of them come."""
    recorder = Recorder()
    service = balanced(recorder, limits=StreamLimits(per_address=1))
    sockets = [connect(service.ports()[0]) for _connection in range(3)]
    for sock, source in zip(sockets, ("192.0.2.7", "192.0.2.8", "192.0.2.7"), strict=True):
        sock.sendall(version_2(source, 5) + MESSAGE)
    await wait_for(lambda: service.ended_for["too_many_of_address"] == 1 and len(recorder.messages) == 2)
    assert sorted(stream.address for stream in recorder.streams) == ["192.0.2.7", "192.0.2.8"]
    for sock in sockets:
        sock.close()
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_a_balancer_says_whose_a_connection_is_before_tls(tmp_path: Path) -> None:
    """The header is plain, the handshake follows."""
    recorder = Recorder()
    config, context, _authority = tls_config(tmp_path)
    service = listener(recorder, StreamConfig(**{**_fields(config), "balancers": BALANCERS}))

    def send() -> None:
        with connect(service.ports()[0]) as sock:
            sock.sendall(version_2("192.0.2.7", 5))
            with context.wrap_socket(sock, server_hostname="127.0.0.1") as wrapped:
                wrapped.sendall(MESSAGE * 1000)
                wrapped.unwrap()

    await deferToThread(send)
    await wait_for(lambda: recorder.gone)
    assert (recorder.messages, recorder.streams[0].address) == ([MESSAGE] * 1000, "192.0.2.7")
    with pytest.raises((ssl.SSLError, OSError)):
        await deferToThread(_without_header, service.ports()[0], context)
    await wait_for(lambda: service.ended_for["no_proxy_header"] == 1)
    await service.stopService()


def _fields(config: StreamConfig) -> dict[str, Any]:
    return {"tls": config.tls, "cert_file": config.cert_file, "key_file": config.key_file}


def _without_header(port: int, context: ssl.SSLContext) -> None:
    with connect(port) as sock, context.wrap_socket(sock, server_hostname="127.0.0.1"):
        pass


@pytest_twisted.ensureDeferred
async def test_others_need_no_header_and_may_not_claim_one() -> None:
    """Whoever comes from outside the balancers' networks is itself; a header is no IPFIX."""
    recorder = Recorder()
    service = listener(recorder, StreamConfig(tcp=(LOOPBACK,), balancers=networks("192.0.2.0/24")))
    with connect(service.ports()[0]) as honest, connect(service.ports()[0]) as liar:
        honest.sendall(MESSAGE)
        liar.sendall(VERSION_1 + MESSAGE)
        await wait_for(lambda: service.ended_for["not_ipfix"] == 1 and recorder.messages)
    assert {stream.address for stream in recorder.streams} == {"127.0.0.1"}
    assert recorder.messages == [MESSAGE]
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_the_checks_of_a_balancer_are_no_exporters() -> None:
    """Nobody is asked whose they are; they are not counted either."""
    recorder = Recorder()
    service = balanced(recorder)
    for head in (SIGNATURE + b"\x20\x00\x00\x00", b"PROXY UNKNOWN\r\n"):
        with connect(service.ports()[0]) as sock:
            sock.sendall(head)
    with connect(service.ports()[0]) as sock:
        sock.sendall(VERSION_1 + MESSAGE)
        await wait_for(lambda: recorder.messages)
    await wait_for(lambda: recorder.gone)
    assert (service.status().accepted, len(recorder.streams)) == (1, 1)
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_the_stop_cuts_what_waits_for_its_header() -> None:
    """Nothing is left open, and nobody is blamed."""
    service = balanced(Recorder())
    with connect(service.ports()[0]) as sock:
        sock.sendall(VERSION_1[:5])
        await wait_for(lambda: service.ports())
        await service.stopService()
        with pytest.raises(ConnectionResetError):
            _read_all(sock)
    assert service.ended_for["no_proxy_header"] == 0


def _read_all(sock: socket.socket) -> None:
    while sock.recv(100):
        pass
    raise ConnectionResetError  # closed before it was accepted


def waiting(count: int) -> tuple[Clock, list[StringTransport], list[str]]:
    """Connections that wait for a header, where two may; the clock; what was refused, and why."""
    clock, refused = Clock(), list[str]()
    factory = BalancedFactory(
        Factory.forProtocol(Protocol),
        balancers=BALANCERS,
        reactor=clock,
        limits=StreamLimits(connections=2),
        refused=lambda _peer, problem: refused.append(problem),
    )
    transports = [StringTransport() for _connection in range(count)]
    for transport in transports:
        transport.protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 7))  # type: ignore[attr-defined]
        transport.protocol.makeConnection(transport)  # type: ignore[attr-defined]
    return clock, transports, refused


def test_a_header_has_a_deadline_and_few_wait_at_a_time() -> None:
    """Silent connections hold nothing for long, and no timer stays behind."""
    clock, transports, refused = waiting(3)
    assert [transport.disconnected for transport in transports] == [False, False, True]
    clock.advance(10.1)
    assert [transport.disconnected for transport in transports] == [True, True, True]
    assert (len(refused), clock.getDelayedCalls()) == (3, [])
