"""Spool: the segments of one directory.

Records come in by :meth:`Spool.append`, durable when it returns. A record is *out* while somebody tries to deliver
it: at first from memory, where it came from; once :meth:`Spool.release` has given it up there, :meth:`Spool.take`
hands it out from the disk, oldest first. :meth:`Spool.done` ends it. A segment without waiting records is deleted.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import attrs

from kproxy_tw.deliver.spool.record import Header, SpoolRecord
from kproxy_tw.deliver.spool.segment import SUFFIX, Place, Segment, Waiting
from kproxy_tw.errors import ConfigError, MalformedInput

LOCK = "lock"


@attrs.frozen(kw_only=True)
class SpoolLimits:
    """How large the spool may grow.

    :ivar max_bytes: of all segments together.
    :ivar max_messages: that wait; what is known of each in memory is small, but it is something.
    :ivar segment_bytes: a segment that has so many is followed by the next; no more than an eighth of ``max_bytes``.
    :ivar device_part: of ``max_bytes``, what one device may fill; beyond it its own oldest records give way.
    :ivar free_bytes: what is to stay free on the file system.
    :ivar drop_newest: when it is full, refuse what comes instead of dropping the oldest segment.
    :ivar max_age_seconds: older records are dropped; 0 keeps them for ever.
    """

    max_bytes: int = 1 << 30
    max_messages: int = 1 << 18
    segment_bytes: int = 16 << 20
    device_part: float = 0.5
    free_bytes: int = 512 << 20
    drop_newest: bool = False
    max_age_seconds: float = 0.0

    @property
    def roll_bytes(self) -> int:
        """When the next segment begins."""
        return min(self.segment_bytes, max(1, self.max_bytes // 8))


@attrs.frozen
class Lost:
    """Records of a device that will never be delivered. ``reason``: ``spool_full`` or ``spool_corrupt``."""

    device_id: int
    messages: int
    flows: int
    reason: str


@attrs.frozen
class Stored:
    """A record read back, and where it stands."""

    place: Place
    record: SpoolRecord


@attrs.frozen
class SpoolStatus:
    """What waits. ``bytes``: on the disk; ``oldest_ms``: when the oldest was made, milliseconds since 1970, 0: none."""

    messages: int = 0
    flows: int = 0
    bytes: int = 0
    oldest_ms: int = 0


class Spool:
    """See the module. Not for more than one thread.

    :param wall: seconds since 1970.
    :param free_bytes: bytes that are free where a path is.
    :ivar damaged: places that could not be read since it was opened.
    :ivar quarantined: where a directory that could not be used was moved; empty when none was.
    """

    def __init__(
        self,
        directory: Path,
        limits: SpoolLimits,
        *,
        wall: Callable[[], float],
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self.damaged = 0
        self.quarantined = ""
        self._directory = directory
        self._limits = limits
        self._wall = wall
        self._free_bytes = free_bytes
        self._segments: dict[int, Segment] = {}
        self._out: dict[Place, Header] = {}
        self._returned: list[tuple[int, int]] = []
        self._inherited: Iterator[Place] = iter(())
        self._ahead: Place | None = None
        self._lock = -1
        self._current = 0
        self._next_number = 1

    def open(self) -> None:
        """Take the directory, with what it holds.

        :raises ConfigError: another process has it.
        :raises OSError: it cannot be made or read.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            self._adopt(path)
        self._next_number = max(self._segments, default=0) + 1
        self._inherited = self._inherit(sorted(self._segments))
        self._ahead = next(self._inherited, None)
        self._tidy()

    def close(self) -> None:
        """Leave everything as it is for the next start."""
        for segment in self._segments.values():
            segment.close()
        self._segments.clear()
        os.close(self._lock)

    def append(self, records: Sequence[SpoolRecord]) -> tuple[list[Place | None], list[Lost]]:
        """Make records durable. They are out: their copies in memory are being delivered.

        :return: where each stands, ``None`` for one that found no room; what had to give way for them.
        :raises OSError: the disk fails; none of them counts as kept, and the next call begins another segment.
        """
        lost = self._expire()
        admitted: list[SpoolRecord] = []
        size = 0
        for record in records:
            if self._make_room(size + record.length, len(admitted), lost) and self._fits_device(record, size, lost):
                admitted.append(record)
                size += record.length
        places: dict[int, Place] = {}
        if admitted:
            segment = self._active()
            try:
                found = segment.append(admitted)
            except OSError:
                self._current = 0  # what follows goes to another segment, whatever has become of this one
                raise
            places = {id(record): place for record, place in zip(admitted, found, strict=True)}
            for place in found:
                header = segment.header(place.offset)
                if header is not None:
                    self._out[place] = header
        return [places.get(id(record)) for record in records], lost

    def release(self, places: Iterable[Place]) -> None:
        """Nobody delivers these any more: they can be taken from the disk."""
        for place in places:
            header = self._out.pop(place, None)
            if header is not None and place.segment in self._segments:
                heapq.heappush(self._returned, (place.segment, place.offset))

    def done(self, places: Iterable[Place]) -> None:
        """These have their fate."""
        for place in places:
            header = self._out.pop(place, None)
            segment = self._segments.get(place.segment)
            if header is not None and segment is not None:
                segment.mark_done(place.offset, header)
        self._tidy()

    def take(self, max_bytes: int) -> tuple[list[Stored], list[Lost]]:
        """The oldest records that are not out, and so many that their bodies have ``max_bytes``, but one at least.

        :return: they are out now; and what turned out to be damaged.
        """
        taken: list[Stored] = []
        lost: list[Lost] = []
        size = 0
        while size < max_bytes and (place := self._next()) is not None:
            segment = self._segments[place.segment]
            header = segment.header(place.offset)
            if header is None:
                lost += self._recount(segment)
                continue
            if header.done:
                continue
            body = segment.body(place.offset, header)
            if body is None:
                self.damaged += 1
                lost.append(Lost(header.batch.device_id, 1, header.flows, "spool_corrupt"))
                segment.mark_done(place.offset, header)
                continue
            self._out[place] = header
            taken.append(Stored(place, SpoolRecord(header.batch, header.flows, header.created_ms, body)))
            size += header.size
        self._tidy()
        return taken, lost

    def status(self) -> SpoolStatus:
        """What waits, that which is out included."""
        waiting = [each for segment in self._segments.values() for each in segment.waiting.values()]
        oldest = [segment.oldest_ms for segment in self._segments.values() if segment.waiting]
        return SpoolStatus(
            messages=sum(each.messages for each in waiting),
            flows=sum(each.flows for each in waiting),
            bytes=self._bytes(),
            oldest_ms=min(oldest, default=0),
        )

    def waiting_flows(self) -> dict[int, int]:
        """Flows that wait, by device id."""
        flows: dict[int, int] = {}
        for segment in self._segments.values():
            for device_id, each in segment.waiting.items():
                flows[device_id] = flows.get(device_id, 0) + each.flows
        return flows

    def _take_lock(self) -> None:
        self._lock = os.open(self._directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigError(
                "state_dir", f"{self._directory} is in use by another process; give each its own"
            ) from None

    def _adopt(self, path: Path) -> None:
        try:
            segment = Segment.open(path)
        except (MalformedInput, ValueError, OSError):
            aside = path.with_suffix(f".bad-{int(self._wall())}")
            path.rename(aside)
            self.quarantined = str(aside)
            self.damaged += 1
            return
        self.damaged += segment.take_stock()
        self._segments[segment.number] = segment

    def _active(self) -> Segment:
        segment = self._segments.get(self._current)
        if segment is None or segment.end >= self._limits.roll_bytes:
            self._current, self._next_number = self._next_number, self._next_number + 1
            segment = self._segments[self._current] = Segment.create(self._directory, self._current)
            self._sync_directory()
        return segment

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _bytes(self) -> int:
        return sum(segment.end for segment in self._segments.values())

    def _messages(self) -> int:
        return sum(each.messages for segment in self._segments.values() for each in segment.waiting.values())

    def _fits_device(self, record: SpoolRecord, size: int, lost: list[Lost]) -> bool:
        device = record.batch.device_id
        part = self._limits.max_bytes * self._limits.device_part
        while True:
            holders = [segment for segment in self._segments.values() if device in segment.waiting]
            if sum(segment.waiting[device].bytes for segment in holders) + size + record.length <= part:
                return True
            gone = None if self._limits.drop_newest else self._drop_of_device(device, holders)
            if gone is None:
                return False
            lost.append(gone)

    def _make_room(self, size: int, messages: int, lost: list[Lost]) -> bool:
        limits = self._limits
        while self._bytes() + size > limits.max_bytes or self._messages() + messages >= limits.max_messages:
            if limits.drop_newest or len(self._segments) < 2:
                return False
            lost += self._drop(min(self._segments))
        return self._free_bytes(self._directory) - size >= limits.free_bytes

    def _expire(self) -> list[Lost]:
        lost: list[Lost] = []
        if self._limits.max_age_seconds:
            limit = (self._wall() - self._limits.max_age_seconds) * 1000
            # A segment goes when the one behind it is too old as well: then all of its records are.
            numbers = sorted(self._segments)
            for number, behind in pairwise(numbers):
                if not 0 < self._segments[behind].oldest_ms < limit:
                    break
                lost += self._drop(number)
        return lost

    def _drop(self, number: int) -> list[Lost]:
        """Delete a segment; what of it is out may still arrive, the rest is lost."""
        segment = self._segments.pop(number)
        for place in [place for place in self._out if place.segment == number]:
            header = self._out.pop(place)
            segment.waiting[header.batch.device_id].add(header, -1)
        segment.remove()
        return [
            Lost(device_id, each.messages, each.flows, "spool_full")
            for device_id, each in segment.waiting.items()
            if each.messages
        ]

    def _tidy(self) -> None:
        """Delete segments of which nothing waits, but not the one that is written to."""
        for number, segment in list(self._segments.items()):
            if not segment.waiting and number != self._current:
                del self._segments[number]
                segment.remove()

    def _drop_of_device(self, device: int, holders: Sequence[Segment]) -> Lost | None:
        """Drop what one segment holds of a device, the oldest; ``None`` when all of it is out."""
        for segment in holders:
            dropped = [
                (offset, header)
                for offset, header in segment.headers()
                if header.batch.device_id == device
                and not header.done
                and Place(segment.number, offset) not in self._out
            ]
            for offset, header in dropped:
                segment.mark_done(offset, header)
            if dropped:
                return Lost(device, len(dropped), sum(header.flows for _, header in dropped), "spool_full")
        return None

    def _recount(self, segment: Segment) -> list[Lost]:
        """A header that could be read before cannot be read any more: what is gone is lost."""
        self.damaged += 1
        before = segment.recount()
        lost = []
        for device_id, was in before.items():
            now = segment.waiting.get(device_id, Waiting())
            if was.messages > now.messages:
                lost.append(Lost(device_id, was.messages - now.messages, was.flows - now.flows, "spool_corrupt"))
        return lost

    def _inherit(self, numbers: Sequence[int]) -> Iterator[Place]:
        """What waited already when the directory was opened, oldest first."""
        for number in numbers:
            segment = self._segments.get(number)
            for offset, header in segment.headers() if segment else ():
                if not header.done:
                    yield Place(number, offset)
                if number not in self._segments:
                    break

    def _next(self) -> Place | None:
        """The oldest place that may be taken; none twice."""
        while True:
            ahead = self._ahead
            if self._returned and (ahead is None or self._returned[0] < (ahead.segment, ahead.offset)):
                place: Place | None = Place(*heapq.heappop(self._returned))
            else:
                place = ahead
                self._ahead = next(self._inherited, None)
            if place is None or place.segment in self._segments:
                return place
