"""Rows of a batch and where in a buffer each row's bytes stand: what a parser in columns moves forward.

A parser of one packet has a position and an end. A parser of many packets at once has an array of each, and the
rows it is still speaking of, because only some packets carry the header it looks at next.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.flowbatch import Column, FlowBatch

Offsets = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]


@attrs.frozen(slots=True, eq=False)
class Spans:
    """One stretch of a buffer per row; three arrays of equal length.

    :ivar rows: ascending, each at most once.
    :ivar starts: offset of the next byte (or word) to read; may stand behind the end when that was cut off.
    :ivar ends: offset behind the last one that belongs to the row.
    """

    rows: Offsets
    starts: Offsets
    ends: Offsets

    def where(self, mask: Mask) -> Spans:
        """Only the rows for which ``mask`` is true."""
        if mask.all():
            return self
        return Spans(self.rows[mask], self.starts[mask], self.ends[mask])

    def with_room(self, size: int) -> Mask:
        """Which rows have at least ``size`` left."""
        return self.starts + size <= self.ends

    def moved(self, size: int | Offsets) -> Spans:
        """The same rows, ``size`` further on."""
        return Spans(self.rows, self.starts + size, self.ends)

    def moved_at(self, indices: Offsets, size: int | Offsets) -> Spans:
        """The same rows, those at ``indices`` (each at most once) ``size`` further on."""
        starts = self.starts.copy()
        starts[indices] += size
        return Spans(self.rows, starts, self.ends)


def cut(data: Octets, starts: Offsets, layout: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Copy one structure per offset out of ``data``.

    :param data: contiguous.
    :param starts: offsets; ``layout.itemsize`` bytes are there behind each: the caller has checked.
    :returns: shape ``(len(starts),)``, dtype ``layout``.
    """
    if not starts.size:
        return np.empty(0, layout)
    opaque = np.dtype((np.void, layout.itemsize))
    windows: npt.NDArray[np.void] = np.ndarray((data.size - layout.itemsize + 1,), opaque, data.data, strides=(1,))
    return windows[starts].view(layout)


def put(batch: FlowBatch, name: str, rows: Offsets, values: Column) -> None:
    """Write ``values`` into these rows of a column; a column that is not there yet is made of zeros.

    :raises KeyError: no such column.
    """
    if not rows.size:
        return
    column = batch.columns.get(name)
    if column is None:
        column = batch.column(name)
        if rows.size == batch.length:
            batch.columns[name] = values.astype(column.dtype)
            return
        batch.columns[name] = column
    column[rows] = values


def put_custom(batch: FlowBatch, name: str, rows: Offsets, values: Column) -> None:
    """The same for a custom column, which takes the values' dtype; texts may be of any width."""
    if not rows.size:
        return
    column = batch.custom.get(name)
    if column is None:
        column = np.zeros((batch.length, *values.shape[1:]), values.dtype)
    elif column.dtype.itemsize < values.dtype.itemsize:
        column = column.astype(values.dtype)
    column[rows] = values
    batch.custom[name] = column
