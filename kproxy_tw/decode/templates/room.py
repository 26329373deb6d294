"""StateRoom: what all exporters together may make us remember."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from kproxy_tw.decode.optiondata.domain import OptionRoom
from kproxy_tw.decode.templates.held import HeldLimits, HeldRoom

MAX_TEMPLATES = 65_536
MAX_FIELDS = 1 << 19
"""Templates of all exporters, and their fields, which are what takes memory."""


class Evictable(Protocol):
    """An exporter's templates, as far as making room needs them."""

    def evict_one(self) -> bool:
        """Give up the template used longest ago; ``False`` when there is none."""


class StateRoom:
    """Templates and fields of all exporters together; the exporter heard of longest ago makes room first.

    :param templates, fields: how many there may be.
    :ivar templates, fields: how many there are; whoever stores a template counts it here.
    :ivar held: room for data before its template.
    :ivar options: room for option tables.
    """

    def __init__(
        self, *, templates: int = MAX_TEMPLATES, fields: int = MAX_FIELDS, held: HeldLimits | None = None
    ) -> None:
        self._most_templates = templates
        self._most_fields = fields
        self._by_use: OrderedDict[int, Evictable] = OrderedDict()
        self.templates = 0
        self.fields = 0
        self.held = HeldRoom(held or HeldLimits())
        self.options = OptionRoom()

    def used(self, store: Evictable) -> None:
        """``store`` is in use now."""
        self._by_use[id(store)] = store
        self._by_use.move_to_end(id(store))

    def gone(self, store: Evictable) -> None:
        """``store`` is given up."""
        self._by_use.pop(id(store), None)

    def make(self, fields: int) -> None:
        """Make room for one more template, of so many fields."""
        while self._by_use and (self.templates >= self._most_templates or self.fields + fields > self._most_fields):
            oldest = next(iter(self._by_use.values()))
            if not oldest.evict_one():
                self.gone(oldest)
