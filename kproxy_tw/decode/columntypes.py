"""Custom columns in the type that the device's column has.

The API tells a type for each custom column, and what is sent has to be of it: a number in a text column is written in
digits, a small number in a wide column is widened. What cannot be of the type is left out, value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address

import numpy as np

from kproxy_tw.flowbatch import Column

DIGITS = "S20"
"""Room for the largest 64-bit number."""

FAMILY_BYTES = {4: 4, 6: 16}
"""First byte of a custom address to the bytes of the address."""


def is_address(column: Column) -> bool:
    """Whether the values are a family and an address each."""
    return column.ndim == 2


def is_text(column: Column) -> bool:
    """Whether the values are texts."""
    return column.dtype.kind == "S"


def _as_text(column: Column) -> Column | None:
    if is_text(column):
        return column
    if is_address(column):
        return np.array([_address(row.tobytes()) for row in column], np.bytes_)
    if column.dtype.kind == "f":
        return np.array([str(value).encode() if value else b"" for value in column.tolist()], np.bytes_)
    return np.where(column == 0, b"", column.astype(DIGITS))


def _address(packed: bytes) -> bytes:
    size = FAMILY_BYTES.get(packed[0])
    return str(ip_address(packed[1 : 1 + size])).encode() if size else b""


def _as_address(column: Column) -> Column | None:
    return column if is_address(column) else None


def _as_float(column: Column) -> Column | None:
    return None if is_text(column) or is_address(column) else column.astype(np.float32)


def _as_number(code: str) -> Callable[[Column], Column | None]:
    most = np.iinfo(code).max

    def convert(column: Column) -> Column | None:
        if is_text(column) or is_address(column):
            return None
        return np.where((column >= 0) & (column <= most), column, 0).astype(code)

    return convert


CONVERTERS: Mapping[str, Callable[[Column], Column | None]] = {
    "string": _as_text,
    "text": _as_text,
    "inet": _as_address,
    "addr": _as_address,
    "float32": _as_float,
    "uint64": _as_number("u8"),
    "uint32": _as_number("u4"),
    "uint16": _as_number("u2"),
    "uint8": _as_number("u1"),
    "byte": _as_number("u1"),
}
"""By the API's name of the type."""


def typed(column: Column, kind: str) -> Column | None:
    """``column`` as a column of type ``kind``; ``None`` when none of its values can be that.

    A type that we do not know leaves the column as it is.
    """
    converter = CONVERTERS.get(kind.lower())
    return column if converter is None else converter(column)
