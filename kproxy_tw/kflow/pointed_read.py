"""Reads what rows point to, as columns.

The words come from :func:`kproxy_tw.kflow.pack.unpack`: pointers stay inside of the segment. What they
point to is still the sender's choice, so each kind and size is checked here.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import Column
from kproxy_tw.kflow.allowance import Allowance
from kproxy_tw.kflow.layout import BYTE_LIST, WORD, Positions, Words

_LOW = np.uint64(0xFFFFFFFF)
_KIND = np.uint64(3)
_LIST = 1


@attrs.frozen(slots=True)
class Lists:
    """Lists that some rows point to.

    :ivar rows: the rows, ascending.
    :ivar starts: first word of each list, as an index into the segment.
    :ivar counts: its element count; of lists of structs the words without the tag.
    """

    rows: Positions
    starts: Positions
    counts: Positions


def lists(words: Words, slots: Positions, element: int, purpose: str) -> Lists:
    """The lists that the pointers at ``slots`` point to; rows whose pointer is null are left out.

    :param element: the element size code that they must have.
    :param purpose: what they are, for the error.
    :raises MalformedInput: a pointer to something else.
    """
    rows = np.flatnonzero(words[slots])
    pointers = words[slots[rows]]
    if np.any(pointers & _KIND != _LIST) or np.any(pointers >> np.uint64(32) & np.uint64(7) != element):
        raise MalformedInput(f"{purpose} is of another type in some row")
    offsets = (pointers & _LOW).astype(np.uint32).view(np.int32) >> 2
    starts = slots[rows] + 1 + offsets
    counts = (pointers >> np.uint64(35)).astype(np.int64)
    return Lists(rows, starts, counts)


def byte_matrix(words: Words, found: Lists, length: int, allowance: Allowance, purpose: str) -> npt.NDArray[np.uint8]:
    """Byte lists as ``(length, width)`` bytes, zero where there is none; ``width`` is a multiple of 8."""
    used = (found.counts + WORD - 1) // WORD
    width = int(used.max(initial=1))
    allowance.take(length * width * WORD, purpose)
    matrix = np.zeros((length, width), np.uint64)
    within = np.arange(used.sum()) - np.repeat(np.cumsum(used) - used, used)
    matrix[np.repeat(found.rows, used), within] = words[np.repeat(found.starts, used) + within]
    return matrix.view(np.uint8)


def texts(words: Words, slots: Positions, allowance: Allowance, purpose: str) -> Column:
    """``S<n>``, one a slot, empty where the pointer is null.

    :raises MalformedInput: not text, or the column would take more than the allowance.
    """
    found = lists(words, slots, BYTE_LIST, purpose)
    ends = words.view(np.uint8)[found.starts * WORD + found.counts - 1]
    if np.any(found.counts == 0) or np.any(ends):
        raise MalformedInput(f"{purpose} does not end with a zero byte in some row")
    matrix = byte_matrix(words, found, len(slots), allowance, purpose)
    return matrix.view(f"S{matrix.shape[1]}").ravel()


def blobs(words: Words, slots: Positions, sizes: tuple[int, ...], allowance: Allowance, purpose: str) -> Column:
    """``(slots, largest size)`` bytes, zeros where the pointer is null or the blob is empty.

    :param sizes: acceptable byte counts, the largest first.
    :raises MalformedInput: another size, or not a blob.
    """
    found = lists(words, slots, BYTE_LIST, purpose)
    if not np.isin(found.counts, (0, *sizes)).all():
        raise MalformedInput(f"{purpose} has not {' or '.join(map(str, sizes))} bytes in some row")
    largest = sizes[0]
    matrix = byte_matrix(words, found, len(slots), allowance, purpose)[:, :largest]
    if matrix.shape[1] == largest:
        return matrix
    return np.pad(matrix, ((0, 0), (0, largest - matrix.shape[1])))
