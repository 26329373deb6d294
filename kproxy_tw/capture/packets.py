"""Captured packets, and bounded reading of the files that they stand in."""

from __future__ import annotations

import zlib
from typing import BinaryIO

import attrs

from kproxy_tw.errors import MalformedInput

MAX_PACKET = 1 << 20
"""Largest packet that is believed; capture programs stop at a quarter of it."""


@attrs.frozen(slots=True)
class Packet:
    """One captured packet.

    :ivar time_ns: when it was captured, nanoseconds since 1970; 0 when the file does not tell.
    :ivar link: link type (tcpdump.org, "Link-layer header types").
    :ivar data: what was captured of it.
    :ivar length: how long it was.
    """

    time_ns: int
    link: int
    data: bytes
    length: int


def read_exactly(file: BinaryIO, size: int, what: str) -> bytes:
    """``size`` bytes. :raises MalformedInput: the file ends before."""
    try:
        data = file.read(size)
    except (OSError, EOFError, zlib.error) as problem:
        raise MalformedInput(f"damaged gzip: {problem}") from None
    if len(data) != size:
        raise MalformedInput(f"the file ends in the middle of {what}")
    return data


def at_end(file: BinaryIO) -> bool:
    """Whether nothing is left in a file that can look ahead."""
    try:
        return not file.peek(1)  # type: ignore[attr-defined]
    except (OSError, EOFError, zlib.error) as problem:
        raise MalformedInput(f"damaged gzip: {problem}") from None
