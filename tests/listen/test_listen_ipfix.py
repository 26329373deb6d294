"""IPFIX over TCP and TLS: real sockets on loopback, and a clock of our own where time matters."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread

import attrs
import pytest
import pytest_twisted

from kproxy_tw.errors import ConfigError
from kproxy_tw.listen.ipfix.config import StreamConfig, StreamLimits
from kproxy_tw.listen.ipfix.protocol import EARLY_BYTES, IpfixStream, Stream
from kproxy_tw.listen.ipfix.service import IpfixListener
from kproxy_tw.testing.certificates import Authority

MESSAGE = struct.pack("!HHIII", 10, 20, 1_790_000_000, 0, 7) + b"body"
LOOPBACK = ("127.0.0.1", 0)


class Recorder:
    """Takes messages; lets every connection begin, or none."""

    def __init__(self, *, begin: bool = True) -> None:
        self.begin = begin
        self.streams: list[Stream] = []
        self.messages: list[bytes] = []
        self.gone: list[Stream] = []

    def opened(self, stream: Stream) -> None:
        """See ``StreamReceiver``."""
        self.streams.append(stream)
        if self.begin:
            stream.begin()

    def message(self, stream: Stream, data: bytes) -> None:
        """See ``StreamReceiver``."""
        self.messages.append(data)

    def closed(self, stream: Stream) -> None:
        """See ``StreamReceiver``."""
        self.gone.append(stream)


def listener(recorder: Recorder, config: StreamConfig) -> IpfixListener:
    """A started listener."""
    service = IpfixListener(reactor=reactor, config=config, receiver=recorder)
    service.startService()
    return service


async def wait_for(condition: Callable[[], object]) -> None:
    """Until it holds; two seconds at most."""
    for _attempt in range(200):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it did not happen")


def connect(port: int) -> socket.socket:
    """A connection to the listener."""
    return socket.create_connection(("127.0.0.1", port), timeout=2)


@pytest_twisted.ensureDeferred
async def test_messages_of_a_connection_arrive_in_order() -> None:
    """Cut anywhere; the connection is counted while it is open and after it."""
    recorder = Recorder()
    service = listener(recorder, StreamConfig(tcp=(LOOPBACK,)))
    with connect(service.ports()[0]) as sock:
        sock.sendall(MESSAGE + MESSAGE[:7])
        await wait_for(lambda: len(recorder.messages) == 1)
        sock.sendall(MESSAGE[7:])
        await wait_for(lambda: len(recorder.messages) == 2)
        (stream,) = service.status().streams
        assert (stream.address, stream.messages, stream.bytes) == ("127.0.0.1", 2, 40)
    await wait_for(lambda: recorder.gone)
    status = service.status()
    assert (status.accepted, status.messages, status.streams, status.ended_for["exporter"]) == (1, 2, (), 1)
    assert recorder.messages == [MESSAGE, MESSAGE]
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_what_is_no_ipfix_is_closed_with_the_reason() -> None:
    """What came before is kept, and the other side sees the end."""
    recorder = Recorder()
    service = listener(recorder, StreamConfig(tcp=(LOOPBACK,)))
    with connect(service.ports()[0]) as sock:
        sock.sendall(MESSAGE + b"GET / HTTP/1.1\r\n\r\n")
        assert await deferToThread(sock.recv, 10) == b""
    await wait_for(lambda: service.status().ended_for["not_ipfix"] == 1)
    assert recorder.messages == [MESSAGE]
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_a_connection_waits_until_it_is_known_whose_it_is() -> None:
    """Nothing is handed over before, nothing is lost, and little is read."""
    recorder = Recorder(begin=False)
    service = listener(recorder, StreamConfig(tcp=(LOOPBACK,)))
    count = 100_000
    with connect(service.ports()[0]) as sock:
        sending = deferToThread(sock.sendall, MESSAGE * count)
        await wait_for(lambda: recorder.streams)
        await deferLater(reactor, 0.1)
        assert recorder.messages == []
        assert service.status().bytes <= EARLY_BYTES + 65536
        recorder.streams[0].begin()
        await sending
        await wait_for(lambda: len(recorder.messages) == count)
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_connections_are_limited_in_all_and_for_each_address() -> None:
    """The one too many is closed at once; those before it stay."""
    recorder = Recorder()
    limits = StreamLimits(connections=3, per_address=2)
    service = listener(recorder, StreamConfig(tcp=(LOOPBACK,), limits=limits))
    port = service.ports()[0]
    sockets = [connect(port) for _connection in range(3)]
    sockets += [socket.create_connection(("127.0.0.1", port), 2, (f"127.0.0.{n}", 0)) for n in (2, 3)]
    await wait_for(lambda: service.status().ended_for["too_many"] == 1)
    status = service.status()
    assert (status.ended_for["too_many_of_address"], len(status.streams), len(recorder.streams)) == (1, 3, 3)
    for sock in sockets:
        sock.close()
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_what_was_sent_before_the_stop_is_read() -> None:
    """The stop reads on until nothing comes, and closes then."""
    recorder = Recorder()
    service = listener(recorder, StreamConfig(tcp=(LOOPBACK,)))
    with connect(service.ports()[0]) as sock:
        await wait_for(lambda: recorder.streams)
        sending = deferToThread(sock.sendall, MESSAGE * 50_000)
        await service.stopService()
        await sending
        assert len(recorder.messages) == 50_000
        assert (len(recorder.gone), service.ended_for["shutdown"]) == (1, 1)


@attrs.define
class Watched:
    """A connection on a clock of our own."""

    clock: Clock
    stream: IpfixStream
    transport: Any
    ended: list[str]

    def closed(self) -> bool:
        """Whether we closed it."""
        return bool(self.transport.disconnecting)


class Transport(StringTransport):
    """Remembers that it was closed, one way or the other."""

    def abortConnection(self) -> None:  # noqa: N802 - Twisted names it
        """Cut it."""
        self.disconnecting = True


def watched(limits: StreamLimits, transport_name: str = "tcp") -> Watched:
    """A connection that has begun."""
    clock, ended = Clock(), list[str]()

    class Register:
        def arrived(self, stream: IpfixStream) -> str:
            return ""

        def ended(self, stream: IpfixStream, problem: str) -> None:
            ended.append(stream.reason)

    stream = IpfixStream(
        number=1,
        transport_name=transport_name,
        peer=IPv4Address("TCP", "192.0.2.1", 50000),
        reactor=clock,
        limits=limits,
        receiver=Recorder(),
        registrar=Register(),
    )
    transport = Transport()
    stream.makeConnection(transport)
    return Watched(clock, stream, transport, ended)


LIMITS = StreamLimits(first_seconds=60, partial_seconds=30, idle_seconds=3600, handshake_seconds=10)


def test_a_connection_that_says_nothing_is_closed() -> None:
    """After the first message it may be quiet for much longer."""
    one, other = watched(LIMITS), watched(LIMITS)
    other.stream.dataReceived(MESSAGE)
    for each in (one, other):
        each.clock.pump([20] * 4)
    assert (one.closed(), one.stream.reason, other.closed()) == (True, "no_message", False)
    other.clock.advance(3600)
    assert (other.closed(), other.stream.reason) == (True, "idle")


def test_a_message_that_trickles_in_is_given_up() -> None:
    """A byte now and then does not extend the time that a message has."""
    slow = watched(LIMITS)
    slow.stream.dataReceived(MESSAGE)
    for place in range(10):
        slow.stream.dataReceived(MESSAGE[place : place + 1])
        slow.clock.advance(2.9)
    assert not slow.closed()
    slow.clock.advance(2.9)
    assert (slow.closed(), slow.stream.reason) == (True, "half_message")


def test_a_tls_handshake_has_a_deadline() -> None:
    """A peer that connects and does not speak TLS holds nothing for long."""
    silent = watched(LIMITS, "tls")
    silent.clock.advance(10.1)
    assert (silent.closed(), silent.stream.reason) == (True, "handshake")


def test_timers_end_with_the_connection() -> None:
    """Nothing is left on the clock."""
    gone = watched(LIMITS)
    gone.stream.dataReceived(MESSAGE + MESSAGE[:5])
    gone.stream.connectionLost()
    assert (gone.clock.getDelayedCalls(), gone.ended) == ([], ["exporter"])


def tls_config(directory: Path, *, client_ca: bytes = b"") -> tuple[StreamConfig, ssl.SSLContext, Authority]:
    """A listener's configuration, and what an exporter trusts."""
    authority = Authority()
    certificate, key = authority.issue(["127.0.0.1"]).write(directory, "server")
    (directory / "ca.pem").write_bytes(authority.certificate)
    if client_ca:
        (directory / "clients.pem").write_bytes(client_ca)
    config = StreamConfig(
        tls=(LOOPBACK,),
        cert_file=str(certificate),
        key_file=str(key),
        client_ca_file=str(directory / "clients.pem") if client_ca else "",
    )
    return config, ssl.create_default_context(cafile=str(directory / "ca.pem")), authority


