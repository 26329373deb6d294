"""Counts the HTTP/2 frames of one direction of a connection that cost work, against a budget. Pure.

RFC 9113 section 4.1: a frame is a length of 3 bytes, a type, flags, a stream of 4 bytes, and the payload.
Floods that this stops: CVE-2019-9512 (PING), 9515 (SETTINGS), 9513 (PRIORITY), 9514 and CVE-2023-44487 (resets),
9518 (empty frames), CVE-2024-27316 (CONTINUATION), CVE-2025-8671 (resets that the server is made to send).
"""

from __future__ import annotations

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import trusted_unpacker

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first (RFC 9113 section 3.4)."""

HEADER_BYTES = 9
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
NAMES = (
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
)

MAX_FRAME = 1 << 20
"""Longer than any that the gRPC server announces."""

END_STREAM = 0x1
_header = trusted_unpacker("HBBBI")


class Flood(MalformedInput):
    """More frames of one kind than a client has use for; ``str()`` names the kind."""


@attrs.frozen
class Allowance:
    """How many at once, and how many a second in the long run."""

    burst: float
    per_second: float


COSTLY = Allowance(1000, 100)
"""Streams opened or reset, settings, pings and what nobody sends: kbgp opens ten streams on a connection."""

WINDOWS = Allowance(20_000, 5000)
"""Window updates come with the data of the other direction."""


class _Bucket:
    def __init__(self, allowance: Allowance, now: float) -> None:
        self._allowance = allowance
        self._left = allowance.burst
        self._filled = now

    def take(self, count: int, now: float) -> bool:
        """Whether ``count`` more are within the allowance."""
        allowance = self._allowance
        self._left = min(allowance.burst, self._left + (now - self._filled) * allowance.per_second)
        self._filled = now
        self._left -= count
        return self._left >= 0


class FrameBudget:
    """Follows the frames of one direction.

    :param preface: what comes before the first frame.
    :param now: monotonic seconds.
    """

    def __init__(self, *, preface: bytes, now: float) -> None:
        self._preface = preface
        self._head = b""
        self._skip = 0
        self._costly = _Bucket(COSTLY, now)
        self._windows = _Bucket(WINDOWS, now)

    def feed(self, data: bytes, now: float) -> None:
        """Follow the next bytes. :raises Flood: a budget is used up. :raises MalformedInput: this is no HTTP/2."""
        if self._preface:
            data = self._after_preface(data)
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        counts = self._count(self._head + data[self._skip :] if self._head or self._skip else data)
        if any(counts):
            self._judge(counts, now)

    def _after_preface(self, data: bytes) -> bytes:
        expected = self._preface[: len(data)]
        if not data.startswith(expected):
            raise MalformedInput("this is no HTTP/2")
        self._preface = self._preface[len(expected) :]
        return data[len(expected) :]

    def _count(self, data: bytes) -> list[int]:
        counts = [0] * (len(NAMES) + 1)
        position, last = 0, len(data) - HEADER_BYTES
        while position <= last:
            high, low, kind, flags, _ = _header(data, position)
            length = high << 8 | low
            if length > MAX_FRAME:
                raise MalformedInput(f"a frame of {length} bytes")
            if kind != DATA or not (length or flags & END_STREAM):
                counts[min(kind, len(NAMES))] += 1
            position += HEADER_BYTES + length
        self._skip = max(0, position - len(data))
        self._head = data[position:]
        return counts

    def _judge(self, counts: list[int], now: float) -> None:
        windows, counts[WINDOW_UPDATE] = counts[WINDOW_UPDATE], 0
        if windows and not self._windows.take(windows, now):
            raise Flood("too many WINDOW_UPDATE frames")
        if any(counts) and not self._costly.take(sum(counts), now):
            kind = counts.index(max(counts))
            raise Flood(f"too many {NAMES[kind] if kind < len(NAMES) else 'unknown'} frames")
