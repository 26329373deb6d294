"""A segment: one file of records, written from front to back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from kproxy_tw.crashpoints import crash_point
from kproxy_tw.deliver.spool.record import (
    DONE,
    HEADER_LENGTH,
    MAGIC,
    STATE_OFFSET,
    Header,
    Origin,
    SpoolRecord,
    encode_header,
    parse_header,
)
from kproxy_tw.errors import MalformedInput

HEAD = b"KPspool\x01"
"""Begins every segment; the last byte is the version."""

SUFFIX = ".seg"

UNNAMED_SUFFIX = ".new"
"""Of a file that is to become a segment; one that is left from a crash has nothing in it."""

PARTS_A_WRITE = 512
"""Below the system's IOV_MAX, which is 1,024 on Linux."""

SEARCH_BYTES = 1 << 20
"""Read at once while looking for the next record behind a damaged place."""


@attrs.frozen(slots=True)
class Place:
    """Where a record stands: segment number and offset."""

    segment: int
    offset: int


@attrs.define
class Waiting:
    """What of one origin waits in a segment."""

    messages: int = 0
    flows: int = 0
    bytes: int = 0

    def add(self, header: Header, sign: int = 1) -> None:
        """Count a record in, or with ``sign`` -1 out."""
        self.messages += sign
        self.flows += sign * header.flows
        self.bytes += sign * header.length


class Segment:
    """An open segment file.

    :ivar end: offset behind the last record.
    :ivar waiting: what is not done yet, by origin.
    :ivar oldest_ms: when the first record was made, milliseconds since 1970; 0 while there is none. When nothing has
        waited meanwhile, it is the first one behind that moment.
    """

    def __init__(self, number: int, path: Path, descriptor: int) -> None:
        self.number = number
        self.path = path
        self.end = len(HEAD)
        self.waiting: dict[Origin, Waiting] = {}
        self.oldest_ms = 0
        self._descriptor = descriptor

    @classmethod
    def create(cls, directory: Path, number: int) -> Segment:
        """Make a new file, which has its name when its head stands in it. :raises OSError: it cannot be made."""
        path = directory / f"{number:08d}{SUFFIX}"
        unnamed = path.with_suffix(UNNAMED_SUFFIX)
        descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            crash_point("create")
            _write_all(descriptor, [HEAD], 0)
            crash_point("rename")
            unnamed.rename(path)
        except OSError:
            os.close(descriptor)
            unnamed.unlink(missing_ok=True)
            raise
        return cls(number, path, descriptor)

    @classmethod
    def open(cls, path: Path) -> Segment:
        """Open a file that is there; what it holds is known after :meth:`take_stock`, until then ``end`` is its size.

        :raises OSError: it cannot be read.
        :raises MalformedInput: it is no segment of this version.
        """
        number = int(path.stem) if path.stem.isdecimal() else 0
        if not number:
            raise MalformedInput(f"{path.name} is not named as a segment")
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if os.pread(descriptor, len(HEAD), 0) != HEAD:
            os.close(descriptor)
            raise MalformedInput(f"{path.name} is no segment of this version")
        segment = cls(number, path, descriptor)
        segment.end = os.fstat(descriptor).st_size
        return segment

    def take_stock(self) -> int:
        """Read all headers: fills ``end``, ``waiting``, ``oldest_ms``. A torn tail is cut off.

        :return: the number of damaged places that were skipped.
        """
        damaged, size = 0, self.end
        position = self.end = len(HEAD)
        while position < size:
            found = self.header(position)
            if found is not None and position + found.length <= size:
                self._count(found)
                position = self.end = position + found.length
                continue
            next_record = self._search(position + 1, size)
            if next_record is None:
                break
            damaged += 1
            position = next_record
        os.ftruncate(self._descriptor, self.end)
        return damaged

    def append(self, records: Sequence[SpoolRecord]) -> list[tuple[Place, Header]]:
        """Write records and wait until they are on the disk.

        :raises OSError: some of them may not be; none is counted.
        """
        heads = [encode_header(record) for record in records]
        parts = [part for head, record in zip(heads, records, strict=True) for part in (head, record.body)]
        _write_all(self._descriptor, parts, self.end)
        crash_point("write")
        os.fdatasync(self._descriptor)
        crash_point("sync")
        written = []
        for head in heads:
            header = parse_header(head)
            written.append((Place(self.number, self.end), header))
            self._count(header)
            self.end += header.length
        return written

    def header(self, offset: int) -> Header | None:
        """The record's header; ``None`` when it is damaged, or the disk does not give it."""
        try:
            return parse_header(os.pread(self._descriptor, HEADER_LENGTH, offset))
        except (MalformedInput, OSError):
            return None

    def body(self, offset: int, header: Header) -> bytes | None:
        """The record's body; ``None`` when it is damaged, or the disk does not give it."""
        try:
            body = os.pread(self._descriptor, header.size, offset + HEADER_LENGTH)
        except OSError:
            return None
        return body if header.fits(body) else None

    def headers(self) -> Iterator[tuple[int, Header]]:
        """All records that can be read, and where they stand."""
        offset = len(HEAD)
        while offset < self.end:
            found = self.header(offset)
            if found is None:
                behind = self._search(offset + 1, self.end)
                if behind is None:
                    return
                offset = behind
                continue
            yield offset, found
            offset += found.length

    def recount(self) -> dict[Origin, Waiting]:
        """Count anew what waits. :return: what was thought to wait."""
        before, self.waiting = self.waiting, {}
        for _offset, header in self.headers():
            self._count(header)
        return before

    def mark_done(self, offset: int, header: Header) -> bool:
        """Write down that a record needs no delivery any more; a crash of the machine may forget it.

        :return: whether the disk took it. If not, the next run delivers the record again, under the same name.
        """
        waiting = self.waiting.get(header.batch.origin)
        if waiting is not None:
            waiting.add(header, -1)
            if waiting.messages <= 0:
                del self.waiting[header.batch.origin]
            if not self.waiting:
                self.oldest_ms = 0
        crash_point("ack")
        try:
            os.pwrite(self._descriptor, DONE, offset + STATE_OFFSET)
        except OSError:
            return False
        return True

    def bytes_of(self, device_id: int) -> int:
        """Bytes of a device's records that wait."""
        return sum(each.bytes for (_instance, device), each in self.waiting.items() if device == device_id)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _count(self, header: Header) -> None:
        self.oldest_ms = self.oldest_ms or header.created_ms
        if not header.done:
            self.waiting.setdefault(header.batch.origin, Waiting()).add(header)

    def _search(self, offset: int, end: int) -> int | None:
        """The next place behind damage where a whole record stands."""
        while offset < end:
            window = os.pread(self._descriptor, min(SEARCH_BYTES, end - offset), offset)
            at = window.find(MAGIC)
            while at >= 0:
                found = self.header(offset + at)
                if found is not None and offset + at + found.length <= end:
                    return offset + at
                at = window.find(MAGIC, at + 1)
            if len(window) < len(MAGIC):
                return None
            offset += len(window) - len(MAGIC) + 1
        return None


def _write_all(descriptor: int, parts: Sequence[bytes], offset: int) -> None:
    """Write ``parts`` one behind the other, without joining them: they may be large."""
    for first in range(0, len(parts), PARTS_A_WRITE):
        left = [memoryview(part) for part in parts[first : first + PARTS_A_WRITE]]
        while left:
            written = os.pwritev(descriptor, left, offset)
            offset += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if left:
                left[0] = left[0][written:]
