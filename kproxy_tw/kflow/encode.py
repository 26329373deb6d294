"""Flows of one device as the body of a flow POST.

``flatten`` lays a batch out as one Cap'n Proto segment, in NumPy; pycapnp packs it; isal compresses
it. All of it is meant for a worker thread: what takes milliseconds runs without the interpreter lock.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping

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
from kproxy_tw.kflow.pack import pack, packed_at_once
from kproxy_tw.kflow.pointed_write import Pointed, addresses, list_pointers, texts
from kproxy_tw.kflow.rates import SCALE, hundredths

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""A message before packing: what readers with Cap'n Proto's usual limit accept. About 195,000 plain flows."""

MAX_LOCKED_BYTES = 2 * 1024 * 1024
"""A message up to this size is packed with the interpreter lock held, for about a millisecond: the memory that packing
without it needs costs as much again."""

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


def flatten(batch: FlowBatch, *, device_id: int, column_ids: Mapping[str, int]) -> Words:
    """One single-segment message, unpacked and without framing: ``PackedCHF``, its rows, what they point to.

    :param device_id: goes into each flow.
    :param column_ids: ids of the device's custom columns by name; the batch's other ones are left out.
    :raises ValueError: more than :data:`MAX_MESSAGE_BYTES`, or a custom column of a type that kflow does not have.
    """
    found = _pointed(batch, column_ids)
    end = LIST_HEAD_WORDS + batch.length * ROW_WORDS
    size = end + sum(len(pointed.words) for pointed in found)
    framed = (1 + size) * WORD
    if framed > MAX_MESSAGE_BYTES:
        raise ValueError(f"{batch.length} flows make a message of {framed} bytes, {MAX_MESSAGE_BYTES} is the most")
    segment = np.zeros(size, np.uint64)
    segment[:LIST_HEAD_WORDS] = (
        struct_size(0, 1),
        (batch.length * ROW_WORDS) << 35 | COMPOSITE_LIST << 32 | 1,
        struct_size(DATA_WORDS, POINTER_WORDS) | batch.length << 2,
    )
    _write_rows(segment, _numbers(batch, device_id), batch.length)
    for pointed in found:
        end = _attach(segment, pointed, end)
    return segment


def encode(batch: FlowBatch, *, device_id: int, column_ids: Mapping[str, int]) -> bytes:
    """The body of a flow POST: prefix and packed message, in gzip. Parameters and errors as :func:`flatten`.

    Runs in a worker thread, several at a time.
    """
    segment = flatten(batch, device_id=device_id, column_ids=column_ids)
    if segment.nbytes <= MAX_LOCKED_BYTES:
        return igzip.compress(bytes(PREFIX_BYTES) + packed_at_once(segment), GZIP_LEVEL, mtime=0)
    with anonymous_memory() as memory:
        memory.write(bytes(PREFIX_BYTES))
        pack(segment, memory)
        del segment
        with mmap.mmap(memory.fileno(), 0, access=mmap.ACCESS_READ) as packed:
            return igzip.compress(packed, GZIP_LEVEL, mtime=0)
