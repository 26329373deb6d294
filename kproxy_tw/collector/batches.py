"""Which messages are stored already: a sender that got no answer sends the same message again. Pure.

A message is named by the run of the program that made it, the device, and a number that counts up. Of each run and
device the numbers that have come are kept as ranges, so that a day without a gap is one range.
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

MAX_TEXT = 80
MAX_NUMBER = 2**63 - 1


@attrs.frozen(slots=True)
class BatchName:
    """What tells a message from all others."""

    instance: UUID
    device_id: int
    number: int


def parse_batch(text: str) -> BatchName:
    """Read ``instance:device:number``. :raises MalformedInput: it is not that."""
    parts = text.split(":")
    if len(text) <= MAX_TEXT and len(parts) == 3:
        try:
            instance = UUID(parts[0])
        except ValueError:
            raise MalformedInput("X-Kproxy-Batch must begin with a UUID") from None
        if all(part.isascii() and part.isdecimal() and int(part) <= MAX_NUMBER for part in parts[1:]):
            return BatchName(instance, int(parts[1]), int(parts[2]))
    raise MalformedInput("X-Kproxy-Batch must be instance:device:number")


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
    """

    def __init__(self, rows: Iterable[tuple[UUID, int, int, int]] = ()) -> None:
        found: dict[tuple[UUID, int], list[tuple[int, int]]] = {}
        for instance, device_id, first, last in rows:
            found.setdefault((instance, device_id), []).append((first, last))
        self._ranges = {key: Ranges(ranges) for key, ranges in found.items()}
        self._forget()

    def __contains__(self, name: BatchName) -> bool:
        ranges = self._ranges.get((name.instance, name.device_id))
        return ranges is not None and name.number in ranges

    def add(self, name: BatchName) -> None:
        """Remember a name that is not known."""
        self._ranges.setdefault((name.instance, name.device_id), Ranges()).add(name.number)
        self._forget()

    def _forget(self) -> None:
        while len(self._ranges) > MAX_ORIGINS:
            del self._ranges[next(iter(self._ranges))]

    def rows(self) -> Iterator[tuple[UUID, int, int, int]]:
        """Everything, in as few rows as can be."""
        for (instance, device_id), ranges in self._ranges.items():
            for first, last in ranges:
                yield instance, device_id, first, last
