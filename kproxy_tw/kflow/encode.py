"""Flows of one device as the body of a flow POST.

``flatten`` lays a batch out as one Cap'n Proto segment, in NumPy; pycapnp packs it; isal compresses
it. All of it is meant for a worker thread: what takes milliseconds runs without the interpreter lock. Who makes many
bodies has an :class:`Encoder`.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from isal import igzip

from kproxy_tw.flowbatch import NUMBERS, UNSET_APP_PROTOCOL, Column, FlowBatch
from kproxy_tw.kflow.body import PREFIX_BYTES
from kproxy_tw.kflow.custom_write import custom_lists
from kproxy_tw.kflow.layout import (
    COMPOSITE_LIST,
    DATA_WORDS,
    FLAG_BIG,
    FLAG_METRIC,
    FLAG_SAMPLE_ADJUSTED,
    LIST_HEAD_WORDS,
    POINTER_WORDS,
    POINTERS,
    ROW_WORDS,
    WORD,
    Words,
    row_dtype,
    struct_size,
)
from kproxy_tw.kflow.memory import anonymous_memory
from kproxy_tw.kflow.pack import pack
from kproxy_tw.kflow.pointed_write import Pointed, addresses, list_pointers, texts
from kproxy_tw.kflow.rates import SCALE, hundredths

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""A message before packing: what readers with Cap'n Proto's usual limit accept. About 195,000 plain flows."""

MAX_KEPT_BYTES = 4 * 1024 * 1024
"""So much memory is kept for the next message: as a message of 12,000 flows needs before packing, and after it."""

GZIP_LEVEL = 1

_NANOSECONDS = 1_000_000_000
_ROW = row_dtype()
_NAMES = frozenset(_ROW.names or ())


def _rates(batch: FlowBatch) -> Column:
    if "sample_rate" not in batch.columns:
        return np.full(batch.length, SCALE, np.uint32)
    return hundredths(batch.columns["sample_rate"].astype(np.float64, copy=False))


def _flags(batch: FlowBatch) -> Column:
    flags = np.full(batch.length, FLAG_SAMPLE_ADJUSTED, np.uint8)
    for name, flag in (("big", FLAG_BIG), ("is_metric", FLAG_METRIC)):
        if name in batch.columns:
            flags |= batch.columns[name].astype(np.uint8) * np.uint8(flag)
    return flags


def _numbers(batch: FlowBatch, device_id: int) -> dict[str, Column]:
    """The data section: field of the row to a column."""
    numbers = {name: batch.columns[name] for name in NUMBERS if name in batch.columns and name in _NAMES}
    numbers["device_id"] = np.broadcast_to(np.uint32(device_id), batch.length)
    numbers["sample_rate"] = _rates(batch)
    numbers["flags"] = _flags(batch)
    if "timestamp_nano" in numbers:
        numbers["timestamp"] = numbers["timestamp_nano"] // _NANOSECONDS
    if "app_protocol" in numbers:
        numbers["app_protocol"] = numbers["app_protocol"] ^ np.uint32(UNSET_APP_PROTOCOL)
    return numbers


def _pointed(batch: FlowBatch, column_ids: Mapping[str, int]) -> list[Pointed]:
    """Everything that rows point to."""
    makers = {"text": texts, "data": addresses}
    found = [
        makers[pointer.kind](pointer.index, batch.columns[pointer.column])
        for pointer in POINTERS
        if pointer.column in batch.columns
    ]
    if any(name in column_ids for name in batch.custom):
        found.append(custom_lists(batch.length, batch.custom, column_ids))
    return [pointed for pointed in found if len(pointed.rows)]


def _write_rows(segment: Words, numbers: Mapping[str, Column], length: int) -> None:
    rows = np.ndarray(length, _ROW, buffer=segment.data, offset=LIST_HEAD_WORDS * WORD)
    for name, column in numbers.items():
        rows[name] = column


