"""Flows as people and JSON read them: one object a flow, without what is empty."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from kproxy_tw.flowbatch import UNSET_APP_PROTOCOL, Column, FlowBatch

ADDRESS_BYTES = 17
"""A custom column that is an address: family and 16 bytes."""


def flows(batch: FlowBatch) -> Iterator[dict[str, object]]:
    """The flows of a batch under the names of their columns, custom ones behind the others."""
    for row in range(batch.length):
        found: dict[str, object] = {}
        for name, column in (*batch.columns.items(), *batch.custom.items()):
            value = _shown(name, column, row)
            if value is not None:
                found[name] = value
        yield found


def _shown(name: str, column: Column, row: int) -> object:
    """One value; ``None`` for an empty one."""
    value = column[row]
    if column.ndim == 2:
        return _address(value.tobytes()) if value.any() else None
    if column.dtype.kind == "S":
        return value.decode("utf-8", "replace") or None
    if name == "app_protocol" and value == UNSET_APP_PROTOCOL:
        return None
    number = value.item()
    if not number:
        return None
    if name == "timestamp_nano":
        return utc(number)
    if name.startswith("ipv4_") or name in ("src_route_prefix", "dst_route_prefix"):
        return str(IPv4Address(number))
    if name.endswith("_eth_mac"):
        return ":".join(f"{octet:02x}" for octet in int(number).to_bytes(8, "big")[2:])
    return number if column.dtype.kind != "f" or not np.isfinite(number) or number % 1 else int(number)


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
