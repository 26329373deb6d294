"""Records of one fixed length, out of many sets into one matrix.

Some sets hold their records side by side, those of packets that were walked together lie where they were received,
with headers between them. Only the records that are wanted are touched: mostly a few of many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.blocks import Joined
from kproxy_tw.decode.records import RecordSet, Starts
from kproxy_tw.decode.spans import Octets, cut
from kproxy_tw.errors import MalformedInput

Piece = tuple[Joined, Starts, int]
"""Bytes, where the records in them begin (nothing: side by side), and how many they are."""


def stack(size: int, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None) -> Octets:
    """The chosen records as a matrix of shape (records, ``size``).

    :param size: bytes of each record, at least 1.
    :param chosen: ascending indices into the records of all sets together, or ``None`` for all of them.
    :raises MalformedInput: the sets do not hold as many bytes as they should.
    """
    pieces = list(_pieces(sets))
    edges = np.cumsum([0, *(count for _data, _starts, count in pieces)])
    bounds = edges if chosen is None else np.searchsorted(chosen, edges)
    parts = []
    for piece, first, low, high in zip(pieces, edges.tolist(), bounds.tolist(), bounds[1:].tolist(), strict=False):
        if low < high:
            parts.append(_records(size, piece, slice(None) if chosen is None else chosen[low:high] - first))
    if not parts:
        return np.empty((0, size), np.uint8)
    return np.concatenate(parts).view(np.uint8).reshape(-1, size)


def _pieces(sets: Sequence[RecordSet]) -> Iterator[Piece]:
    """The sets; those with their records side by side that follow each other are one piece."""
    for apart, run in groupby(sets, lambda records: len(records.starts) > 0):
        if apart:
            yield from ((records.body, records.starts, records.count) for records in run)
        else:
            together = list(run)
            yield b"".join([records.body for records in together]), (), sum([records.count for records in together])


def _records(size: int, piece: Piece, some: slice | npt.NDArray[np.intp]) -> npt.NDArray[np.void]:
    data, starts, count = piece
    record = np.dtype((np.void, size))
    if isinstance(starts, np.ndarray):
        return cut(np.frombuffer(data, np.uint8), starts[some].astype(np.intp, copy=False), record)
    if len(data) != count * size:
        raise MalformedInput(f"{count} records of {size} bytes wanted, {len(data)} bytes are there")
    return np.frombuffer(data, record)[some]
