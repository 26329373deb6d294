"""Writes log lines in threads of their own: a sink that takes nothing costs lines, and never the reactor's time.

A pipe that nobody reads, a dead syslog or a full disk blocks the thread. Lines then wait, within bounds; what comes
beyond them is left out, counted, and told when the sink takes lines again.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping

MAX_LINES = 1000
MAX_BYTES = 1 << 20
"""What may wait for one sink."""

CLOSE_SECONDS = 1.0
"""How long the end of the process waits for a sink."""

Write = Callable[[bytes], None]


class LineWriter:
    """One sink and its thread. Any thread may put lines.

    :param name: of the sink, for people.
    :param write: writes a line, and may block as long as it likes; an ``OSError`` loses the line.
    :param tell: makes the line that tells how many were lost.
    :ivar lost: lines that the sink never got.
    """

    def __init__(self, name: str, write: Write, tell: Callable[[int], bytes]) -> None:
        self.name = name
        self.lost = 0
        self._write = write
        self._tell = tell
        self._untold = 0
        self._work: deque[bytes | Callable[[], None]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write. Until then lines wait: twistd forks between the first lines and the start."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"log {self.name}", daemon=True)
            self._thread.start()

    def put(self, line: bytes) -> None:
        """Take a line; never blocks."""
        with self._changed:
            if len(self._work) >= MAX_LINES or self._bytes + len(line) > MAX_BYTES:
                self.lost += 1
                self._untold += 1
                return
            self._work.append(line)
            self._bytes += len(line)
            self._changed.notify_all()

    def between_lines(self, work: Callable[[], None]) -> None:
        """Do ``work`` in the writing thread, behind the lines that wait."""
        with self._changed:
            self._work.append(work)
            self._changed.notify_all()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Wait until all is written, no longer than ``seconds``; the thread itself ends with the process."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: not self._work and not self._busy, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._work))
                self._busy = True
                work = self._work.popleft()
                if isinstance(work, bytes):
                    self._bytes -= len(work)
            self._do(work)

    def _do(self, work: bytes | Callable[[], None]) -> None:
        try:
            if not isinstance(work, bytes):
                work()
                return
            self._write(work)
        except OSError:
            self._count_lost()
            return
        if self._untold:
            self._tell_lost()

    def _tell_lost(self) -> None:
        with self._changed:
            count, self._untold = self._untold, 0
        try:
            self._write(self._tell(count))
        except OSError:
            with self._changed:
                self._untold += count

    def _count_lost(self) -> None:
        with self._changed:
            self.lost += 1
            self._untold += 1


class LogWriters:
    """All writers of a process; lines that wait are written when it ends, if that takes no long time."""

    def __init__(self) -> None:
        self._writers: list[LineWriter] = []
        self._started = False

    def open(self, name: str, write: Write, tell: Callable[[int], bytes]) -> LineWriter:
        """Make one more writer."""
        if not self._writers:
            atexit.register(self.close)
        writer = LineWriter(name, write, tell)
        self._writers.append(writer)
        if self._started:
            writer.start()
        return writer

    def start(self) -> None:
        """Begin to write: the process will not fork any more."""
        self._started = True
        for writer in self._writers:
            writer.start()

    def close(self) -> None:
        """Wait for what is still to be written."""
        for writer in self._writers:
            writer.close()

    def lost(self) -> Mapping[str, int]:
        """Lines that did not get through, by the name of their sink."""
        return {writer.name: writer.lost for writer in self._writers}


def write_all(descriptor: int) -> Write:
    """Write to a descriptor, in as many pieces as it takes."""

    def write(line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return write
