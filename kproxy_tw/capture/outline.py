"""What stands in a NetFlow v9 or IPFIX datagram, set by set, for people: nothing is decoded."""

from __future__ import annotations

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

HEADER_LENGTHS = {9: 20, 10: 16}
MOST_SETS = 1024


@attrs.frozen(slots=True)
class SetOutline:
    """One set: its id and the bytes behind its header."""

    set_id: int
    size: int


@attrs.frozen(slots=True)
class Outline:
    """One datagram.

    :ivar sequence: its sequence number.
    :ivar domain: source id or observation domain; engine type and number of NetFlow v5.
    :ivar sets: of its first message.
    """

    version: int
    sequence: int
    domain: int
    sets: tuple[SetOutline, ...] = ()


def outline(data: bytes) -> Outline | None:
    """Where a datagram stands in its sequence and what it is made of; ``None`` when the header is damaged."""
    try:
        return _outline(Reader(data))
    except MalformedInput:
        return None


def _outline(reader: Reader) -> Outline | None:
    version, second = reader.u16(), reader.u16()
    if version == 5:
        reader.skip(12)
        return Outline(version, reader.u32(), reader.u16())
    if version == 9:
        reader.skip(8)
        return Outline(version, reader.u32(), reader.u32(), _sets(reader))
    if version == 10:
        reader.skip(4)
        sequence, domain = reader.u32(), reader.u32()
        size = max(0, min(second - HEADER_LENGTHS[10], reader.remaining))
        return Outline(version, sequence, domain, _sets(reader.part(size)))
    if (version, second) == (0, 5):
        size = 4 if reader.u32() == 1 else 16
        reader.skip(size)
        sub_agent = reader.u32()
        return Outline(5, reader.u32(), sub_agent)
    return None


def _sets(reader: Reader) -> tuple[SetOutline, ...]:
    found: list[SetOutline] = []
    while reader.remaining >= 4 and len(found) < MOST_SETS:
        set_id, length = reader.u16(), reader.u16()
        if length < 4 or length - 4 > reader.remaining:
            break
        reader.skip(length - 4)
        found.append(SetOutline(set_id, length - 4))
    return tuple(found)
