"""A gate between kproxy and kcollect that lets requests through, or lies to either of them.

A trick is a function of the request under way: it may let it through (:meth:`Request.forward`), answer in the
backend's name, cut the connection, or say nothing. Which trick a request meets is decided by :attr:`Gate.trick`.
"""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs

FORWARD_SECONDS = 60.0
HOP_BY_HOP = frozenset({"host", "connection", "transfer-encoding", "content-length", "date", "server"})

Trick = Callable[["Request"], None]


@attrs.frozen
class Meeting:
    """A request with flow: when it came, monotonic seconds, whose it is, its bytes."""

    at: float
    sender: str
    size: int


class Request(BaseHTTPRequestHandler):
    """One request of kproxy."""

    protocol_version = "HTTP/1.1"
    gate: Gate

    def do_GET(self) -> None:
        """Meet the trick."""
        self._meet()

    def do_POST(self) -> None:
        """Meet the trick."""
        self._meet()

    def log_message(self, *_told: object) -> None:
        """The gate is silent."""

    def setup(self) -> None:
        """A connection has come."""
        super().setup()
        self.gate.connections.add(self.connection)

    def finish(self) -> None:
        """A connection is over."""
        self.gate.connections.discard(self.connection)
        with suppress(OSError, ValueError):
            super().finish()

    def _meet(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        about_flow = self.path.startswith("/chf")
        if about_flow:
            self.gate.met.append(Meeting(time.monotonic(), self.path, len(self.body)))
        with suppress(OSError, ValueError):
            if about_flow or self.gate.everything:
                self.gate.trick(self)
            else:
                self.forward()

    def ask(self) -> tuple[int, Mapping[str, str], bytes]:
        """What kcollect says; 502 when it is not there."""
        backend = http.client.HTTPConnection("127.0.0.1", self.gate.backend, timeout=FORWARD_SECONDS)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            backend.request(self.command, self.path, self.body or None, headers)
            answer = backend.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except (OSError, http.client.HTTPException):
            return 502, {}, b""
        finally:
            backend.close()

    def forward(self) -> None:
        """Let it through."""
        self.say(*self.ask())

    def say(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", length: int = -1) -> None:
        """Answer. :param length: what the head claims, if it is not the body's."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """End the connection with a RST."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
        self.close_connection = True


class Gate:
    """Listens on a port of this network namespace while it is open.

    :param backend: kcollect's port.
    :ivar tls: what it speaks TLS with, if it does.
    :ivar trick: what requests with flow meet.
    :ivar everything: whether all other requests meet it, too.
    :ivar connections: those that are there.
    :ivar met: the requests with flow.
    """

    def __init__(self, port: int, backend: int) -> None:
        self.port = port
        self.backend = backend
        self.tls: ssl.SSLContext | None = None
        self.trick: Trick = Request.forward
        self.everything = False
        self.met: list[Meeting] = []
        self.connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None

    def open(self) -> None:
        """Listen."""
        handler = type("Handler", (Request,), {"gate": self})
        server = type(
            "Server",
            (ThreadingHTTPServer,),
            {"daemon_threads": True, "request_queue_size": 128, "handle_error": lambda *_told: None},
        )
        self._server = server(("127.0.0.1", self.port), handler)
        if self.tls is not None:
            listening = self._server.socket
            self._server.socket = self.tls.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Do not listen: connections are refused, and those that are there end."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def status(code: int, **headers: str) -> Trick:
    """kcollect hears nothing, and the answer is this status."""

    def trick(request: Request) -> None:
        request.say(code, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}")

    return trick


def lost_answer(request: Request) -> None:
    """kcollect stores the flows, and the answer is lost in a RST."""
    request.ask()
    request.reset()


def cut_request(request: Request) -> None:
    """A RST before kcollect hears anything."""
    request.reset()


def cut_answer(request: Request) -> None:
    """kcollect stores the flows; the answer claims a hundred bytes and has three."""
    request.ask()
    request.say(200, body=b"GOO", length=100)
    request.close_connection = True


def slow_answer(request: Request) -> None:
    """kcollect stores the flows; the answer comes a byte a second, an hour long."""
    request.ask()
    request.say(200, length=3600)
    for _second in range(3600):
        request.wfile.write(b".")
        request.wfile.flush()
        time.sleep(1.0)


def endless_answer(request: Request) -> None:
    """kcollect stores the flows; the answer does not end."""
    request.ask()
    request.say(200, length=1 << 40)
    while True:
        request.wfile.write(bytes(1 << 16))


def silence(seconds: float) -> Trick:
    """Nothing is said for so long, then the connection ends."""

    def trick(request: Request) -> None:
        time.sleep(seconds)
        request.close_connection = True

    return trick


def too_large(most: int) -> Trick:
    """Bodies above ``most`` bytes are answered 413, others pass."""

    def trick(request: Request) -> None:
        if len(request.body) > most:
            request.say(413, body=b"{}")
        else:
            request.forward()

    return trick


def at_times(chance: random.Random, *tricks: Trick, part: float = 0.5) -> Trick:
    """Some requests pass, ``part`` of them meet one of the tricks."""

    def trick(request: Request) -> None:
        (chance.choice(tricks) if chance.random() < part else Request.forward)(request)

    return trick


def delayed(chance: random.Random, most: float) -> Trick:
    """Requests and answers take up to ``most`` seconds more, each its own."""

    def trick(request: Request) -> None:
        time.sleep(chance.uniform(0.0, most))
        answer = request.ask()
        time.sleep(chance.uniform(0.0, most))
        request.say(*answer)

    return trick


def once_each(first: Trick) -> Trick:
    """The first request of each message meets the trick, its repetitions pass."""
    seen: set[str] = set()

    def trick(request: Request) -> None:
        name = request.headers.get("X-Kproxy-Batch", "")
        (Request.forward if name in seen else first)(request)
        seen.add(name)

    return trick
