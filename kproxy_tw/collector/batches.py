"""Which messages are stored already: a sender that got no answer sends the same message again. Pure.

A message is named by the run of the program that made it, the device, and a number that counts up. Of each run and
device the numbers that have come are kept as ranges, so that a day without a gap is one range.

A sender may have to send a message in halves, and these in halves again: the part 0 is the whole, ``2 p + 1`` and
``2 p + 2`` are the halves of part ``p``. What is part of something stored is stored. When both halves are, so is the
whole. Something of which one part is stored and another is not can only be taken in parts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from uuid import UUID

import attrs

from kproxy_tw.errors import MalformedInput

MAX_RANGES = 4096
"""Ranges of one run and device; the lowest is forgotten, so that at worst a very old message is stored twice."""

MAX_ORIGINS = 100_000
"""Runs and devices; those that began first are forgotten."""

MAX_IN_PARTS = 10_000
"""Messages of which some parts are stored and others are not yet; those that began first are forgotten."""

MAX_TEXT = 80
MAX_NUMBER = 2**63 - 1
MAX_PART = 2**32 - 1


@attrs.frozen(slots=True)
class BatchName:
    """What tells a message, or a part of it, from all others."""

    instance: UUID
    device_id: int
    number: int
    part: int = 0

    @property
    def whole(self) -> BatchName:
        """The name of the whole message."""
        return BatchName(self.instance, self.device_id, self.number)


def parse_batch(text: str) -> BatchName:
    """Read ``instance:device:number`` or ``instance:device:number:part``. :raises MalformedInput: it is not that."""
    parts = text.split(":")
    if len(text) <= MAX_TEXT and len(parts) in (3, 4):
        try:
            instance = UUID(parts[0])
        except ValueError:
            raise MalformedInput("X-Kproxy-Batch must begin with a UUID") from None
        limits = (MAX_NUMBER, MAX_NUMBER, MAX_PART)
        if all(
            part.isascii() and part.isdecimal() and int(part) <= most
            for part, most in zip(parts[1:], limits, strict=False)
        ):
            return BatchName(instance, *map(int, parts[1:]))
    raise MalformedInput("X-Kproxy-Batch must be instance:device:number, or instance:device:number:part")


def _above(part: int) -> Iterator[int]:
    """``part`` and everything that it is a part of, up to the whole."""
    while part:
        yield part
        part = (part - 1) // 2
    yield 0


class Ranges:
    """A set of numbers that come mostly in order.

    :param ranges: first and last number of each, in any order.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(ranges):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)
        self._forget()

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._firsts, number) - 1
        return index >= 0 and number <= self._lasts[index]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)

    def __len__(self) -> int:
        return len(self._firsts)

    def add(self, number: int) -> None:
        """Put a number in that is not in it."""
        index = bisect_right(self._firsts, number)
        joins_left = index > 0 and self._lasts[index - 1] == number - 1
        joins_right = index < len(self._firsts) and self._firsts[index] == number + 1
        if joins_left and joins_right:
            self._lasts[index - 1] = self._lasts.pop(index)
            del self._firsts[index]
        elif joins_left:
            self._lasts[index - 1] = number
        elif joins_right:
            self._firsts[index] = number
        else:
            self._firsts.insert(index, number)
            self._lasts.insert(index, number)
            self._forget()

    def _forget(self) -> None:
        surplus = max(0, len(self._firsts) - MAX_RANGES)
        del self._firsts[:surplus], self._lasts[:surplus]


class StoredBatches:
    """All names that are stored.

    :param rows: instance, device, first and last number, as they were stored.
    :param parts: names of parts, as they were stored.
    """

    def __init__(
        self, rows: Iterable[tuple[UUID, int, int, int]] = (), parts: Iterable[tuple[UUID, int, int, int]] = ()
    ) -> None:
        found: dict[tuple[UUID, int], list[tuple[int, int]]] = {}
        for instance, device_id, first, last in rows:
            found.setdefault((instance, device_id), []).append((first, last))
        self._ranges = {key: Ranges(ranges) for key, ranges in found.items()}
        self._parts: dict[BatchName, set[int]] = {}
        self._forget()
        for part in parts:
            self.add(BatchName(*part))

    def __contains__(self, name: BatchName) -> bool:
        ranges = self._ranges.get((name.instance, name.device_id))
        if ranges is not None and name.number in ranges:
            return True
        parts = self._parts.get(name.whole)
        return parts is not None and any(part in parts for part in _above(name.part))

    def has_part_of(self, name: BatchName) -> bool:
        """Whether something of ``name`` is stored, though not all of it."""
        parts = self._parts.get(name.whole)
        return parts is not None and name not in self and any(name.part in _above(part) for part in parts)

    def add(self, name: BatchName) -> None:
        """Remember a name, unless it is known."""
        if name in self:
            return
        if name.part:
            self._add_part(name)
        else:
            self._parts.pop(name, None)
            self._ranges.setdefault((name.instance, name.device_id), Ranges()).add(name.number)
        self._forget()

    def _add_part(self, name: BatchName) -> None:
        parts, part = self._parts.setdefault(name.whole, set()), name.part
        while part and (sibling := part + 1 if part % 2 else part - 1) in parts:
            parts.discard(sibling)
            part = (part - 1) // 2
        if part:
            parts.add(part)
        else:
            del self._parts[name.whole]
            self.add(name.whole)

    def _forget(self) -> None:
        while len(self._ranges) > MAX_ORIGINS:
            del self._ranges[next(iter(self._ranges))]
        while len(self._parts) > MAX_IN_PARTS:
            del self._parts[next(iter(self._parts))]

    def rows(self) -> Iterator[tuple[UUID, int, int, int]]:
        """Every number, in as few rows as can be."""
        for (instance, device_id), ranges in self._ranges.items():
            for first, last in ranges:
                yield instance, device_id, first, last

    def parts(self) -> Iterator[BatchName]:
        """Every part of which the whole is not stored."""
        for whole, parts in self._parts.items():
            for part in sorted(parts):
                yield attrs.evolve(whole, part=part)
