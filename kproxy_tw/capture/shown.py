"""Flows as people and JSON read them: one object a flow, without what is empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from kproxy_tw.flowbatch import UNSET_APP_PROTOCOL, Column, FlowBatch

ADDRESS_BYTES = 17
"""A custom column that is an address: family and 16 bytes."""


def flows(batch: FlowBatch) -> Iterator[dict[str, object]]:
    """The flows of a batch: what becomes of them, and under ``elements`` what the exporter sent."""
    for row in range(batch.length):
        found = _row(batch.columns, row)
        elements = _row(batch.custom, row)
        yield {**found, "elements": elements} if elements else found


def _row(columns: Mapping[str, Column], row: int) -> dict[str, object]:
    shown = {name: _shown(name, column, row) for name, column in columns.items()}
    return {name: value for name, value in shown.items() if value is not None}


def _shown(name: str, column: Column, row: int) -> object:
    """One value; ``None`` for an empty one."""
    value = column[row]
    if column.ndim == 2:
        return _address(value.tobytes()) if value.any() else None
    if column.dtype.kind == "S":
        return value.decode("utf-8", "replace") or None
    if name == "app_protocol" and value == UNSET_APP_PROTOCOL:
        return None
    number: int | float = value.item()
    if not number:
        return None
    if name == "timestamp_nano":
        return utc(int(number))
    if name.startswith("ipv4_") or name in ("src_route_prefix", "dst_route_prefix"):
        return str(IPv4Address(number))
    if name.endswith("_eth_mac"):
        return ":".join(f"{octet:02x}" for octet in int(number).to_bytes(8, "big")[2:])
    if column.dtype.kind == "f":
        return str(number) if not np.isfinite(number) else number if number % 1 else int(number)
    return number


def _address(data: bytes) -> str:
    if len(data) != ADDRESS_BYTES:
        return str(IPv6Address(data))
    return str(IPv4Address(data[1:5])) if data[0] == 4 else str(IPv6Address(data[1:]))


def utc(nanoseconds: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 with milliseconds; far-off ones as a number."""
    try:
        time = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 10**6 % 1000:03}Z"
