"""Reads texts, addresses and other byte lists that pointers lead to, as columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import Column
from kproxy_tw.kflow.allowance import Allowance
from kproxy_tw.kflow.layout import BYTE_LIST, WORD, Positions, Words
from kproxy_tw.kflow.pointer_read import Lists, lists
from kproxy_tw.kflow.unpack import Segments


def byte_matrix(words: Words, found: Lists, length: int, allowance: Allowance, purpose: str) -> npt.NDArray[np.uint8]:
    """Byte lists as ``(length, width)`` bytes, zero where there is none; ``width`` is a multiple of 8."""
    used = (found.counts + WORD - 1) // WORD
    width = int(used.max(initial=1))
    allowance.take(length * width * WORD, purpose)
    matrix = np.zeros((length, width), np.uint64)
    within = np.arange(used.sum()) - np.repeat(np.cumsum(used) - used, used)
    matrix[np.repeat(found.rows, used), within] = words[np.repeat(found.starts, used) + within]
    return matrix.view(np.uint8)


def texts(message: Segments, slots: Positions, allowance: Allowance, purpose: str) -> Column:
    """``S<n>``, one a slot, empty where the pointer is null.

    :raises MalformedInput: not text, or the column would take more than the allowance.
    """
    found = lists(message, slots, BYTE_LIST, purpose)
    if not found.counts.all() or message.words.view(np.uint8)[found.starts * WORD + found.counts - 1].any():
        raise MalformedInput(f"{purpose} does not end with a zero byte in some flow")
    matrix = byte_matrix(message.words, found, len(slots), allowance, purpose)
    return matrix.view(f"S{matrix.shape[1]}").ravel()


def blobs(message: Segments, slots: Positions, sizes: tuple[int, ...], allowance: Allowance, purpose: str) -> Column:
    """``(slots, largest size)`` bytes, zeros where the pointer is null or the blob is empty.

    :param sizes: acceptable byte counts, the largest first.
    :raises MalformedInput: another size, or not a blob.
    """
    found = lists(message, slots, BYTE_LIST, purpose)
    if not np.isin(found.counts, (0, *sizes)).all():
        raise MalformedInput(f"{purpose} has not {' or '.join(map(str, sizes))} bytes in some flow")
    largest = sizes[0]
    matrix = byte_matrix(message.words, found, len(slots), allowance, purpose)[:, :largest]
    if matrix.shape[1] == largest:
        return matrix
    return np.pad(matrix, ((0, 0), (0, largest - matrix.shape[1])))
