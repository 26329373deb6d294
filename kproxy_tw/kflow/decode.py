"""Reads the body of a flow POST: what kcollect does with bytes that anybody may have sent."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import NUMBERS, UNSET_APP_PROTOCOL, Column, FlowBatch
from kproxy_tw.kflow.allowance import Allowance
from kproxy_tw.kflow.body import inflate, without_prefix
from kproxy_tw.kflow.custom_read import custom_columns
from kproxy_tw.kflow.layout import (
    COMPOSITE_LIST,
    CUSTOM_POINTER,
    FLAG_BIG,
    FLAG_METRIC,
    FLAG_SAMPLE_ADJUSTED,
    POINTERS,
    ROW_WORDS,
    WORD,
    Positions,
    row_dtype,
)
from kproxy_tw.kflow.pointed_read import blobs, texts
from kproxy_tw.kflow.pointer_read import lists, root, struct_sizes
from kproxy_tw.kflow.rates import SCALE
from kproxy_tw.kflow.unpack import Segments, unpack

MAX_DECODED_BYTES = 64 * 1024 * 1024
"""Usual bound on the inflated body, on the unpacked message, and on the text and custom columns."""

_ADDRESS_BYTES = 16
_NANOSECONDS = 1_000_000_000
_LATEST_SECOND = 2**63 // _NANOSECONDS


@attrs.frozen(slots=True)
class DecodedFlows:
    """Flows as they were sent.

    :ivar batch: the columns that have a value in some flow. ``sample_rate`` is the real rate, 0 for unknown;
        ``app_protocol`` is 0xFFFFFFFF in flows that have none. No custom columns.
    :ivar device_ids: the device of each flow, 0 where the sender left it out.
    :ivar custom: custom columns by id, in the forms that :attr:`FlowBatch.custom` has.
    """

    batch: FlowBatch
    device_ids: npt.NDArray[np.uint32]
    custom: Mapping[int, Column]


@attrs.frozen(slots=True)
class _Rows:
    """The list of flows: its first word, count, and the sizes of its structs in words."""

    start: int
    length: int
    data_words: int
    pointer_words: int

    def slots(self, index: int) -> Positions | None:
        """Where the rows' pointers of one index stand; none when the sender's rows have no such pointer."""
        if index >= self.pointer_words or not self.length:
            return None
        step = self.data_words + self.pointer_words
        return self.start + self.data_words + index + np.arange(self.length) * step


_NO_ROWS = _Rows(0, 0, 0, 0)


def _rows(message: Segments, limit: int) -> _Rows:
    """Find the list of flows."""
    found_root = root(message)
    if found_root is None or not found_root[1].pointer_words[0]:
        return _NO_ROWS
    start, sizes = found_root
    found = lists(message, start + sizes.data_words, COMPOSITE_LIST, "msgs")
    if not len(found.rows):
        return _NO_ROWS
    structs = struct_sizes(message.words[found.starts])
    length, data_words, pointer_words = (
        int(numbers[0]) for numbers in (structs.counts, structs.data_words, structs.pointer_words)
    )
    if length * ROW_WORDS * WORD > limit:
        raise MalformedInput(f"{length} flows in one message take more than {limit} bytes")
    if length * (data_words + pointer_words) > found.counts[0]:
        raise MalformedInput(f"{length} flows do not fit into their list")
    return _Rows(int(found.starts[0]) + 1, length, data_words, pointer_words)


def _seconds(fields: Column) -> Column:
    """``timestamp`` in nanoseconds, 0 where it is none."""
    seconds = fields["timestamp"]
    return np.where((seconds > 0) & (seconds < _LATEST_SECOND), seconds, 0) * _NANOSECONDS


def _numbers(fields: npt.NDArray[np.void]) -> dict[str, Column]:
    """Columns of the data section, those of zeros included."""
    names = fields.dtype.names or ()
    numbers: dict[str, Column] = {name: fields[name] for name in NUMBERS if name in names}
    flags = fields["flags"] if "flags" in names else np.zeros(len(fields), np.uint8)
    numbers["big"] = flags & FLAG_BIG != 0
    numbers["is_metric"] = flags & FLAG_METRIC != 0
    if "sample_rate" in numbers:
        numbers["sample_rate"] = fields["sample_rate"] / np.where(flags & FLAG_SAMPLE_ADJUSTED, SCALE, 1)
    if "timestamp" in names:
        numbers["timestamp_nano"] = np.where(fields["timestamp_nano"], fields["timestamp_nano"], _seconds(fields))
    return numbers


def _data_columns(fields: npt.NDArray[np.void]) -> dict[str, Column]:
    filled = {name: np.array(column, NUMBERS[name]) for name, column in _numbers(fields).items() if column.any()}
    if "app_protocol" in filled:
        filled["app_protocol"] = filled["app_protocol"] ^ np.uint32(UNSET_APP_PROTOCOL)
    return filled


def _pointed_columns(message: Segments, rows: _Rows, allowance: Allowance) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for pointer in POINTERS:
        slots = rows.slots(pointer.index)
        if not pointer.column or slots is None or not message.words[slots].any():
            continue
        if pointer.kind == "text":
            column = texts(message, slots, allowance, pointer.name)
        else:
            column = blobs(message, slots, (_ADDRESS_BYTES,), allowance, pointer.name)
        if column.any() if pointer.kind == "data" else (column != b"").any():
            columns[pointer.column] = column
    return columns


def _decode(message: Segments, limit: int) -> DecodedFlows:
    rows = _rows(message, limit)
    dtype = row_dtype(rows.data_words, rows.pointer_words)
    fields = np.ndarray(rows.length, dtype, buffer=message.words.data, offset=rows.start * WORD)
    allowance = Allowance(limit)
    columns = _data_columns(fields) | _pointed_columns(message, rows, allowance)
    slots = rows.slots(CUSTOM_POINTER)
    names = dtype.names or ()
    return DecodedFlows(
        batch=FlowBatch(rows.length, columns, rate_origin="record" if "sample_rate" in columns else "unknown"),
        device_ids=fields["device_id"].copy() if "device_id" in names else np.zeros(rows.length, np.uint32),
        custom={} if slots is None else custom_columns(message, slots, allowance),
    )


def decode_body(body: bytes, *, gzipped: bool, limit: int = MAX_DECODED_BYTES) -> DecodedFlows:
    """Decode one body. Runs in a worker thread, several at a time.

    Accepts with and without the 80-byte prefix, messages of several segments, and rows of older and newer
    senders, whose sections are shorter or longer than ours.

    :param gzipped: whether the request said ``Content-Encoding: gzip``.
    :param limit: bound in bytes on the inflated body; on the unpacked message; on its flows, each taken as
        344 bytes; and on the text and custom columns together.
    :raises MalformedInput: the body is not kflow, or larger than that.
    """
    if not gzipped and len(body) > limit:
        raise MalformedInput(f"the body has {len(body)} bytes, {limit} is the most")
    content = inflate(body, limit) if gzipped else body
    return _decode(unpack(without_prefix(content), limit), limit)
