"""Records with fields whose length each record tells (RFC 7011 section 7; some NetFlow v9 exporters send the same).

Such a record is a row of fixed-length *segments* with length-told bytes between them. The walk finds where each record
begins; when records are decoded, the segments of all of them are copied side by side, one NumPy step per segment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kproxy_tw.decode.rows import Rows
from kproxy_tw.decode.spans import Octets, Offsets
from kproxy_tw.errors import MalformedInput

LONG = 255
"""A length byte that says: the length follows in 2 bytes."""

MOST_PADDING = 7
"""Bytes of zeros at the end of a set that are padding even if they could be an (empty) record (RFC 7011 section 3.3.1;
some exporters pad to 8 bytes)."""


def whole_records(size: int, data: bytes, start: int, stop: int) -> int:
    """How many records of a fixed length stand in ``data[start:stop]``.

    Zeros at the end that are no more than padding are not counted as records, unless there is nothing else.
    """
    count = (stop - start) // size
    if size > MOST_PADDING:
        return count
    used = len(data[start:stop].rstrip(b"\0"))
    least = max(used, stop - start - MOST_PADDING)
    return min(count, -(-least // size)) if used else count


def record_starts(segments: Sequence[int], data: bytes, start: int, stop: int) -> tuple[list[int], int]:
    """Where the records in ``data[start:stop]`` begin.

    :param segments: lengths of the fixed parts before, between and behind the fields of variable length.
    :return: offsets from ``start``, and the offset in ``data`` behind the last whole record or the padding.
    """
    found: list[int] = []
    position = start
    inner, last = segments[:-1], segments[-1]
    latest, padded = stop - sum(segments) - len(inner), stop - MOST_PADDING
    while position <= latest:
        if position >= padded and not any(data[position:stop]):
            return found, stop
        end = position
        for length in inner:
            end += length
            if end >= stop:
                return found, position
            size = data[end]
            if size == LONG:
                if end + 3 > stop:
                    return found, position
                size = 2 + (data[end + 1] << 8 | data[end + 2])
            end += 1 + size
        end += last
        if end > stop:
            break
        found.append(position - start)
        position = end
    return found, position


def gather(segments: Sequence[int], data: Octets, positions: Offsets) -> Rows:
    """The records that begin at ``positions``.

    :raises MalformedInput: one of them reaches beyond ``data``.
    """
    matrix = np.zeros((len(positions), max(1, sum(segments))), np.uint8)
    column = 0
    starts, sizes = [], []
    try:
        for index, length in enumerate(segments):
            matrix[:, column : column + length] = _windows(data, length)[positions]
            column += length
            positions = positions + length
            if index + 1 < len(segments):
                start, size = _told(data, positions)
                positions = start + size
                if positions.max(initial=0) > len(data):
                    raise IndexError
                starts.append(start)
                sizes.append(size)
    except IndexError:
        raise MalformedInput("a variable-length record reaches beyond its set") from None
    return Rows(matrix, data, tuple(starts), tuple(sizes))


def _windows(data: Octets, length: int) -> Octets:
    """Row *i* is ``data[i : i + length]``; no copy."""
    return np.ndarray((max(0, len(data) - length + 1), length), np.uint8, data, 0, (1, 1))


def _told(data: Octets, positions: Offsets) -> tuple[Offsets, Offsets]:
    """Read lengths: 1 byte, or 255 and 2 bytes. :return: where the bytes begin that they tell of, and how many."""
    sizes = data[positions].astype(np.intp)
    starts = positions + 1
    long = np.flatnonzero(sizes == LONG)
    if long.size:
        at = positions[long]
        sizes[long] = data[at + 1].astype(np.intp) << 8 | data[at + 2]
        starts[long] += 2
    return starts, sizes
