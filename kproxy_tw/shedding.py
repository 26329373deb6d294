"""Shedding: which datagrams give way when more come than can be walked. Pure.

A socket's buffer is one queue for all exporters: when it overflows, the kernel drops of each the same part, so that one
that sends too much takes from those that send little. Reading costs less than walking. So when the reader falls far
behind, it goes on reading, and whoever sends most is walked least: there is a level, exporters that send less than it
lose nothing, and all others come down to it. Addresses without a device have the share of one exporter together.

The level follows how full the buffer is, and what exporters have sent in the window of datagrams before.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

from kproxy_tw.sample.plans import fair_level

BEGINS_AT = 0.75
"""Shedding begins when so much of a buffer is full behind a turn of reading: what is less, a burst may need."""

MOST_AT = 0.95
"""Where hardly anything is walked any more."""

LEAST_PART = 0.05
"""What is walked even then."""

WINDOW = 2048
"""Datagrams over which exporters are compared. What one sends at a time may come in a row, and is not many of them."""

CALM_TURNS = 100
"""Of reading, without any need to shed: then what exporters have sent before says nothing any more. The kernel tells a
buffer's fill in steps of a quarter, so that a need may seem to be over that is not."""

STRANGERS = ""
"""Stands for all addresses without a device."""


class Shedding:
    """See the module.

    :ivar active: whether any datagram may have to give way now; while none has to, :meth:`admits` need not be asked.
    """

    __slots__ = ("_before", "_calm", "_came", "_fills", "_level", "_part", "_seen", "active")

    def __init__(self) -> None:
        self.active = False
        self._fills: dict[Hashable, float] = {}
        self._calm = 0
        self._part = 1.0
        self._level = math.inf
        self._seen = 0
        self._before: list[int] = []
        self._came: dict[str, int] = {}

    def behind(self, reader: Hashable, fill: float) -> None:
        """A turn of reading is over.

        :param reader: one of those that share this processor.
        :param fill: the part of its buffer that is full; 0 when it has read all.
        """
        self._fills[reader] = fill
        fill = max(self._fills.values())
        if fill <= BEGINS_AT:
            self.active = False
            self._calm += 1
            return
        if self._calm > CALM_TURNS:
            self._forget()
        self.active, self._calm = True, 0
        self._part = max(LEAST_PART, (MOST_AT - fill) / (MOST_AT - BEGINS_AT))
        self._find_level()

    def admits(self, exporter: str) -> bool:
        """Whether the next datagram of an exporter is to be walked."""
        self._seen += 1
        if self._seen > WINDOW:
            self._before, self._seen = list(self._came.values()), 1
            self._came.clear()
            self._find_level()
        came = self._came[exporter] = self._came.get(exporter, 0) + 1
        return came <= self._level

    def _find_level(self) -> None:
        level = fair_level(self._before, self._part * WINDOW) if self._before else math.inf
        self._level = max(1.0, level)

    def _forget(self) -> None:
        """Who sends most is not known before the first window is over."""
        self._before.clear()
        self._came.clear()
        self._seen = 0
