"""What stands in a NetFlow v9 or IPFIX datagram, set by set, for people: nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

IPFIX_HEADER_LENGTH = 16
MOST_SETS = 1024
TEMPLATE_SETS = {9: (0, 1), 10: (2, 3)}
"""Set ids of templates and options templates by version."""

FIRST_TEMPLATE_ID = 256


@attrs.frozen(slots=True)
class SetOutline:
    """One set.

    :ivar size: bytes behind its header.
    :ivar templates: ids of the templates in it.
    """

    set_id: int
    size: int
    templates: tuple[int, ...] = ()


@attrs.frozen(slots=True)
class Outline:
    """One datagram.

    :ivar sequence: its sequence number.
    :ivar domain: source id or observation domain; engine type and number of NetFlow v5; sub-agent of sFlow.
    :ivar seconds: export time in seconds since 1970; 0 in sFlow, which has none.
    :ivar sets: of its first message.
    """

    version: int
    sequence: int
    domain: int
    seconds: int = 0
    sets: tuple[SetOutline, ...] = ()


def outline(data: bytes) -> Outline | None:
    """Where a datagram stands in its sequence and what it is made of; ``None`` when the header is damaged."""
    try:
        return _outline(Reader(data))
    except MalformedInput:
        return None


def _outline(reader: Reader) -> Outline | None:
    version, second = reader.u16(), reader.u16()
    if version in (5, 7):
        reader.skip(4)
        seconds = reader.u32()
        reader.skip(4)
        return Outline(version, reader.u32(), reader.u16(), seconds)
    if version == 1:
        reader.skip(4)
        return Outline(version, 0, 0, reader.u32())
    if version == 9:
        reader.skip(4)
        seconds = reader.u32()
        return Outline(version, reader.u32(), reader.u32(), seconds, _sets(reader, version))
    if version == 10:
        seconds, sequence, domain = reader.u32(), reader.u32(), reader.u32()
        size = max(0, min(second - IPFIX_HEADER_LENGTH, reader.remaining))
        return Outline(version, sequence, domain, seconds, _sets(reader.part(size), version))
    if (version, second) == (0, 5):
        size = 4 if reader.u32() == 1 else 16
        reader.skip(size)
        sub_agent = reader.u32()
        return Outline(5, reader.u32(), sub_agent)
    return None


def _sets(reader: Reader, version: int) -> tuple[SetOutline, ...]:
    found: list[SetOutline] = []
    while reader.remaining >= 4 and len(found) < MOST_SETS:
        set_id, length = reader.u16(), reader.u16()
        if length < 4 or length - 4 > reader.remaining:
            break
        body = reader.part(length - 4)
        found.append(SetOutline(set_id, length - 4, tuple(_templates(set_id, body, version))))
    return tuple(found)


def _templates(set_id: int, body: Reader, version: int) -> Iterator[int]:
    """Ids of the templates in a set, up to the first one that is cut off."""
    if set_id not in TEMPLATE_SETS[version]:
        return
    try:
        while body.remaining >= 4:
            template_id, fields = body.u16(), body.u16()
            if template_id < FIRST_TEMPLATE_ID:
                return
            if set_id == 1:
                body.skip(body.u16() + fields)
            elif version == 9:
                body.skip(4 * fields)
            else:
                _skip_specifiers(body, fields, options=set_id == 3)
            yield template_id
    except MalformedInput:
        return


def _skip_specifiers(body: Reader, fields: int, *, options: bool) -> None:
    if options and fields:
        body.skip(2)
    for _field in range(fields):
        enterprise = body.u16() & 0x8000
        body.skip(6 if enterprise else 2)
