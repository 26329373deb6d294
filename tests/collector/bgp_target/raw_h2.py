"""HTTP/2 frames by hand (RFC 9113, RFC 7541), for clients that do not behave."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from tests.collector.bgp_target.target import EMAIL, SECONDS, TOKEN

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_HEADERS = 4
PATH = "/kentik.ktbgp.v202203beta2.ProxyService/Data"


def frame(kind: int, payload: bytes = b"", *, stream: int = 0, flags: int = 0) -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name: str, value: str) -> bytes:
    """A header field that nobody indexes (RFC 7541 section 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request(email: str = EMAIL, token: str = TOKEN) -> bytes:
    """The header block of a Data call that shows credentials and nothing else."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": PATH,
        ":authority": "kcollect",
        "content-type": "application/grpc",
        "te": "trailers",
        "x-ch-auth-email": email,
        "x-ch-auth-api-token": token,
    }
    return b"".join(field(name, value) for name, value in fields.items())


def streams() -> Iterator[int]:
    """Stream numbers of a client."""
    return iter(range(1, 1 << 31, 2))


class RawClient:
    """A connection that says what it likes; it reads and forgets what comes."""

    def __init__(self, port: int, *, preface: bytes = PREFACE) -> None:
        self.closed_after: float | None = None
        self.received = b""
        self.sent = 0
        self._socket = socket.socket()
        self._socket.settimeout(SECONDS)
        self._began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            self._socket.connect(("127.0.0.1", port))
            self._socket.sendall(preface + (frame(SETTINGS) if preface else b""))
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        try:
            while data := self._socket.recv(65536):
                self.received = (self.received + data)[-4096:]
        except OSError:
            pass
        self.closed_after = time.monotonic() - self._began

    def send(self, data: bytes) -> bool:
        """Send; says whether the connection is still there."""
        if self.closed_after is not None:
            return False
        try:
            self._socket.sendall(data)
        except OSError:
            self._reading.join(SECONDS)
            return False
        self.sent += len(data)
        return True

    def wait_closed(self) -> float:
        """Seconds from the beginning until the target has closed it."""
        self._reading.join(SECONDS)
        assert self.closed_after is not None, "still open"
        return self.closed_after

    def close(self) -> None:
        """Close it; a thread that reads would keep the socket open without the first line."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
