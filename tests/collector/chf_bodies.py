"""Bodies of flow POSTs, made by pycapnp from the schema: independent of our own encoder."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Any

from kproxy_tw.kflow.schema import packed_chf

PREFIX = bytes(80)


def packed(flows: Sequence[Mapping[str, Any]]) -> bytes:
    """A packed message; each flow sets fields of ``CHF`` by their schema names."""
    message = packed_chf().new_message()
    rows = message.init("msgs", len(flows))
    for row, fields in zip(rows, flows, strict=True):
        for name, value in fields.items():
            if name == "custom":
                _fill_custom(row.init("custom", len(value)), value)
            else:
                setattr(row, name, value)
    return bytes(message.to_bytes_packed())


def _fill_custom(rows: Any, values: Sequence[tuple[int, str, Any]]) -> None:
    for row, (column_id, member, value) in zip(rows, values, strict=True):
        row.id = column_id
        setattr(row.value, member, value)


def gzipped(flows: Sequence[Mapping[str, Any]]) -> bytes:
    """A whole body as agents send it."""
    return gzip.compress(PREFIX + packed(flows), 1)


def flow(**fields: Any) -> dict[str, Any]:
    """A plausible IPv4 flow with ``fields`` in place of its own."""
    return {
        "timestampNano": 1_767_225_600_000_000_000,
        "ipv4SrcAddr": 0x0A000001,
        "ipv4DstAddr": 0xC0000201,
        "l4SrcPort": 443,
        "l4DstPort": 51234,
        "protocol": 6,
        "inBytes": 1500,
        "inPkts": 3,
        "sampleRate": 1000,
        "sampleAdj": True,
    } | fields
