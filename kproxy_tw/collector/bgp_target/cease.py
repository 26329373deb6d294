"""NOTIFICATION messages that tell a router why its session ends, so that it tries again in due time. Pure.

RFC 4271 section 4.5; subcodes of Cease: RFC 4486; the text behind one of them: RFC 9003.
"""

from __future__ import annotations

import enum

from kproxy_tw.bgp.framing import HEADER_BYTES, NOTIFICATION
from kproxy_tw.bgp.notification import CEASE

MAX_TEXT = 255
"""Bytes of a shutdown communication (RFC 9003 section 2)."""


class Cease(enum.IntEnum):
    """Subcodes of Cease (RFC 4486 section 3)."""

    PEER_DECONFIGURED = 3
    ADMINISTRATIVE_RESET = 4
    CONNECTION_REJECTED = 5
    COLLISION_RESOLUTION = 7
    OUT_OF_RESOURCES = 8


def cease(subcode: Cease, text: str = "") -> bytes:
    """A whole NOTIFICATION.

    :param text: for people; sent where the RFC has a place for it, with an administrative reset.
    """
    data = b""
    if text and subcode is Cease.ADMINISTRATIVE_RESET:
        said = text.encode()[:MAX_TEXT].decode("utf-8", "ignore").encode()
        data = bytes([len(said)]) + said
    length = HEADER_BYTES + 2 + len(data)
    return b"\xff" * 16 + length.to_bytes(2, "big") + bytes([NOTIFICATION, CEASE, subcode]) + data