def _attach(segment: Words, pointed: Pointed, start: int) -> int:
    """Copy objects to word ``start`` and point to them; gives where they end."""
    end = start + len(pointed.words)
    segment[start:end] = pointed.words
    slots = LIST_HEAD_WORDS + pointed.rows * ROW_WORDS + (DATA_WORDS + pointed.slot)
    segment[slots] = list_pointers(slots, pointed.starts + start, pointed.sizes)
    return end


def new_words(count: int) -> Words:
    """So many words of zeros."""
    return np.zeros(count, np.uint64)


def flatten(
    batch: FlowBatch, *, device_id: int, column_ids: Mapping[str, int], zeros: Callable[[int], Words] = new_words
) -> Words:
    """One single-segment message, unpacked and without framing: ``PackedCHF``, its rows, what they point to.

    :param device_id: goes into each flow.
    :param column_ids: ids of the device's custom columns by name; the batch's other ones are left out.
    :param zeros: gives the memory.
    :raises ValueError: more than :data:`MAX_MESSAGE_BYTES`, or a custom column of a type that kflow does not have.
    """
    found = _pointed(batch, column_ids)
    end = LIST_HEAD_WORDS + batch.length * ROW_WORDS
    size = end + sum(len(pointed.words) for pointed in found)
    framed = (1 + size) * WORD
    if framed > MAX_MESSAGE_BYTES:
        raise ValueError(f"{batch.length} flows make a message of {framed} bytes, {MAX_MESSAGE_BYTES} is the most")
    segment = zeros(size)
    segment[:LIST_HEAD_WORDS] = (
        struct_size(0, 1),
        (batch.length * ROW_WORDS) << 35 | COMPOSITE_LIST << 32 | 1,
        struct_size(DATA_WORDS, POINTER_WORDS) | batch.length << 2,
    )
    _write_rows(segment, _numbers(batch, device_id), batch.length)
    for pointed in found:
        end = _attach(segment, pointed, end)
    return segment


class Encode(Protocol):
    """Makes the body of a flow POST."""

    def __call__(self, batch: FlowBatch, *, device_id: int, column_ids: Mapping[str, int]) -> bytes:
        """Prefix and packed message, in gzip. Parameters and errors as :func:`flatten`."""


class Encoder:
    """Makes one body after the other in the same memory; to be closed.

    A message takes more than a megabyte, and again about a third of that when it is packed. To take these from the
    system each time costs as much as filling them does.
    """

    def __init__(self) -> None:
        self._words = new_words(0)
        self._packed = anonymous_memory()

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory back."""
        self._words = new_words(0)
        self._packed.close()

    def encode(self, batch: FlowBatch, *, device_id: int, column_ids: Mapping[str, int]) -> bytes:
        """See :class:`Encode`. In one thread at a time."""
        segment = flatten(batch, device_id=device_id, column_ids=column_ids, zeros=self._zeros)
        packed = self._packed
        packed.seek(0)
        packed.write(bytes(PREFIX_BYTES))
        pack(segment, packed)
        del segment
        length = packed.tell()
        with mmap.mmap(packed.fileno(), length, access=mmap.ACCESS_READ) as content:
            body: bytes = igzip.compress(content, GZIP_LEVEL, mtime=0)
        if length > MAX_KEPT_BYTES:
            packed.truncate(MAX_KEPT_BYTES)
        return body

    def _zeros(self, count: int) -> Words:
        if count * WORD > MAX_KEPT_BYTES:
            return new_words(count)
        if len(self._words) < count:
            self._words = new_words(count)
        else:
            self._words[:count] = 0
        return self._words[:count]


def encode(batch: FlowBatch, *, device_id: int, column_ids: Mapping[str, int]) -> bytes:
    """One body, in memory that is given back at once: see :class:`Encode`."""
    with Encoder() as encoder:
        return encoder.encode(batch, device_id=device_id, column_ids=column_ids)
