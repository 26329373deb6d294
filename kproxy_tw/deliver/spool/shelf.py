"""Shelf: the segment files of one directory, which nobody else may use."""

from __future__ import annotations

import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from kproxy_tw.crashpoints import crash_point
from kproxy_tw.deliver.spool.limits import Lost, SpoolStatus, Stock
from kproxy_tw.deliver.spool.record import Header
from kproxy_tw.deliver.spool.segment import SUFFIX, UNNAMED_SUFFIX, Place, Segment, Waiting
from kproxy_tw.errors import ConfigError, MalformedInput

LOCK = "lock"


class Shelf:
    """The segments by number, oldest first.

    :param wall: seconds since 1970; names what is set aside.
    :ivar last_inherited: number of the last segment that was there at the start.
    :ivar damaged: places that could not be read since it was opened.
    :ivar set_aside: where files that could not be used were moved, or the whole directory.
    :ivar refusals: marks and deletions that the disk did not take.
    """

    def __init__(self, directory: Path, *, roll_bytes: int, wall: Callable[[], float]) -> None:
        self.directory = directory
        self.last_inherited = 0
        self.damaged = 0
        self.set_aside: list[Path] = []
        self.refusals = 0
        self._roll_bytes = roll_bytes
        self._wall = wall
        self._segments: dict[int, Segment] = {}
        self._unread: deque[Segment] = deque()
        self._undeleted: list[Path] = []
        self._current = 0
        self._next_number = 1
        self._lock = -1

    def open(self) -> None:
        """Take the directory, with what it holds; the time does not depend on how much that is.

        :raises ConfigError: another process has it.
        :raises OSError: it cannot be made or read.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.directory, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.directory))
        self._lock = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigError(
                "state_dir", f"{self.directory} is in use by another process; give each its own"
            ) from None
        for path in sorted(map(self.directory.joinpath, os.listdir(self.directory))):
            if path.suffix == UNNAMED_SUFFIX:
                with suppress(OSError):
                    path.unlink()
            elif path.suffix == SUFFIX:
                self._adopt(path)
        self.last_inherited = max(self._segments, default=0)
        self._next_number = self.last_inherited + 1

    def put_aside(self, path: Path) -> None:
        """Give something in the way another name, so that it does no harm and somebody can look at it.

        :raises OSError: it cannot be renamed.
        """
        aside = path.with_suffix(f".bad-{int(self._wall())}")
        path.rename(aside)
        self.set_aside.append(aside)

    @property
    def unread(self) -> int:
        """Segments that were there at the start and were not read yet."""
        return len(self._unread)

    def read_one(self) -> Stock | None:
        """Take stock of the oldest segment that was there at the start and was not read yet.

        :return: what waits in it; ``None`` when all are read.
        """
        if not self._unread:
            return None
        segment = self._unread.popleft()
        self.damaged += segment.take_stock()
        waiting = segment.waiting.values()
        return Stock(sum(each.messages for each in waiting), sum(each.flows for each in waiting))

    def close(self) -> None:
        """Leave everything as it is for the next start."""
        for segment in self._segments.values():
            segment.close()
        self._segments.clear()
        self._unread.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

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
            if segment is not None:
                crash_point("seal")
            self._current, self._next_number = self._next_number, self._next_number + 1
            segment = Segment.create(self.directory, self._current)
            self._segments[self._current] = segment
            _sync(self.directory)
        return segment

    def distrust(self) -> None:
        """The disk failed: what comes next goes to another segment, whatever has become of the current one."""
        self._current = 0

    def remove(self, segment: Segment) -> None:
        """Delete a segment, whatever it holds; if the disk refuses, :meth:`tidy` tries again."""
        del self._segments[segment.number]
        segment.close()
        self._delete(segment.path)

    def _delete(self, path: Path) -> None:
        crash_point("delete")
        try:
            path.unlink(missing_ok=True)
        except OSError:
            self.refusals += 1
            self._undeleted.append(path)

    def mark_done(self, segment: Segment, offset: int, header: Header) -> None:
        """See :meth:`Segment.mark_done`."""
        if not segment.mark_done(offset, header):
            self.refusals += 1

    def tidy(self) -> None:
        """Delete segments of which nothing waits, but not the one that is written to."""
        undeleted, self._undeleted = self._undeleted, []
        for path in undeleted:
            self._delete(path)
        for segment in self:
            if not segment.waiting and segment.number != self._current and segment not in self._unread:
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

    def inherited(self) -> Iterator[Place]:
        """What waited already when the directory was opened, oldest first; read as it is asked for."""
        for segment in self:
            if segment.number > self.last_inherited:
                break
            for offset, header in segment.headers() if segment.number in self._segments else ():
                if not header.done:
                    yield Place(segment.number, offset)
                if segment.number not in self._segments:
                    break

    def _adopt(self, path: Path) -> None:
        try:
            segment = Segment.open(path)
        except (MalformedInput, OSError):
            self.put_aside(path)
            self.damaged += 1
            return
        self._segments[segment.number] = segment
        self._unread.append(segment)


def _sync(directory: Path) -> None:
    """Make a new file's name durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
