"""Inventory of elements that no table knows: so that nobody has to guess what an exporter sends and we do not use.

Each layout keeps one :class:`Sighting` for each of its unknown fields. They are updated when records are decoded, by
one example per decoding, so they cost nothing per record; how many there are is bounded by the fields of templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import attrs

from kproxy_tw.decode.elements import ELEMENTS, VARIABLE
from kproxy_tw.decode.rows import Place, Rows

EXAMPLE_BYTES = 32
"""Bytes of an example; what is longer is cut."""

MAX_LISTED = 256
"""Most unknown elements listed for one exporter."""


@attrs.define(slots=True, eq=False)
class Sighting:
    """One unknown field of one template.

    :ivar pen, number: enterprise (0 for none) and element number.
    :ivar length: in the template; ``VARIABLE`` where each record tells it.
    :ivar count: records that carried it.
    :ivar example: its first bytes in the latest record looked at; an empty one does not replace another.
    """

    pen: int
    number: int
    length: int
    place: Place
    count: int = 0
    example: bytes = b""

    def note(self, records: int, rows: Rows) -> None:
        """``records`` records came, and these rows are some of them."""
        self.count += records
        example = rows.example(self.place, EXAMPLE_BYTES)
        if example.strip(b"\0") or not self.example:
            self.example = example


def sightings(fields: Iterable[tuple[int, int, Place]]) -> tuple[Sighting, ...]:
    """One for each field (enterprise, number, place) that no table knows and that takes room."""
    return tuple(
        Sighting(pen, number, VARIABLE if place.variable >= 0 else place.length, place)
        for pen, number, place in fields
        if (pen, number) not in ELEMENTS and (place.length or place.variable >= 0)
    )


class Watched(Protocol):
    """What has unknown fields: a layout."""

    @property
    def unknown(self) -> Sequence[Sighting]:
        """Its unknown fields."""


def inventory(layouts: Iterable[Watched]) -> list[dict[str, object]]:
    """The unknown elements of an exporter's layouts, by enterprise, number and length, ready for JSON.

    :return: objects with ``pen``, ``id``, ``length`` (a number or ``variable``), ``count``, ``example`` (hexadecimal);
        at most :data:`MAX_LISTED`.
    """
    found: dict[tuple[int, int, int], list[Sighting]] = {}
    for layout in layouts:
        for sighting in layout.unknown:
            found.setdefault((sighting.pen, sighting.number, sighting.length), []).append(sighting)
    return [_described(found[key]) for key in sorted(found)[:MAX_LISTED]]


def _described(same: Sequence[Sighting]) -> dict[str, object]:
    latest = max(same, key=lambda sighting: sighting.count)
    return {
        "pen": latest.pen,
        "id": latest.number,
        "length": "variable" if latest.length == VARIABLE else latest.length,
        "count": sum(sighting.count for sighting in same),
        "example": latest.example.hex(),
    }
