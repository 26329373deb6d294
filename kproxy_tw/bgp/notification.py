"""The few NOTIFICATION messages that kbgp itself sends, so that a router's log says why (RFC 4271 section 4.5)."""

from __future__ import annotations

from kproxy_tw.bgp.framing import NOTIFICATION

MESSAGE_HEADER_ERROR, CEASE = 1, 6
CONNECTION_REJECTED = 5
"""Subcode of CEASE (RFC 4486)."""


def _notification(code: int, subcode: int) -> bytes:
    return b"\xff" * 16 + bytes((0, 21, NOTIFICATION, code, subcode))


def header_error(subcode: int) -> bytes:
    """Say that a header was wrong: 1 out of step, 2 its length, 3 its type."""
    return _notification(MESSAGE_HEADER_ERROR, subcode)


def connection_rejected() -> bytes:
    """Say that this router is not wanted."""
    return _notification(CEASE, CONNECTION_REJECTED)
