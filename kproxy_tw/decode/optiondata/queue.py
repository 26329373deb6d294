"""Option records on their way into the tables: so many at once that nothing else waits for long, the others later.

A router with thousands of applications or interfaces tells them all in one burst; reading one takes some microseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

import attrs

from kproxy_tw.decode.optiondata.domain import DomainOptions, OptionRoom
from kproxy_tw.decode.optiondata.records import OptionShape, OptionValues, option_records

RECORDS_AT_ONCE = 1_000
"""Records of one exporter that are read in one go, some milliseconds' work."""

RECORDS_PER_SECOND = 4_000
"""And in a second."""

WAITING_BYTES = 1 << 20
"""Of one exporter. The largest tables have some thousand rows of a hundred bytes."""

Meant = Callable[[OptionValues], DomainOptions]
"""Finds the tables that a record belongs into."""


@attrs.define(eq=False)
class OptionSet:
    """Option records of one set.

    :ivar count: how many are in ``body``.
    :ivar first: the first one that is not read yet.
    """

    shape: OptionShape
    body: bytes
    count: int
    meant: Meant
    first: int = 0


class OptionQueue:
    """The option records of one exporter that are not read yet, in the order in which they came.

    :param room: shared by all exporters.
    :ivar left_aside: records that nobody read, for too many waited.
    """

    def __init__(self, room: OptionRoom) -> None:
        self._room = room
        self._sets: deque[OptionSet] = deque()
        self._bytes = 0
        self._credit = float(RECORDS_AT_ONCE)
        self._last = 0.0
        self.left_aside = 0

    def __len__(self) -> int:
        return len(self._sets)

    def put(self, options: OptionSet, now: float) -> None:
        """Take a set in, and read what may be read at ``now``, seconds since 1970."""
        size = len(options.body)
        if self._bytes + size > WAITING_BYTES or self._room.waiting + size > self._room.most_waiting:
            self.left_aside += options.count
            return
        self._sets.append(options)
        self._account(size)
        self.read(now)

    def read(self, now: float) -> None:
        """Read what waits, as far as it may be read at ``now``."""
        earned = min(max(now - self._last, 0.0) * RECORDS_PER_SECOND, RECORDS_AT_ONCE)
        self._credit, self._last = min(self._credit + earned, RECORDS_AT_ONCE), now
        while self._sets and self._credit >= 1:
            first = self._sets[0]
            stop = min(first.count, first.first + int(self._credit))
            self._credit -= stop - first.first
            for values in islice(option_records(first.shape, first.body, stop), first.first, None):
                first.meant(values).learn(values, now)
            first.first = stop
            if stop == first.count:
                self._account(-len(self._sets.popleft().body))

    def clear(self) -> None:
        """Give everything up."""
        self.left_aside += sum(one.count - one.first for one in self._sets)
        self._sets.clear()
        self._account(-self._bytes)

    def _account(self, size: int) -> None:
        self._bytes += size
        self._room.waiting += size
