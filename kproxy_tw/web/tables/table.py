"""What a page shows: tables of typed columns, and facts. Values are raw here; showing them is others' business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import attrs

from kproxy_tw.web.encoding import plain
from kproxy_tw.web.text import utc_time

Kind = Literal[
    "text",
    "count",
    "number",
    "bytes",
    "bits",
    "celsius",
    "share",
    "rate",
    "seconds",
    "time",
    "ago",
    "state",
    "spark",
    "rates",
]
"""How a value is shown:

``text``: as it is; a tuple is joined by commas.
``count``: a whole number with a decimal prefix; ``number``: the same for any number.
``bytes``, ``bits``: the same with its unit, the latter per second. ``celsius``: degrees.
``share``: a part of 1 in percent. ``rate``: a sampling rate, 1:n.
``seconds``: a duration. ``time``, ``ago``: seconds since 1970 as local time, or as time gone by.
``state``: a word with a mark; the cell's tone says which.
``spark``: a sequence of numbers as a small line. ``rates``: pairs of bits per second, in and out, as two lines.
"""

NUMERIC: frozenset[Kind] = frozenset({"count", "number", "bytes", "bits", "share"})
"""Kinds that are aligned at the right."""

Tone = Literal["", "on", "off", "wait", "warn", "bad"]
"""What a value means: fine, idle, under way, to be looked at, wrong. Never shown by color alone."""


@attrs.frozen(kw_only=True)
class Column:
    """One column of a table, or one fact.

    :ivar key: its name in JSON and CSV (CamelCase).
    :ivar title: its name for people.
    :ivar hint: what it means, shown when one points at the title.
    :ivar hidden: in JSON and CSV only.
    """

    key: str
    title: str
    kind: Kind = "text"
    hint: str = ""
    hidden: bool = False


@attrs.frozen
class Cell:
    """A value with what HTML shows besides.

    :ivar value: raw; what JSON and CSV have.
    :ivar href: of our own pages; empty for no link.
    :ivar under: a second, smaller line.
    :ivar hint: shown when one points at it.
    :ivar kind: in place of the column's, on the page.
    """

    value: Any
    href: str = attrs.field(default="", kw_only=True)
    under: str = attrs.field(default="", kw_only=True)
    tone: Tone = attrs.field(default="", kw_only=True)
    hint: str = attrs.field(default="", kw_only=True)
    kind: Kind | None = attrs.field(default=None, kw_only=True)


Row = Sequence[Any]
"""One value, plain or as :class:`Cell`, for each column."""


def raw(value: Any) -> Any:
    """A cell's value without what HTML adds."""
    return value.value if isinstance(value, Cell) else value


def json_value(column: Column, value: Any) -> Any:
    """A value as JSON has it: times as RFC 3339, no infinity."""
    value = raw(value)
    if column.kind in ("time", "ago"):
        return None if value is None else utc_time(value)
    return plain(value)


@attrs.frozen(kw_only=True)
class Table:
    """Rows under columns.

    :ivar name: in addresses (``<name>.csv``) and as the id of the section.
    :ivar key: in JSON (CamelCase).
    :ivar now: seconds since 1970, for times gone by.
    :ivar empty: said where there is no row.
    :ivar note: said above the rows.
    :ivar total: rows that there are, when ``rows`` are a part of them.
    """

    name: str
    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    now: float = 0.0
    empty: str = "None."
    note: str = ""
    total: int = attrs.field(default=attrs.Factory(lambda self: len(self.rows), takes_self=True))

    def as_json(self) -> list[dict[str, Any]]:
        """One object for each row."""
        return [
            {column.key: json_value(column, value) for column, value in zip(self.columns, row, strict=True)}
            for row in self.rows
        ]

    @property
    def shown(self) -> list[tuple[int, Column]]:
        """The columns of the page, each with its place in a row."""
        return [(place, column) for place, column in enumerate(self.columns) if not column.hidden]

    def index(self, key: str) -> int | None:
        """Where a column stands; ``None`` when there is no such column."""
        return next((place for place, column in enumerate(self.columns) if column.key == key), None)

    def first(self, rows: int) -> Table:
        """The same with at most so many rows; ``total`` tells how many there are."""
        return self if len(self.rows) <= rows else attrs.evolve(self, rows=self.rows[:rows], total=self.total)


@attrs.frozen(kw_only=True)
class Facts:
    """Named values that belong together; ``items`` in the order in which they are shown."""

    name: str
    key: str
    title: str
    items: Sequence[tuple[Column, Any]]
    now: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return {column.key: json_value(column, value) for column, value in self.items}


def columns(*declared: tuple[Any, ...]) -> tuple[Column, ...]:
    """Columns from ``(key, title)``, ``(key, title, kind)`` or ``(key, title, kind, hint)``.

    One without a title is in JSON and CSV only.
    """
    names = ("key", "title", "kind", "hint")
    return tuple(Column(**dict(zip(names, one, strict=False)), hidden=not one[1]) for one in declared)


def facts(*declared: tuple[Any, ...]) -> Iterator[tuple[Column, Any]]:
    """Items of :class:`Facts` from the same tuples, each with its value in front."""
    for value, *column in declared:
        yield columns(tuple(column))[0], value
