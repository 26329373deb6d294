"""Shelf: the segment files of one directory, which nobody else may use."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from kproxy_tw.deliver.spool.limits import Lost, SpoolStatus
from kproxy_tw.deliver.spool.segment import SUFFIX, Segment, Waiting
from kproxy_tw.errors import ConfigError, MalformedInput

LOCK = "lock"


class Shelf:
    """The segments by number, oldest first.

    :param wall: seconds since 1970; names what is set aside.
    :ivar damaged: places that could not be read since it was opened.
    :ivar quarantined: where the last file that could not be used was moved; empty when none was.
    """

    def __init__(self, directory: Path, *, roll_bytes: int, wall: Callable[[], float]) -> None:
        self.directory = directory
        self.damaged = 0
        self.quarantined = ""
        self._roll_bytes = roll_bytes
        self._wall = wall
        self._segments: dict[int, Segment] = {}
        self._current = 0
        self._next_number = 1
        self._lock = -1

    def open(self) -> None:
        """Take the directory, with what it holds.

        :raises ConfigError: another process has it.
        :raises OSError: it cannot be made or read.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigError(
                "state_dir", f"{self.directory} is in use by another process; give each its own"
            ) from None
        for path in sorted(self.directory.glob(f"*{SUFFIX}")):
            self._adopt(path)
        self._next_number = max(self._segments, default=0) + 1

    def close(self) -> None:
        """Leave everything as it is for the next start."""
        for segment in self._segments.values():
            segment.close()
        self._segments.clear()
        os.close(self._lock)

    def __contains__(self, number: int) -> bool:
        return number in self._segments

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(list(self._segments.values()))

    def get(self, number: int) -> Segment | None:
        """One segment, if it is there."""
        return self._segments.get(number)

    def writable(self) -> Segment:
        """The segment for what comes next. :raises OSError: a new one cannot be made."""
        segment = self._segments.get(self._current)
        if segment is None or segment.end >= self._roll_bytes:
            self._current, self._next_number = self._next_number, self._next_number + 1
            segment = Segment.create(self.directory, self._current)
            self._segments[self._current] = segment
            _sync(self.directory)
        return segment

    def distrust(self) -> None:
        """The disk failed: what comes next goes to another segment, whatever has become of the current one."""
        self._current = 0

    def remove(self, segment: Segment) -> None:
        """Delete a segment, whatever it holds."""
        del self._segments[segment.number]
        segment.remove()

    def tidy(self) -> None:
        """Delete segments of which nothing waits, but not the one that is written to."""
        for segment in self:
            if not segment.waiting and segment.number != self._current:
                self.remove(segment)

    def recount(self, segment: Segment) -> list[Lost]:
        """A header that could be read before cannot be read any more: what is gone is lost."""
        self.damaged += 1
        lost = []
        for origin, was in segment.recount().items():
            now = segment.waiting.get(origin, Waiting())
            if was.messages > now.messages:
                lost.append(Lost(origin, was.messages - now.messages, was.flows - now.flows, "spool_corrupt"))
        return lost

    def status(self) -> SpoolStatus:
        """What waits."""
        waiting = [each for segment in self for each in segment.waiting.values()]
        return SpoolStatus(
            messages=sum(each.messages for each in waiting),
            flows=sum(each.flows for each in waiting),
            bytes=sum(segment.end for segment in self),
            oldest_ms=min((segment.oldest_ms for segment in self if segment.waiting), default=0),
        )

    def _adopt(self, path: Path) -> None:
        try:
            segment = Segment.open(path)
        except (MalformedInput, OSError):
            aside = path.with_suffix(f".bad-{int(self._wall())}")
            path.rename(aside)
            self.quarantined = str(aside)
            self.damaged += 1
            return
        self.damaged += segment.take_stock()
        self._segments[segment.number] = segment


def _sync(directory: Path) -> None:
    """Make a new file's name durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
