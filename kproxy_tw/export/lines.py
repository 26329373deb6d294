"""Log lines that wait to be exported: so many bytes, the oldest go first."""

from __future__ import annotations

from collections import deque

import attrs

MAX_WAITING_BYTES = 1 << 20
MAX_LINE_BYTES = 16 << 10
MAX_POST_BYTES = 256 << 10


@attrs.frozen
class LineBatch:
    """Lines for one post, one after the other; fits ``service.Batch``."""

    lines: bytes
    origin: WaitingLines

    def body(self) -> bytes:
        """See ``service.Batch``."""
        return self.lines

    def put_back(self) -> None:
        """See ``service.Batch``."""
        self.origin.put_back(self.lines)


class WaitingLines:
    """A bounded queue of lines.

    :ivar wanted: whether anybody takes lines; without that none are kept.
    :ivar dropped: lines that had to go, or were too long.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.dropped = 0
        self._lines: deque[bytes] = deque()
        self._bytes = 0

    def add(self, line: bytes) -> None:
        """Take one line, without its end."""
        if len(line) > MAX_LINE_BYTES:
            self.dropped += 1
            return
        self._lines.append(line)
        self._bytes += len(line)
        while self._bytes > MAX_WAITING_BYTES:
            self._bytes -= len(self._lines.popleft())
            self.dropped += 1

    def take(self) -> LineBatch | None:
        """Give what fits into one post; ``None`` when nothing waits."""
        chosen: list[bytes] = []
        room = MAX_POST_BYTES
        while self._lines and len(self._lines[0]) < room:
            line = self._lines.popleft()
            self._bytes -= len(line)
            room -= len(line) + 1
            chosen.append(line + b"\n")
        return LineBatch(b"".join(chosen), self) if chosen else None

    def put_back(self, body: bytes) -> None:
        """Take back what could not be sent; it is older than everything here, and so the first to go."""
        for line in reversed(body.splitlines()):
            if self._bytes + len(line) > MAX_WAITING_BYTES:
                self.dropped += 1
                continue
            self._lines.appendleft(line)
            self._bytes += len(line)
