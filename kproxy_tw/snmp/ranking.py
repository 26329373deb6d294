"""Which interfaces of a device are told of, when there are more than wanted: the busiest ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from kproxy_tw.snmp.reading import InterfaceCounters


@attrs.define(eq=False)
class Ranking:
    """The chosen interfaces of one device, by index."""

    _order: dict[int, int] = attrs.field(factory=dict, init=False)

    def rank(self, counters: Iterable[InterfaceCounters]) -> None:
        """Put interfaces in order: by growth where it is known, else by what they have counted ever."""
        busiest = sorted(counters, key=_volume, reverse=True)
        self._order = {counted.index: place for place, counted in enumerate(busiest)}

    def chosen(self, indexes: Iterable[int], most: int) -> frozenset[int]:
        """At most so many of them; those without counters come last."""
        last = len(self._order)
        return frozenset(sorted(indexes, key=lambda index: (self._order.get(index, last), index))[:most])


def _volume(counted: InterfaceCounters) -> tuple[int, int]:
    grown, totals = counted.deltas, counted.totals
    return (
        (grown.in_octets or 0) + (grown.out_octets or 0) if grown is not None else 0,
        (totals.in_octets or 0) + (totals.out_octets or 0),
    )
