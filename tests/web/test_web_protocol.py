"""The three kinds of client on one port, with a clock instead of waiting."""

from __future__ import annotations

import itertools
from typing import Any, cast

from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.web.protocol import HealthFactory, HealthProtocol
from kproxy_tw.web.site import GuardedSite

REPORT = "GOOD\nreport\n"


class Channel:
    """Keeps what the site's channel is given."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False
        self.transport: Any = None

    def makeConnection(self, transport: object) -> None:  # noqa: N802 - Twisted's name
        """Keep the transport."""
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        """Keep the data."""
        self.data += data

    def connectionLost(self, reason: Failure) -> None:
        """Keep that the end was told."""
        self.lost = True


class Sites:
    """Stands for a site: keeps the channels that it built."""

    def __init__(self) -> None:
        self.channels: list[Channel] = []

    def buildProtocol(self, addr: object) -> Channel:
        """A new channel."""
        self.channels.append(Channel())
        return self.channels[-1]


class Client:
    """One connection to the health port, its clock and what came back."""

    def __init__(self, connections: int = 4) -> None:
        self.clock = Clock()
        self.sites = Sites()
        self.factory = HealthFactory(lambda: succeed(REPORT), cast(GuardedSite, self.sites), connections, self.clock)
        protocol = self.factory.buildProtocol(None)
        assert isinstance(protocol, HealthProtocol)
        self.protocol = protocol
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)

    @property
    def answer(self) -> str:
        """Everything said so far."""
        return str(self.transport.value(), "utf-8")

    @property
    def http(self) -> bytes:
        """What was handed over to the site."""
        return b"".join(channel.data for channel in self.sites.channels)


def test_silent_client_gets_the_report() -> None:
    """After half a second of silence, and not before, the report comes and the connection ends."""
    client = Client()
    client.clock.advance(0.49)
    assert client.answer == ""
    client.clock.advance(0.02)
    assert client.answer == REPORT
    assert client.transport.disconnecting


def test_a_request_that_waits_in_the_kernel_is_read_before_silence_is_judged() -> None:
    """On a busy machine the time of silence ends in the very turn in which a browser's request is read."""
    client = Client()
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    client.clock.callLater(0.5, client.protocol.dataReceived, request)
    client.clock.advance(0.5)
    assert client.http == request
    assert client.answer == ""


@pytest.mark.parametrize("said", [b"\n", b"\r\n", b"status\n", b"status\r\n", b"STATUS\n", b" status \n"])
def test_commands_for_the_report(said: bytes) -> None:
    """An empty line and ``status`` get the report at once, also byte by byte."""
    whole, slow = Client(), Client()
    whole.protocol.dataReceived(said)
    for byte in said:
        slow.clock.advance(0.3)
        slow.protocol.dataReceived(bytes([byte]))
    assert (whole.answer, slow.answer) == (REPORT, REPORT)


def test_other_commands() -> None:
    """Anything else that is no HTTP is named back, on one line, and harmless."""
    client = Client()
    client.protocol.dataReceived(b"\x1b[31mfrob \xff now\nstatus\n")
    assert client.answer == "Unknown command: \\x1b[31mfrob \N{REPLACEMENT CHARACTER} now\n"
    assert client.transport.disconnecting


def test_long_command_is_cut() -> None:
    """A line that does not end is answered after 200 bytes, and repeated no longer than that."""
    client = Client()
    client.protocol.dataReceived(b"x" * 150)
    assert client.answer == ""
    client.protocol.dataReceived(b"x" * 100_000)
    assert client.answer == "Unknown command: " + "x" * 200 + "\n"


def test_unfinished_command() -> None:
    """A line without an end is taken as it is after five seconds."""
    known, unknown = Client(), Client()
    known.protocol.dataReceived(b"status")
    unknown.protocol.dataReceived(b"stat")
    for client in (known, unknown):
        client.clock.advance(4.9)
        assert client.answer == ""
        client.clock.advance(0.2)
    assert (known.answer, unknown.answer) == (REPORT, "Unknown command: stat\n")


def test_end_of_input() -> None:
    """``nc`` whose input ends at once still gets its answer."""
    silent, asking = Client(), Client()
    silent.protocol.readConnectionLost()
    asking.protocol.dataReceived(b"status")
    asking.protocol.readConnectionLost()
    assert (silent.answer, asking.answer) == (REPORT, REPORT)


HTTP = b"GET /hc HTTP/1.1\r\nHost: 127.0.0.1:9996\r\n\r\n"


@given(st.lists(st.integers(1, len(HTTP) - 1), max_size=6))
def test_http_is_handed_over(cuts: list[int]) -> None:
    """However the request is cut into pieces, the site's channel gets every byte once, and we say nothing."""
    client = Client()
    edges = [0, *sorted(set(cuts)), len(HTTP)]
    for start, end in itertools.pairwise(edges):
        client.protocol.dataReceived(HTTP[start:end])
    client.clock.advance(60)
    assert (client.http, client.answer, len(client.sites.channels)) == (HTTP, "", 1)


def test_long_http_line_is_handed_over() -> None:
    """A request line longer than any command belongs to HTTP, which has limits of its own."""
    client = Client()
    client.protocol.dataReceived(b"GET /" + b"a" * 300)
    assert client.http == b"GET /" + b"a" * 300


def test_end_of_a_handed_over_connection() -> None:
    """The channel hears of the end, and the place is free again."""
    client = Client(connections=1)
    client.protocol.dataReceived(HTTP)
    assert client.factory.buildProtocol(None) is None
    client.protocol.connectionLost(Failure(ConnectionDone()))
    assert client.sites.channels[0].lost
    assert client.factory.buildProtocol(None) is not None


def test_no_timer_is_left() -> None:
    """A client that leaves early leaves nothing behind."""
    client = Client()
    client.protocol.dataReceived(b"sta")
    client.protocol.connectionLost(Failure(ConnectionDone()))
    assert client.clock.getDelayedCalls() == []


def test_client_that_does_not_read_is_cut() -> None:
    """An answer that nobody reads does not hold the connection."""
    client = Client()
    client.protocol.dataReceived(b"status\n")
    client.clock.advance(5.1)
    assert client.transport.disconnected


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes(pieces: list[bytes]) -> None:
    """Whatever a client sends, it is either HTTP or gets an answer that ends with a newline."""
    client = Client()
    for piece in pieces:
        client.protocol.dataReceived(piece)
    client.clock.advance(6)
    assert client.http or client.answer.endswith("\n")
