"""The custom columns of a batch as one list of ``Custom`` for each row that has any.

The list of a row holds the columns whose value is not zero or empty. What a value is follows
from the dtype of its column. Layout of the block: all lists, row after row (a tag word, then four
words for each value), then the texts and addresses that they point to, column after column.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from kproxy_tw.flowbatch import Column
from kproxy_tw.kflow.layout import (
    ADDRESS_KIND,
    COMPOSITE_LIST,
    CUSTOM_ADDRESS_BYTES,
    CUSTOM_DATA_WORDS,
    CUSTOM_KINDS,
    CUSTOM_POINTER,
    CUSTOM_POINTER_WORDS,
    CUSTOM_WORDS,
    TEXT_KIND,
    WIDE_KIND,
    WORD,
    Positions,
    Words,
    struct_size,
)
from kproxy_tw.kflow.pointed_write import (
    Pointed,
    byte_list_sizes,
    list_pointers,
    starts_of,
    text_words,
)

MAX_CUSTOM_TEXT = 384
"""Longer texts are cut, as other senders of the format do."""

_TAG = np.uint64(struct_size(CUSTOM_DATA_WORDS, CUSTOM_POINTER_WORDS))


@attrs.frozen(slots=True)
class _Column:
    id: int
    kind: int
    rows: Positions
    values: Column


def _kind_of(name: str, column: Column) -> int:
    """Number of the union member for a column's dtype. :raises ValueError: kflow has none for it."""
    if column.dtype.kind == "S":
        return TEXT_KIND
    if column.shape[1:] == (CUSTOM_ADDRESS_BYTES,) and column.dtype == np.uint8:
        return ADDRESS_KIND
    code = column.dtype.newbyteorder("<").str.removeprefix("|")
    if column.ndim != 1 or code not in CUSTOM_KINDS:
        raise ValueError(f"custom column {name}: kflow has no type for {column.dtype} of shape {column.shape}")
    return CUSTOM_KINDS.index(code)


def cut_texts(column: Column, limit: int) -> Column:
    """Texts of at most ``limit`` bytes, never cut inside of a UTF-8 character."""
    if column.dtype.itemsize <= limit:
        return column
    raw = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1)[:, : limit + 1].copy()
    continues = raw[:, limit - 2 : limit + 1] & 0xC0 == 0x80  # a byte inside of a character
    split = np.full(len(column), True)
    for back in range(3):
        split &= continues[:, 2 - back]
        raw[split, limit - 1 - back] = 0
    raw[:, limit] = 0
    return raw.view(f"S{limit + 1}").ravel()


def _chosen(name: str, number: int, column: Column) -> _Column:
    kind = _kind_of(name, column)
    values = cut_texts(column, MAX_CUSTOM_TEXT) if kind == TEXT_KIND else column
    filled = values != (b"" if kind == TEXT_KIND else 0)
    rows = np.flatnonzero(filled.any(axis=1) if kind == ADDRESS_KIND else filled)
    return _Column(id=number, kind=kind, rows=rows, values=values[rows])


def _words_of(column: _Column) -> Words:
    """One number a row, as the 32 or 64 bits that the wire has."""
    code = CUSTOM_KINDS[column.kind]
    bits = np.ascontiguousarray(column.values, code)
    return bits.view(f"<u{bits.itemsize}").astype(np.uint64)


def _byte_lists(column: _Column) -> tuple[Positions, Positions, Words]:
    """Starts, byte counts and words of the texts or addresses of a column."""
    if column.kind == TEXT_KIND:
        return text_words(column.values)
    count = len(column.values)
    padded = np.zeros((count, 3 * WORD), np.uint8)
    padded[:, :CUSTOM_ADDRESS_BYTES] = column.values
    return np.arange(count) * 3, np.full(count, CUSTOM_ADDRESS_BYTES), padded.view("<u8").ravel()


def _write_column(words: Words, column: _Column, places: Positions, end: int) -> Words:
    """Write a column's values at ``places``; gives what they point to, which will stand at word ``end``."""
    words[places] = column.id
    words[places + 1] = column.kind
    if column.kind in (TEXT_KIND, ADDRESS_KIND):
        starts, counts, pointed = _byte_lists(column)
        pointers = places + CUSTOM_DATA_WORDS
        words[pointers] = list_pointers(pointers, starts + end, byte_list_sizes(counts))
        return pointed
    if column.kind == WIDE_KIND:
        words[places + 2] = _words_of(column)
    else:
        words[places] |= _words_of(column) << np.uint64(32)
    return np.empty(0, np.uint64)


def custom_lists(length: int, custom: Mapping[str, Column], column_ids: Mapping[str, int]) -> Pointed:
    """The lists of ``length`` rows.

    :param custom: custom columns by name; those without an id in ``column_ids`` are left out.
    :raises ValueError: kflow has no type for a column.
    """
    columns = [_chosen(name, column_ids[name], custom[name]) for name in custom if name in column_ids]
    counts = np.zeros(length, np.int64)
    for column in columns:
        counts[column.rows] += 1
    rows = np.flatnonzero(counts)
    sizes = np.where(counts > 0, counts * CUSTOM_WORDS + 1, 0)
    starts = starts_of(sizes)
    words = np.zeros(int(sizes.sum()), np.uint64)
    words[starts[rows]] = (counts[rows] << 2).astype(np.uint64) | _TAG
    blocks, end, places = [words], len(words), starts + 1
    for column in columns:
        blocks.append(_write_column(words, column, places[column.rows], end))
        places[column.rows] += CUSTOM_WORDS
        end += len(blocks[-1])
    lengths = (counts[rows] * CUSTOM_WORDS) << 3 | COMPOSITE_LIST
    return Pointed(CUSTOM_POINTER, rows, starts[rows], lengths.astype(np.uint64), np.concatenate(blocks))
