"""Spool: what waits on the disk, and who has which of it.

What was there at the start is read by :meth:`Spool.take_stock`, a segment at a time, so that a start takes no longer
for a large backlog.

Records come in by :meth:`Spool.append`, durable when it returns. A record is *out* while somebody tries to deliver
it: at first from memory, where it came from; once :meth:`Spool.release` has given it up there, :meth:`Spool.take`
hands it out from the disk, oldest first. :meth:`Spool.done` ends it. A segment without waiting records is deleted.
"""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import attrs

from kproxy_tw.deliver.spool.limits import Lost, SpoolLimits, SpoolStatus, Stock
from kproxy_tw.deliver.spool.opening import open_or_replace
from kproxy_tw.deliver.spool.record import Header, SpoolRecord
from kproxy_tw.deliver.spool.segment import Place, Segment
from kproxy_tw.deliver.spool.shelf import Shelf
from kproxy_tw.deliver.spool.tallyfile import TallyFile


class Usage(Protocol):
    """How full a file system is, as :func:`shutil.disk_usage` tells it."""

    @property
    def total(self) -> int:
        """Its bytes."""

    @property
    def free(self) -> int:
        """Those that are free."""


@attrs.frozen
class Stored:
    """A record read back, and where it stands."""

    place: Place
    record: SpoolRecord


