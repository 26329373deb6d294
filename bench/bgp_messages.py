"""BGP messages (RFC 4271 section 4) as the routers of the benchmark send them."""

from __future__ import annotations

import socket
import struct

MARKER = b"\xff" * 16
KEEPALIVE = MARKER + struct.pack("!HB", 19, 4)
OPEN_LENGTH = 29
HOLD_SECONDS = 180

UPDATE_BYTES = 100
"""Of an UPDATE with one or two routes and their attributes, about."""

BULK_UPDATE_BYTES = 1000
"""Of one in a full table, where many routes share their attributes; 4,096 is the most that BGP allows."""

_STAMP = struct.Struct("!d")
_STAMP_AT = 23


def open_message(identifier: str) -> bytes:
    """Make an OPEN. :param identifier: the router's BGP identifier, written as an IPv4 address."""
    return MARKER + struct.pack("!HBBHH4sB", OPEN_LENGTH, 1, 4, 65000, HOLD_SECONDS, socket.inet_aton(identifier), 0)


def update(stamp: float, size: int = UPDATE_BYTES) -> bytes:
    """Make an UPDATE of ``size`` bytes that carries the time at which it is sent."""
    head = MARKER + struct.pack("!HBHH", size, 2, 0, size - _STAMP_AT)
    return head + _STAMP.pack(stamp) + bytes(size - _STAMP_AT - _STAMP.size)


def stamp_of(data: bytes, start: int) -> float:
    """Give the time in the UPDATE that begins at ``start``."""
    (stamp,) = _STAMP.unpack_from(data, start + _STAMP_AT)
    return float(stamp)