async def send_over_tls(port: int, context: ssl.SSLContext, data: bytes) -> None:
    """Connect, verify, send, close, as an exporter does."""

    def run() -> None:
        with connect(port) as sock, context.wrap_socket(sock, server_hostname="127.0.0.1") as wrapped:
            wrapped.sendall(data)
            wrapped.unwrap()

    await deferToThread(run)


@pytest_twisted.ensureDeferred
async def test_messages_over_tls(tmp_path: Path) -> None:
    """The exporter can verify us; 1,000 messages come out as they went in."""
    recorder = Recorder()
    config, context, _authority = tls_config(tmp_path)
    service = listener(recorder, config)
    await send_over_tls(service.ports()[0], context, MESSAGE * 1000)
    await wait_for(lambda: recorder.gone)
    assert recorder.messages == [MESSAGE] * 1000
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_tls_1_1_and_plain_bytes_are_refused(tmp_path: Path) -> None:
    """Both end as failed handshakes; no connection is opened for them."""
    recorder = Recorder()
    config, context, _authority = tls_config(tmp_path)
    service = listener(recorder, config)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        await send_over_tls(service.ports()[0], context, MESSAGE)
    with connect(service.ports()[0]) as sock:
        sock.sendall(MESSAGE * 10)
        await wait_for(lambda: service.ended_for["handshake"] == 2)
    assert recorder.streams == []
    await service.stopService()


