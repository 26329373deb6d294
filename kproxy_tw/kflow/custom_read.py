"""Reads the lists of custom values as columns by id."""

from __future__ import annotations

import attrs
import numpy as np

from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import Column
from kproxy_tw.kflow.allowance import Allowance
from kproxy_tw.kflow.layout import (
    ADDRESS_KIND,
    COMPOSITE_LIST,
    CUSTOM_ADDRESS_BYTES,
    CUSTOM_KINDS,
    TEXT_KIND,
    WIDE_KIND,
    Positions,
    Words,
)
from kproxy_tw.kflow.pointed_read import blobs, texts
from kproxy_tw.kflow.pointer_read import lists, struct_sizes
from kproxy_tw.kflow.unpack import Segments

MAX_CUSTOM_COLUMNS = 512
"""Different ids in one message."""

_ADDRESS_SIZES = (CUSTOM_ADDRESS_BYTES, 5)  # 5: family and IPv4 address, without the zeros
_LOW = np.uint64(0xFFFFFFFF)


@attrs.frozen(slots=True)
class _Values:
    """Custom values of all rows: their row, first word, and the sizes of their struct in words."""

    rows: Positions
    places: Positions
    data_words: Positions
    pointer_words: Positions

    def of(self, chosen: Positions) -> _Values:
        return _Values(self.rows[chosen], self.places[chosen], self.data_words[chosen], self.pointer_words[chosen])


def _values(message: Segments, slots: Positions) -> _Values:
    """Where each value of each row's list stands."""
    found = lists(message, slots, COMPOSITE_LIST, "custom")
    structs = struct_sizes(message.words[found.starts])
    counts = structs.counts
    sizes = structs.data_words + structs.pointer_words
    if np.any((structs.data_words < 2) & (counts > 0)):
        raise MalformedInput("custom is not a list of custom values in some flow")
    if np.any(counts * sizes > found.counts):
        raise MalformedInput("custom has more values than words in some flow")
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return _Values(
        rows=np.repeat(found.rows, counts),
        places=np.repeat(found.starts + 1, counts) + within * np.repeat(sizes, counts),
        data_words=np.repeat(structs.data_words, counts),
        pointer_words=np.repeat(structs.pointer_words, counts),
    )


def _numbers(words: Words, values: _Values, kind: int) -> Column:
    """The numbers themselves, one a value."""
    if kind == WIDE_KIND:
        return np.where(values.data_words > 2, words[values.places + np.minimum(values.data_words - 1, 2)], 0)
    low = (words[values.places] >> np.uint64(32)).astype("<u4")
    code = CUSTOM_KINDS[kind]
    return low.view(code) if code.endswith("4") else low.astype(code)


def _pointed(message: Segments, values: _Values, kind: int, allowance: Allowance) -> Column:
    """The texts or addresses, one a value."""
    if not values.pointer_words.all():
        raise MalformedInput("a custom text or address has no room for its pointer")
    slots = values.places + values.data_words
    if kind == TEXT_KIND:
        return texts(message, slots, allowance, "a custom text")
    return blobs(message, slots, _ADDRESS_SIZES, allowance, "a custom address")


def _column(message: Segments, values: _Values, kind: int, length: int, allowance: Allowance) -> Column:
    if kind in (TEXT_KIND, ADDRESS_KIND):
        content = _pointed(message, values, kind, allowance)
    else:
        content = _numbers(message.words, values, kind)
    allowance.take(length * content[:1].nbytes, "a custom column")
    column = np.zeros((length, *content.shape[1:]), content.dtype)
    column[values.rows] = content
    return column


def custom_columns(message: Segments, slots: Positions, allowance: Allowance) -> dict[int, Column]:
    """Custom columns by id, zero or empty in rows that do not have them.

    Values of a kind that the schema does not know are left out. Where a row has an id twice, its last
    value counts.

    :param slots: where the rows' pointers to their lists stand.
    :raises MalformedInput: not such lists, too many ids, an id of two kinds, or columns beyond the allowance.
    """
    words = message.words
    values = _values(message, slots)
    kinds = (words[values.places + 1] & np.uint64(0xFFFF)).astype(np.int64)
    known = np.flatnonzero(kinds < len(CUSTOM_KINDS))
    values, kinds = values.of(known), kinds[known]
    ids = (words[values.places] & _LOW).astype(np.int64)
    order = np.argsort(ids, kind="stable")
    numbers, firsts = np.unique(ids[order], return_index=True)
    if len(numbers) > MAX_CUSTOM_COLUMNS:
        raise MalformedInput(f"{len(numbers)} different custom columns, {MAX_CUSTOM_COLUMNS} is the most")
    columns = {}
    for number, chosen in zip(numbers.tolist(), np.split(order, firsts)[1:], strict=True):
        if np.any(kinds[chosen] != kinds[chosen[0]]):
            raise MalformedInput(f"custom column {number} has values of two types")
        columns[number] = _column(message, values.of(chosen), int(kinds[chosen[0]]), len(slots), allowance)
    return columns
