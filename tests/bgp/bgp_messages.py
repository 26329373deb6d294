"""BGP messages made by hand, from RFC 4271 section 4."""

from __future__ import annotations

import socket

MARKER = b"\xff" * 16


def message(kind: int, body: bytes = b"") -> bytes:
    """Any message."""
    return MARKER + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


def capability(code: int, value: bytes = b"") -> bytes:
    """One capability (RFC 5492 section 4)."""
    return bytes([code, len(value)]) + value


def open_message(
    *, system: int = 65010, hold: int = 90, router_id: str = "10.1.0.1", capabilities: tuple[bytes, ...] = ()
) -> bytes:
    """An OPEN with one parameter per capability."""
    parameters = b"".join(bytes([2, len(one)]) + one for one in capabilities)
    head = bytes([4]) + min(system, 65535).to_bytes(2, "big") + hold.to_bytes(2, "big") + socket.inet_aton(router_id)
    return message(1, head + bytes([len(parameters)]) + parameters)


def update(size: int = 23) -> bytes:
    """An UPDATE of so many bytes, whatever is in it."""
    return message(2, bytes(size - 19))


KEEPALIVE = message(4)
EXTENDED = capability(6)