class Spool:
    """See the module. Not for more than one thread.

    :param wall: seconds since 1970.
    :param usage: size and free bytes of the file system where a path is.
    :ivar tallies: the file beside the segments with what the books said.
    :ivar inherited: what was found so far that waited already when it was opened.
    :ivar untold: what had to give way before a failure, and was not returned by :meth:`append` yet.
    """

    def __init__(
        self,
        directory: Path,
        limits: SpoolLimits,
        *,
        wall: Callable[[], float],
        usage: Callable[[Path], Usage] = shutil.disk_usage,
    ) -> None:
        self.inherited = Stock(0, 0)
        self._limits = limits
        self._wall = wall
        self._usage = usage
        self._shelf = Shelf(directory, roll_bytes=limits.roll_bytes, wall=wall)
        self.tallies = TallyFile(directory)
        self._out: dict[Place, Header] = {}
        self._returned: list[tuple[int, int]] = []
        self._behind: Iterator[Place] = iter(())
        self._ahead: Place | None = None
        self._gone: dict[Place, Lost] = {}
        self.untold: list[Lost] = []

    @property
    def damaged(self) -> int:
        """Places on the disk that could not be read."""
        return self._shelf.damaged

    @property
    def set_aside(self) -> Sequence[Path]:
        """Where files that could not be used were moved, or a directory that could not be."""
        return self._shelf.set_aside

    @property
    def refusals(self) -> int:
        """Marks and deletions that the disk did not take: the next run finds these records once more."""
        return self._shelf.refusals

    def open(self) -> None:
        """Take the directory; what it holds is found by :meth:`take_stock`.

        One that cannot be used, such as another user's, gives way to a new one.

        :raises ConfigError: another process has it.
        :raises OSError: it cannot be made, nor renamed.
        """
        open_or_replace(self._shelf, self.tallies)

    def take_stock(self) -> bool:
        """Read one segment that was there at the start; after the last, what waits there can be taken.

        :return: whether there may be more.
        """
        found, before = self._shelf.read_one(), self.inherited
        if found is not None:
            self.inherited = Stock(before.messages + found.messages, before.flows + found.flows)
            return True
        self._behind = self._shelf.inherited()
        self._ahead = next(self._behind, None)
        self._shelf.tidy()
        return False

    def close(self) -> None:
        """Leave everything as it is for the next start."""
        self._shelf.close()
        self.tallies.close()

    def status(self) -> SpoolStatus:
        """What waits, that which is out included."""
        return self._shelf.status()

    def append(self, records: Sequence[SpoolRecord]) -> tuple[list[Place | None], list[Lost]]:
        """Make records durable. They are out: their copies in memory are being delivered.

        :return: where each stands, ``None`` for one that found no room; what had to give way, now and before a failure.
        :raises OSError: the disk fails; none of them counts as kept, and the next call begins another segment.
        """
        lost, self.untold = [*self.untold, *self._expire()], []
        admitted: list[SpoolRecord] = []
        size = 0
        for record in records:
            if self._make_room(size + record.length, len(admitted), lost) and self._fits_device(record, size, lost):
                admitted.append(record)
                size += record.length
        try:
            found = iter(self._write(admitted) if admitted else ())
        except OSError:
            self.untold = lost
            raise
        kept = {id(record) for record in admitted}
        return [next(found) if id(record) in kept else None for record in records], lost

    def release(self, places: Iterable[Place]) -> list[Lost]:
        """Nobody delivers these any more: they can be taken from the disk.

        :return: those that the disk has not either, for their segment had to give way meanwhile.
        """
        lost = []
        for place in places:
            if place in self._gone:
                lost.append(self._gone.pop(place))
            elif self._out.pop(place, None) is not None:
                heapq.heappush(self._returned, (place.segment, place.offset))
        return lost

    def done(self, places: Iterable[Place]) -> None:
        """These have their fate."""
        for place in places:
            self._gone.pop(place, None)
            header = self._out.pop(place, None)
            segment = self._shelf.get(place.segment)
            if header is not None and segment is not None:
                self._shelf.mark_done(segment, place.offset, header)
        self._shelf.tidy()

    def take(self, max_bytes: int) -> tuple[list[Stored], list[Lost]]:
        """The oldest records that are not out, and so many that their bodies have ``max_bytes``, but one at least.

        :return: they are out now; and what turned out to be damaged.
        """
        taken: list[Stored] = []
        lost: list[Lost] = []
        size = 0
        while size < max_bytes and (place := self._next()) is not None:
            stored = self._read(place, lost)
            if stored is not None:
                taken.append(stored)
                size += len(stored.record.body)
        self._shelf.tidy()
        return taken, lost

    def _write(self, records: Sequence[SpoolRecord]) -> list[Place]:
        segment = self._shelf.writable()
        try:
            written = segment.append(records)
        except OSError:
            self._shelf.distrust()
            raise
        self._out.update(written)
        return [place for place, _header in written]

    def _read(self, place: Place, lost: list[Lost]) -> Stored | None:
        segment = self._shelf.get(place.segment)
        if segment is None:
            return None
        header = segment.header(place.offset)
        if header is None:
            lost += self._shelf.recount(segment)
            return None
        if header.done:
            return None
        body = segment.body(place.offset, header)
        if body is None:
            self._shelf.damaged += 1
            self._shelf.mark_done(segment, place.offset, header)
            lost.append(Lost(header.batch.origin, 1, header.flows, "spool_corrupt"))
            return None
        self._out[place] = header
        return Stored(place, SpoolRecord(header.batch, header.flows, header.created_ms, body))

    def _make_room(self, size: int, messages: int, lost: list[Lost]) -> bool:
        limits = self._limits
        while (now := self._shelf.status()).bytes + size > limits.max_bytes or (
            now.messages + messages >= limits.max_messages
        ):
            if limits.drop_newest or len(self._shelf) < 2:
                return False
            while self._shelf.unread:  # nothing may be dropped that is not known
                self.take_stock()
            lost += self._drop(next(iter(self._shelf)), "spool_full")
        usage = self._usage(self._shelf.directory)
        return usage.free - size >= limits.floor(usage.total)

    def _fits_device(self, record: SpoolRecord, size: int, lost: list[Lost]) -> bool:
        device = record.batch.device_id
        part = self._limits.max_bytes * self._limits.device_part
        while sum(segment.bytes_of(device) for segment in self._shelf) + size + record.length > part:
            gone = [] if self._limits.drop_newest else self._drop_of_device(device)
            if not gone:
                return False
            lost += gone
        return True

    def _expire(self) -> list[Lost]:
        lost: list[Lost] = []
        if self._limits.max_age_seconds and not self._shelf.unread:
            limit = (self._wall() - self._limits.max_age_seconds) * 1000
            # A segment goes when the one behind it is too old as well: then all of its records are.
            for segment, behind in pairwise(self._shelf):
                if not 0 < behind.oldest_ms < limit:
                    break
                lost += self._drop(segment, "spool_expired")
        return lost

    def _drop(self, segment: Segment, reason: str) -> list[Lost]:
        """Delete a segment; what of it is out may still arrive, or be given up later; the rest is lost."""
        for place in [place for place in self._out if place.segment == segment.number]:
            header = self._out.pop(place)
            segment.waiting[header.batch.origin].add(header, -1)
            self._gone[place] = Lost(header.batch.origin, 1, header.flows, reason)
        self._shelf.remove(segment)
        return [
            Lost(origin, each.messages, each.flows, reason) for origin, each in segment.waiting.items() if each.messages
        ]

    def _drop_of_device(self, device: int) -> list[Lost]:
        """Drop what one segment holds of a device, the oldest; nothing when all of it is out."""
        for segment in self._shelf:
            if not segment.bytes_of(device):
                continue
            lost = []
            for offset, header in segment.headers():
                out = Place(segment.number, offset) in self._out
                if header.batch.device_id == device and not header.done and not out:
                    self._shelf.mark_done(segment, offset, header)
                    lost.append(Lost(header.batch.origin, 1, header.flows, "spool_full"))
            if lost:
                return lost
        return []

    def _next(self) -> Place | None:
        """The oldest place that may be taken; none twice."""
        ahead = self._ahead
        if self._returned and (ahead is None or self._returned[0] < (ahead.segment, ahead.offset)):
            return Place(*heapq.heappop(self._returned))
        self._ahead = next(self._behind, None)
        return ahead
