"""NAT events that an exporter does not name.

Nokia's service routers log the creation and the end of a session in two templates that have all but natEvent: the first
has only the session's start, the second only its end. The numbers are those of RFC 8158 section 5.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kproxy_tw.decode.elements import IANA
from kproxy_tw.decode.rows import Place

NOKIA = 637
NAT_ELEMENTS = frozenset({91, 92, 93})
"""aluInsideServiceId, aluOutsideServiceId, aluNatSubString: what only NAT records have."""

NAT_EVENT = 230
STARTS, ENDS = frozenset({150, 152}), frozenset({151, 153})
CREATE, DELETE = 4, 5
"""natEvent: NAT44 session create, NAT44 session delete."""

COLUMN = "natevent"
"""The custom column, as ``custom.folded`` spells it."""


def implied_event(fields: Sequence[tuple[int, int, Place]], wanted: Collection[str]) -> int:
    """The event that every record of a template is, 0 when its fields (enterprise, number, place) imply none."""
    if COLUMN not in wanted or not any(pen == NOKIA and number in NAT_ELEMENTS for pen, number, _ in fields):
        return 0
    numbers = {number for pen, number, _ in fields if pen == IANA}
    starts, ends = bool(STARTS & numbers), bool(ENDS & numbers)
    if NAT_EVENT in numbers or starts == ends:
        return 0
    return CREATE if starts else DELETE
