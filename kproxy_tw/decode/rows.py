"""Records of one template as bytes in memory: a matrix of their fixed-length fields, and where the other fields stand.

A field is at a :class:`Place`. Its bytes in all records are a :class:`Run`; numbers, texts and captured packets are
taken from runs, one NumPy step for all records, whether their length is fixed or told in each record.
"""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np

from kproxy_tw.decode.spans import Octets, Offsets
from kproxy_tw.flowbatch import Column

EXAMPLE_ROWS = 8
"""Records that are looked at for an example."""

WIDEST_NUMBER = 8
"""Bytes of the largest number that a column can hold."""


@attrs.frozen(slots=True)
class Place:
    """Where a field stands in each record.

    :ivar offset: in the matrix; meaningless for a field of variable length.
    :ivar length: bytes; 0 for a field of variable length.
    :ivar variable: which of the fields of variable length it is, counted from 0; -1 for none.
    """

    offset: int
    length: int
    variable: int = -1


@attrs.frozen(slots=True, eq=False)
class Run:
    """The bytes of one field in all records: ``data[start : start + size]`` each; they lie inside of ``data``."""

    data: Octets
    starts: Offsets
    sizes: Offsets

    def padded(self, most: int) -> Octets:
        """One row a record: its first bytes, at most ``most`` and as many as the longest has, then zeros."""
        sizes = np.minimum(self.sizes, most)
        inside = np.arange(max(1, int(sizes.max(initial=1)))) < sizes[:, np.newaxis]
        rows = np.zeros(inside.shape, np.uint8)
        rows[inside] = self.data[_stretches(self.starts, sizes)]
        return rows

    def numbers(self) -> Column:
        """As unsigned numbers in network order, 64 bits; of longer fields the last 8 bytes."""
        sizes = np.minimum(self.sizes, WIDEST_NUMBER)
        inside = np.arange(WIDEST_NUMBER, 0, -1) <= sizes[:, np.newaxis]
        rows = np.zeros(inside.shape, np.uint8)
        rows[inside] = self.data[_stretches(self.starts + self.sizes - sizes, sizes)]
        return rows.view(">u8")[:, 0].astype(np.uint64)


def _stretches(starts: Offsets, sizes: Offsets) -> Offsets:
    """``start``, ``start + 1``, ... up to each size, one stretch behind the other."""
    before: Offsets = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()), dtype=np.intp)


@attrs.frozen(eq=False)
class Rows:
    """Records of one template.

    :ivar matrix: their fixed-length fields side by side, contiguous, shape (records, bytes).
    :ivar data: what the fields of variable length stand in.
    :ivar starts, sizes: per field of variable length: where its bytes begin in ``data`` and how many they are.
    """

    matrix: Octets
    data: Octets
    starts: tuple[Offsets, ...] = ()
    sizes: tuple[Offsets, ...] = ()

    def __len__(self) -> int:
        return len(self.matrix)

    @cached_property
    def _firsts(self) -> Offsets:
        width = self.matrix.shape[1]
        return np.arange(0, len(self.matrix) * width, width, dtype=np.intp)

    def run(self, place: Place) -> Run:
        """The bytes of a field."""
        if place.variable < 0:
            return Run(self.matrix.reshape(-1), self._firsts + place.offset, np.full(len(self), place.length))
        return Run(self.data, self.starts[place.variable], self.sizes[place.variable])

    def example(self, place: Place, most: int) -> bytes:
        """The first bytes of a field, of the first of some records that have more than zeros there."""
        for row in range(min(len(self), EXAMPLE_ROWS)):
            found = self._bytes(row, place, most)
            if any(found):
                return found
        return self._bytes(0, place, most) if len(self) else b""

    def _bytes(self, row: int, place: Place, most: int) -> bytes:
        if place.variable < 0:
            return self.matrix[row, place.offset : place.offset + min(most, place.length)].tobytes()
        start = int(self.starts[place.variable][row])
        return self.data[start : start + min(most, int(self.sizes[place.variable][row]))].tobytes()
