"""What a row points to: addresses and texts as byte lists behind the rows.

Each function turns one column of a batch into a :class:`Pointed`, a block of words that can
stand anywhere behind the rows, because Cap'n Proto pointers are relative.
"""

from __future__ import annotations

import attrs
import numpy as np

from kproxy_tw.flowbatch import Column
from kproxy_tw.kflow.layout import BYTE_LIST, WORD, Positions, Words

_OFFSET_MASK = 0x3FFFFFFF


@attrs.frozen(slots=True)
class Pointed:
    """Objects of one pointer column.

    :ivar slot: index of the pointer in the row.
    :ivar rows: rows that have an object, ascending.
    :ivar starts: where each row's object begins, in words from the begin of ``words``.
    :ivar sizes: upper half of each row's pointer: element size code and count.
    :ivar words: the objects.
    """

    slot: int
    rows: Positions
    starts: Positions
    sizes: Words
    words: Words


def list_pointers(positions: Positions, targets: Positions, sizes: Words) -> Words:
    """List pointers that stand at word ``positions`` and point forward to ``targets``."""
    offsets = (targets - positions - 1) & _OFFSET_MASK
    return (sizes << np.uint64(32)) | (offsets << 2 | 1).astype(np.uint64)


def byte_list_sizes(counts: Positions) -> Words:
    """Upper halves of pointers to lists of ``counts`` bytes."""
    return (counts << 3 | BYTE_LIST).astype(np.uint64)


def starts_of(lengths: Positions) -> Positions:
    """Where each of some blocks begins that stand one behind the other."""
    return np.cumsum(lengths) - lengths


def addresses(slot: int, column: Column) -> Pointed:
    """IPv6 addresses, ``(n, 16)`` bytes, all zero meaning none."""
    halves = np.ascontiguousarray(column, np.uint8).view("<u8")
    rows = np.flatnonzero(halves[:, 0] | halves[:, 1])
    return Pointed(
        slot=slot,
        rows=rows,
        starts=np.arange(len(rows)) * 2,
        sizes=byte_list_sizes(np.full(len(rows), 16)),
        words=halves[rows].ravel(),
    )


def text_words(values: Column) -> tuple[Positions, Positions, Words]:
    """Texts as NUL-terminated byte lists: starts in words, counts with the NUL, and the words."""
    counts = np.char.str_len(values).astype(np.int64) + 1
    width = values.dtype.itemsize // WORD + 1
    padded = values.astype(f"S{width * WORD}").view("<u8").reshape(len(values), width)
    lengths = (counts + WORD - 1) // WORD
    return starts_of(lengths), counts, padded[np.arange(width) < lengths[:, None]]


def texts(slot: int, column: Column) -> Pointed:
    """Texts, ``S<n>``, empty meaning none."""
    rows = np.flatnonzero(column != b"")
    starts, counts, words = text_words(column[rows])
    return Pointed(slot=slot, rows=rows, starts=starts, sizes=byte_list_sizes(counts), words=words)
