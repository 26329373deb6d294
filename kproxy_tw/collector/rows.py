"""Messages as the column arrays that the store's tables take in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from uuid import UUID

import numpy as np
import numpy.typing as npt

from kproxy_tw.collector.batches import BatchName
from kproxy_tw.collector.message import Message
from kproxy_tw.collector.schema import DETAIL_ADDRESSES, DETAIL_NUMBERS, MAIN_ADDRESSES, MAIN_NUMBERS, halves
from kproxy_tw.collector.totals import SUM_NAMES, stated_rates
from kproxy_tw.flowbatch import TEXTS, UNSET_APP_PROTOCOL, Column, FlowBatch

Table = dict[str, Column]
"""Column name to array, all of one length."""

WIDE_SUMS = frozenset(SUM_NAMES) - {"flows"}
"""Columns of :func:`message_table` that hold decimal text, because NumPy has no 128-bit integers."""


def _split(addresses: Column) -> tuple[Column, Column]:
    """The two 64-bit halves of an ``(n, 16)`` array of bytes in network order."""
    words = np.ascontiguousarray(addresses).view(">u8").astype(np.uint64).reshape(-1, 2)
    return np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1])


def _texts(column: Column) -> Column:
    """Byte strings as an object array of texts; each different one is decoded once."""
    distinct, places = np.unique(column, return_inverse=True)
    texts = np.array([value.decode("utf-8", "replace") for value in distinct.tolist()], dtype=object)
    return texts[places]


def _present(batch: FlowBatch, numbers: Sequence[str], addresses: Sequence[str]) -> Iterator[tuple[str, Column]]:
    for name in numbers:
        if name in batch.columns:
            yield name, np.ascontiguousarray(batch.columns[name])
    for name in addresses:
        if name in batch.columns:
            yield from zip(halves(name), _split(batch.columns[name]), strict=True)


def _received(messages: Sequence[Message]) -> npt.NDArray[np.datetime64]:
    return np.array([round(message.received * 1e6) for message in messages], dtype="datetime64[us]")


def flow_table(messages: Sequence[Message], batch: FlowBatch, first_id: int) -> Table:
    """Rows of ``flows``; columns that no message has are left out.

    :param batch: the batches of ``messages``, concatenated.
    """
    lengths = [message.batch.length for message in messages]
    return {
        "flow_id": np.arange(first_id, first_id + batch.length, dtype=np.int64),
        "device_id": np.repeat(np.array([message.device_id for message in messages], dtype=np.uint32), lengths),
        "received": np.repeat(_received(messages), lengths),
        **dict(_present(batch, MAIN_NUMBERS, MAIN_ADDRESSES)),
        "sample_rate": stated_rates(batch),
    }


def detail_table(batch: FlowBatch, first_id: int) -> Table:
    """Rows of ``flow_details``: only flows that have any of its columns. Empty when none has."""
    columns = dict(_present(batch, DETAIL_NUMBERS, DETAIL_ADDRESSES))
    if "app_protocol" in columns:
        columns["app_protocol"] = np.where(columns["app_protocol"] == UNSET_APP_PROTOCOL, 0, columns["app_protocol"])
    columns = {name: column for name, column in columns.items() if column.any()}
    texts = {name: batch.columns[name] for name in TEXTS if name in batch.columns}
    texts = {name: column for name, column in texts.items() if (column != b"").any()}
    filled = np.zeros(batch.length, dtype=bool)
    for column in columns.values():
        filled |= column != 0
    for column in texts.values():
        filled |= column != b""
    if not filled.any():
        return {}
    return {
        "flow_id": first_id + np.flatnonzero(filled),
        **{name: column[filled] for name, column in columns.items()},
        **{name: _texts(column[filled]) for name, column in texts.items()},
    }


def custom_tables(messages: Sequence[Message], first_id: int) -> Iterator[Table]:
    """Rows of ``custom_values``, a table per custom column of each message; zero and empty values are left out."""
    for message in messages:
        for column_id, column in message.custom.items():
            filled = _filled(column)
            if filled.any():
                name, values = _custom_values(column[filled])
                ids = np.full(len(values), column_id, dtype=np.uint32)
                yield {"flow_id": first_id + np.flatnonzero(filled), "column_id": ids, name: values}
        first_id += message.batch.length


def batch_table(names: Iterable[BatchName]) -> Table:
    """Rows of ``batches``, one a message."""
    return range_table((name.instance, name.device_id, name.number, name.number) for name in names if not name.part)


def part_table(names: Iterable[BatchName]) -> Table:
    """Rows of ``batch_parts``, one a part of a message."""
    listed = [name for name in names if name.part]
    return {
        "instance": np.array([str(name.instance) for name in listed], dtype=object),
        "device_id": np.array([name.device_id for name in listed], np.int64),
        "number": np.array([name.number for name in listed], np.int64),
        "part": np.array([name.part for name in listed], np.int64),
    }


def range_table(rows: Iterable[tuple[UUID, int, int, int]]) -> Table:
    """Rows of ``batches``."""
    listed = list(rows)
    return {
        "instance": np.array([str(instance) for instance, _, _, _ in listed], dtype=object),
        "device_id": np.array([device_id for _, device_id, _, _ in listed], np.int64),
        "first": np.array([first for _, _, first, _ in listed], np.int64),
        "last": np.array([last for _, _, _, last in listed], np.int64),
    }


def _filled(column: Column) -> npt.NDArray[np.bool_]:
    if column.ndim == 2:
        return np.asarray(column.any(axis=1))
    return np.asarray(column != (b"" if column.dtype.kind == "S" else 0))


def _custom_values(column: Column) -> tuple[str, Column]:
    if column.ndim == 2:
        return "content", np.array([_address_text(row.tobytes()) for row in column], dtype=object)
    if column.dtype.kind == "S":
        return "content", _texts(column)
    if column.dtype.kind == "f":
        return "fraction", column.astype(np.float64)
    return "whole", column.astype(np.uint64)


def _address_text(value: bytes) -> str:
    """Text of a custom address: family byte 4 or 6, then the address."""
    if value[0] == 4:
        return str(ip_address(value[1:5]))
    return str(ip_address(value[1:17])) if value[0] == 6 else value.hex()


def message_table(messages: Sequence[Message], first_message_id: int, first_id: int) -> Table:
    """Rows of ``messages``; the columns ``WIDE_SUMS`` hold decimal text."""
    lengths = np.array([message.batch.length for message in messages], dtype=np.int64)
    table: Table = {
        "message_id": np.arange(first_message_id, first_message_id + len(messages), dtype=np.int64),
        "received": _received(messages),
        "device_id": np.array([message.device_id for message in messages], dtype=np.uint32),
        "device_name": np.array([message.device_name for message in messages], dtype=object),
        "first_flow_id": first_id + np.cumsum(lengths) - lengths,
        "records": lengths.astype(np.uint32),
        "flows": np.array([message.sums.flows for message in messages], dtype=np.uint32),
    }
    for name in sorted(WIDE_SUMS):
        table[name] = np.array([str(getattr(message.sums, name)) for message in messages], dtype=object)
    return table
