"""An HTTP client for tests that sends any bytes over a real socket and reads until the server closes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable


def exchange(port: int, pieces: Iterable[bytes] | bytes, *, pause: float = 0.0, seconds: float = 8.0) -> bytes:
    """Everything that the server says to ``pieces``, sent one by one with ``pause`` between them."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except ConnectionError:
            pass  # the server has had enough; what it said is still to be read
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Read until the end, or a reset after an answer."""
    answer = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return answer
        if not piece:
            return answer
        answer += piece


def request(target: str = "/", *, method: str = "GET", host: str = "127.0.0.1:{port}", **headers: str) -> str:
    """A request as text; ``{port}`` in it is for :meth:`str.format`. Header names take ``_`` for ``-``."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""])


def status(answer: bytes) -> int:
    """The status of an HTTP answer, 0 when there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def headers(answer: bytes) -> dict[str, str]:
    """The headers of an HTTP answer by lower-case name."""
    head = answer.partition(b"\r\n\r\n")[0].decode("ascii")
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])}


def body(answer: bytes) -> bytes:
    """The body of an HTTP answer, chunks joined."""
    rest = answer.partition(b"\r\n\r\n")[2]
    if headers(answer).get("transfer-encoding") != "chunked":
        return rest
    whole = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole
