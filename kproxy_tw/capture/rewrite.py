"""Flow datagrams as if they were sent now: the export time, and the absolute times in records move with it.

Times that count from the exporter's start (NetFlow v5, most of v9) follow the header and stay as they are; sFlow has
no wall clock at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from kproxy_tw.capture.outline import outline
from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.elements import ELEMENTS, VARIABLE, Kind
from kproxy_tw.decode.layout import TemplateLayout
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput

EXPORT_TIME = {1: 8, 5: 8, 7: 8, 9: 8, 10: 4}
"""Where the header has the seconds since 1970, by version."""

HEADER_LENGTHS = {9: 20, 10: 16}
UNITS = {Kind.SECONDS: 1, Kind.MILLISECONDS: 1000, Kind.MICROSECONDS: 1 << 32, Kind.NANOSECONDS: 1 << 32}
"""Units a second of absolute times; the last two are NTP's 32 bits of seconds and 32 of a fraction (RFC 7011
section 6.1)."""

LONG_LENGTH = 255
"""A length byte that says: the length follows in two bytes (RFC 7011 section 7)."""


class TimeRewriter:
    """Rewrites the datagrams of one exporter, in their order."""

    def __init__(self) -> None:
        self._templates = TemplateCache()

    def rewrite(self, data: bytes, now: float) -> bytes:
        """``data`` as if it were sent at ``now``, seconds since 1970; as it is where that cannot be done."""
        head = outline(data)
        place = EXPORT_TIME.get(int.from_bytes(data[:2], "big"))
        if head is None or place is None:
            return data
        shift = int(now) - int.from_bytes(data[place : place + 4], "big")
        changed = bytearray(data)
        _move(changed, place, 4, shift)
        if head.version in HEADER_LENGTHS:
            try:
                walk(data, self._templates, int(now * 1e9))
            except MalformedInput:
                return bytes(changed)
            position = HEADER_LENGTHS[head.version]
            for each in head.sets:
                template = self._templates.find(head.version, head.domain, each.set_id)
                if template is not None:
                    for at, size, units in _times(template.layout, data, position + 4, position + 4 + each.size):
                        _move(changed, at, size, shift * units)
                position += 4 + each.size
        return bytes(changed)


def _move(data: bytearray, place: int, size: int, units: int) -> None:
    """Add to an integer; one that is zero, and so no time, stays."""
    value = int.from_bytes(data[place : place + size], "big")
    if value:
        data[place : place + size] = ((value + units) % (1 << 8 * size)).to_bytes(size, "big")


def _times(layout: TemplateLayout, data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Place, size and units a second of every absolute time in a set of records."""
    units = [_units(field.pen, field.number, field.length) for field in layout.fields]
    if not any(units):
        return
    position = start
    while position + layout.minimum <= stop:
        for field, per_second in zip(layout.fields, units, strict=True):
            if per_second and position + field.length <= stop:
                yield position, field.length, per_second
            position += field.length if field.length != VARIABLE else _variable(data, position)


def _units(pen: int, number: int, length: int) -> int:
    element = ELEMENTS.get((pen, number))
    return UNITS.get(element.kind, 0) if element is not None and length in (4, 8) else 0


def _variable(data: bytes, position: int) -> int:
    size = data[position] if position < len(data) else 0
    return 3 + int.from_bytes(data[position + 1 : position + 3], "big") if size == LONG_LENGTH else 1 + size
