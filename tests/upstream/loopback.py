"""Loopback servers that answer as a test tells them to, down to the byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

import attrs

from kproxy_tw.upstream.client import HttpsSession

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TOKEN = "canary-8d1f"


class Peer(Protocol):
    """Server side of one connection: keeps what came, and answers each request with its server's script."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.received = b""
        self.closed = False

    def connectionMade(self) -> None:
        """Join the server's list."""
        self.server.peers.append(self)

    def dataReceived(self, data: bytes) -> None:
        """Answer when a request is complete."""
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if blank and len(body) >= int(fields.get(b"content-length", b"0")):
            self.server.requests.append(self.received)
            self.received = b""
            self.server.answer(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Note that it is over."""
        self.closed = True

    def send(self, data: bytes) -> None:
        """Write to the client."""
        assert self.transport is not None
        self.transport.write(data)

    def reset(self) -> None:
        """Cut the connection with an RST."""
        transport: Any = self.transport
        transport.abortConnection()


@attrs.define(eq=False)
class Server:
    """One listening port, its connections and the requests that came over them."""

    answer: Callable[[Peer], None]
    port: Any = None
    peers: list[Peer] = attrs.field(factory=list)
    requests: list[bytes] = attrs.field(factory=list)

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Where it listens."""
        return f"{scheme}://{host}:{self.port.getHost().port}/chf"


Serve = Callable[..., Server]
"""``serve(answer, certificate=None, **tls_options)`` starts a server on a free loopback port."""

NewSession = Callable[..., HttpsSession]
"""``new_session(**tls_files)`` makes a session."""
