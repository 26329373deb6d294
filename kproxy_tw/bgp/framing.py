"""BGP framing: where messages begin, how long and of which type they are; nothing else is looked at.

A message is 16 bytes of ones, a length of 2 bytes that counts the header, a type of 1 byte, and its body (RFC 4271
section 4.1). What a body says is between the two speakers. The work is per message, not per byte: no byte of a body
is copied or looked at, but for the first message of a direction, which is the OPEN.
"""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import trusted_unpacker

HEADER_BYTES = 19
MAX_MESSAGE = 4096
MAX_EXTENDED_MESSAGE = 65535
"""RFC 8654: once both sides have announced it, for every type but OPEN and KEEPALIVE."""

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH, CAPABILITY = range(1, 7)
OLD_ROUTE_REFRESH = 128
"""What routers sent before RFC 2918; still negotiated by some."""

NAMES = {
    OPEN: "Open",
    UPDATE: "Update",
    NOTIFICATION: "Notification",
    KEEPALIVE: "Keepalive",
    ROUTE_REFRESH: "RouteRefresh",
    CAPABILITY: "Capability",
    OLD_ROUTE_REFRESH: "RouteRefresh",
}
"""The types that pass: those of RFC 4271 and RFC 2918, and two that routers negotiate although no RFC has them."""

SLOTS = 8
"""A type is counted in the slot of its last three bits: 1 to 6 in their own, 128 in the first."""

_HALF_MARKER = 0xFFFFFFFFFFFFFFFF
_NEVER = MAX_EXTENDED_MESSAGE + 1
_SHORTEST = {OPEN: 29, UPDATE: 23, NOTIFICATION: 21, ROUTE_REFRESH: 23, OLD_ROUTE_REFRESH: 23}

_header = trusted_unpacker("QQHB")


def _least() -> list[int]:
    return [_SHORTEST.get(kind, HEADER_BYTES) if kind in NAMES else _NEVER for kind in range(256)]


def _most(limit: int) -> list[int]:
    most = [limit] * 256
    most[OPEN], most[KEEPALIVE] = MAX_MESSAGE, HEADER_BYTES
    return most


_LEAST = _least()
_MOST = _most(MAX_MESSAGE)
_MOST_EXTENDED = _most(MAX_EXTENDED_MESSAGE)
"""Bounds of a message's length by its type: one comparison judges length and type."""


class BrokenFrame(MalformedInput):
    """A message header that no BGP speaker sends.

    :ivar subcode: of the NOTIFICATION "message header error" that answers it (RFC 4271 section 6.1).
    """

    def __init__(self, text: str, subcode: int) -> None:
        super().__init__(text)
        self.subcode = subcode


class Framing:
    """Follows the messages of one direction of one connection.

    :ivar counts: messages that have begun, by the slot of their type, see ``SLOTS``.
    """

    __slots__ = ("_first", "_head", "_most", "_skip", "counts")

    def __init__(self) -> None:
        self.counts: list[int] = [0] * SLOTS
        self._most = _MOST
        self._skip = 0  # bytes of the last message that are still to come
        self._head = b""  # the beginning of a header
        self._first: bytes | None = b""

    def feed(self, data: bytes) -> bytes | None:
        """Follow the next bytes of the stream, of any number.

        :returns: the first message of the stream, whole with its header, when these bytes complete it.
        :raises BrokenFrame: a header is wrong; the stream cannot be followed any further.
        """
        if self._head:
            self._complete_head(data)
        else:
            self._follow(data, self._skip)
        return None if self._first is None else self._remember(data, self._first)

    def extend(self) -> None:
        """Both sides have announced extended messages: let them pass from now on."""
        self._most = _MOST_EXTENDED

    @property
    def between_messages(self) -> bool:
        """Whether the last message is complete, so that a whole one could follow."""
        return not self._head and not self._skip

    def totals(self) -> dict[str, int]:
        """See :func:`totals`."""
        return totals(self.counts)

    def _follow(self, data: bytes, position: int) -> None:
        size = len(data)
        last = size - HEADER_BYTES
        counts, least, most = self.counts, _LEAST, self._most
        while position <= last:
            left, right, length, kind = _header(data, position)
            if left != _HALF_MARKER or right != _HALF_MARKER or not least[kind] <= length <= most[kind]:
                raise _broken(left, right, length, kind, most[kind])
            counts[kind & 7] += 1
            position += length
        self._head = data[position:]
        self._skip = max(0, position - size)

    def _complete_head(self, data: bytes) -> None:
        """Judge a header of which a part came before."""
        known = len(self._head)
        head = self._head + data[: HEADER_BYTES - known]
        if len(head) < HEADER_BYTES:
            self._head = head
            return
        # A header alone leaves in ``_skip`` what is missing of its message.
        self._follow(head, 0)
        self._follow(data, HEADER_BYTES - known + self._skip)

    def _remember(self, data: bytes, first: bytes) -> bytes | None:
        """Keep the first message, whose header is judged already, until it is whole."""
        first += data[: MAX_MESSAGE - len(first)]
        length = _header(first, 0)[2] if len(first) >= HEADER_BYTES else MAX_MESSAGE
        whole = len(first) >= length
        self._first = None if whole else first
        return first[:length] if whole else None


def totals(counts: Sequence[int]) -> dict[str, int]:
    """Name the counts of :class:`Framing`; types that were not seen are left out."""
    named: dict[str, int] = {}
    for kind, name in NAMES.items():
        count = counts[kind % SLOTS]
        if count:
            named[name] = named.get(name, 0) + count
    return named


def _broken(left: int, right: int, length: int, kind: int, most: int) -> BrokenFrame:
    if left != _HALF_MARKER or right != _HALF_MARKER:
        return BrokenFrame("the marker is not all ones: the stream is out of step, or this is no BGP", 1)
    if kind not in NAMES:
        return BrokenFrame(f"message type {kind} is unknown", 3)
    bounds = f"{_LEAST[kind]}" if most == _LEAST[kind] else f"{_LEAST[kind]} to {most}"
    return BrokenFrame(f"the length of {NAMES[kind]} is {length}, not {bounds}", 2)