@pytest_twisted.ensureDeferred
async def test_only_exporters_with_a_certificate_of_the_authority(tmp_path: Path) -> None:
    """With ``-ipfix_tls_client_ca``: without one, or with one of somebody else, nothing is opened."""
    clients, strangers = Authority("clients"), Authority("strangers")
    recorder = Recorder()
    config, _context, _authority = tls_config(tmp_path, client_ca=clients.certificate)
    service = listener(recorder, config)
    attempts: list[Callable[[], Awaitable[None]]] = []
    for index, authority in enumerate((None, strangers, clients)):
        own = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        if authority is not None:
            own.load_cert_chain(*authority.issue(["exporter"]).write(tmp_path, f"exporter{index}"))
        attempts.append(lambda own=own: send_over_tls(service.ports()[0], own, MESSAGE))  # type: ignore[misc]
    for attempt in attempts[:2]:
        with contextlib.suppress(ssl.SSLError, OSError):  # with TLS 1.3 the exporter may learn of it later only
            await attempt()
    await wait_for(lambda: service.ended_for["handshake"] == 2)
    assert recorder.streams == []
    await attempts[2]()
    await wait_for(lambda: recorder.messages == [MESSAGE])
    await service.stopService()


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"tls": (LOOPBACK,)}, "tls_cert_file"),
        ({"tls": (LOOPBACK,), "cert_file": "server.pem"}, "tls_key_file"),
        ({"tcp": (LOOPBACK,), "client_ca_file": "ca.pem"}, "ipfix_tls_client_ca"),
    ],
)
def test_a_certificate_that_is_missing_stops_the_start(fields: dict[str, Any], flag: str) -> None:
    """The flag to give is named."""
    with pytest.raises(ConfigError) as problem:
        IpfixListener(reactor=Clock(), config=StreamConfig(**fields), receiver=Recorder())
    assert problem.value.flag == flag
