"""What a visitor asks of a table in the address: a filter, an order, a page of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import attrs

from kproxy_tw.web.tables.table import Column, Row, Table, raw

PAGE_ROWS = 100
"""Rows of one page of a table."""

MAX_TEXT = 100
"""Longest text that is looked for."""

MAX_PAGE_DIGITS = 6


@attrs.frozen(kw_only=True)
class Choice:
    """A visitor's wishes.

    :ivar text: rows that have it anywhere, in any case.
    :ivar state: rows whose state it is; empty for all.
    :ivar sort: key of the column to sort by; empty for the order as it is.
    :ivar descending: from the largest.
    :ivar page: from 1.
    """

    text: str = ""
    state: str = ""
    sort: str = ""
    descending: bool = False
    page: int = 1

    def query(self, **changes: Any) -> str:
        """The address's part behind and with the ``?`` for these wishes, changed so."""
        wish = attrs.evolve(self, **changes)
        parts = {
            "q": wish.text,
            "state": wish.state,
            "sort": wish.sort,
            "order": "desc" if wish.sort and wish.descending else "",
            "page": "" if wish.page == 1 else str(wish.page),
        }
        return "?" + urlencode({name: value for name, value in parts.items() if value})


def choice_of(query: Mapping[str, str]) -> Choice:
    """The wishes in an address; what makes no sense is as if it were not there."""
    page = query.get("page", "")
    return Choice(
        text=query.get("q", "").strip()[:MAX_TEXT],
        state=query.get("state", "")[:MAX_TEXT],
        sort=query.get("sort", "")[:MAX_TEXT],
        descending=query.get("order", "") == "desc",
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) <= MAX_PAGE_DIGITS else 1,
    )


@attrs.frozen(kw_only=True)
class View:
    """A part of a table, as wished.

    :ivar table: the rows of this page; its ``total`` counts what the table has altogether.
    :ivar matching: every row that passes the filter, in order: what a CSV file has.
    :ivar choice: with a page that there is.
    :ivar pages: how many there are, at least one.
    :ivar states: state to the number of rows, of all rows.
    """

    table: Table
    matching: Table
    choice: Choice
    pages: int
    states: Mapping[str, int]

    @property
    def filtered(self) -> bool:
        """Whether a filter leaves rows out."""
        return len(self.matching.rows) < self.table.total

    def sort_query(self, column: Column) -> str:
        """Where a click on a column's title leads: numbers begin with the largest; a second click turns them."""
        begins = column.kind not in ("text", "state")
        again = self.choice.sort == column.key
        return self.choice.query(sort=column.key, descending=not self.choice.descending if again else begins, page=1)


def view(table: Table, choice: Choice, *, state: str = "State", page_rows: int = PAGE_ROWS) -> View:
    """Filter, sort and cut. :param state: key of the column that has the state."""
    place = table.index(state)
    rows = [row for row in table.rows if _passes(row, choice, place)]
    rows = _sorted(table, rows, choice)
    pages = max(1, -(-len(rows) // page_rows))
    page = min(choice.page, pages)
    first = (page - 1) * page_rows
    return View(
        table=attrs.evolve(table, rows=rows[first : first + page_rows], total=table.total),
        matching=attrs.evolve(table, rows=rows, total=len(rows)),
        choice=attrs.evolve(choice, page=page, sort=choice.sort if table.index(choice.sort) is not None else ""),
        pages=pages,
        states=_states(table, place),
    )


def _passes(row: Row, choice: Choice, place: int | None) -> bool:
    if choice.state and (place is None or str(raw(row[place])) != choice.state):
        return False
    wanted = choice.text.casefold()
    return not wanted or any(wanted in text.casefold() for value in row for text in _texts(raw(value)))


def _texts(value: Any) -> Sequence[str]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, tuple):
        return [str(part) for part in value if isinstance(part, str | int)] if len(value) < MAX_TEXT else ()
    return (str(value),) if isinstance(value, int) else ()


def _sorted(table: Table, rows: list[Row], choice: Choice) -> list[Row]:
    place = table.index(choice.sort)
    if place is None:
        return rows
    known = [row for row in rows if raw(row[place]) is not None]
    unknown = [row for row in rows if raw(row[place]) is None]
    return sorted(known, key=lambda row: _order(raw(row[place])), reverse=choice.descending) + unknown


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, tuple):
        numbers = [part for part in value if isinstance(part, int | float)]
        return (0, float(numbers[-1]), "") if numbers else (1, 0.0, str(value[0]).casefold() if value else "")
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value).casefold())


def _states(table: Table, place: int | None) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for row in table.rows if place is not None else ():
        state = str(raw(row[place or 0]))
        counts[state] = counts.get(state, 0) + 1
    return counts
