"""What a daemon's first page says, as a table for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kproxy_tw.commands.tools.board.words import NOTHING, words
from kproxy_tw.web.tables.table import NUMERIC, Column
from kproxy_tw.web.text import safe_text, si_number

MARKS = {"good": "✓", "starting": "…", "attention": "!", "bad": "✕"}

MAX_ROWS = 10_000

RATES = (
    ("received", "RecordsReceived"),
    ("forwarded", "RecordsForwarded"),
    ("sampled out", "RecordsSampledOut"),
    ("dropped", "RecordsDropped"),
)
"""Of kproxy's ledger, in records per second."""


@attrs.frozen
class Layout:
    """Where the table stands in the document.

    :ivar key: of the rows.
    :ivar columns: that are shown, in this order.
    """

    key: str
    columns: Sequence[Column]


@attrs.frozen(kw_only=True)
class Board:
    """What is shown. Every string is harmless.

    :ivar level: ``good``, ``starting``, ``attention`` or ``bad``.
    :ivar points: what needs attention.
    :ivar summary: one line of figures.
    :ivar values: what rows are sorted by, in the places of ``rows``.
    """

    level: str
    sentence: str
    points: Sequence[str]
    summary: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    values: Sequence[Sequence[Any]]

    def matching(self, text: str) -> Sequence[int]:
        """Places of the rows that have ``text`` in any cell, in any case."""
        wanted = text.casefold()
        return [
            place for place, row in enumerate(self.rows) if not wanted or any(wanted in cell.casefold() for cell in row)
        ]

    def ordered(self, places: Sequence[int], column: int, *, descending: bool) -> list[int]:
        """``places`` in the order of a column's values; what is not known comes last."""
        known = [place for place in places if self.values[place][column] is not None]
        unknown = [place for place in places if self.values[place][column] is None]
        return sorted(known, key=lambda place: _order(self.values[place][column]), reverse=descending) + unknown


def board(document: Any, layout: Layout, *, now: float, before: Any = None, elapsed: float = 0.0) -> Board:
    """Make it of a page's JSON.

    :param now: seconds since 1970.
    :param before: the document of ``elapsed`` seconds ago, for rates; ``None`` for none.
    """
    found: Mapping[str, Any] = document if isinstance(document, dict) else {}
    verdict = _mapping(found.get("Verdict"))
    listed = found.get(layout.key)
    objects = [_mapping(row) for row in listed[:MAX_ROWS]] if isinstance(listed, list) else []
    return Board(
        level=str(verdict.get("Level", "")) if verdict.get("Level") in MARKS else "bad",
        sentence=safe_text(verdict.get("Sentence", "this status port tells no verdict")),
        points=[safe_text(_mapping(point).get("Text", "")) for point in verdict.get("Points") or ()],
        summary=rates_line(found.get("Totals"), _mapping(before).get("Totals"), elapsed),
        columns=layout.columns,
        rows=[[words(column, row.get(column.key), now) for column in layout.columns] for row in objects],
        values=[[row.get(column.key) for column in layout.columns] for row in objects],
    )


def rates_line(totals: Any, before: Any, elapsed: float) -> str:
    """What became of the records in the last moments; empty where there is no ledger to tell."""
    new, old = _mapping(totals), _mapping(before)
    if not new or not old or elapsed <= 0:
        return ""
    parts = []
    for name, key in RATES:
        rate = max(0.0, (_number(new.get(key)) - _number(old.get(key))) / elapsed)
        parts.append(f"{name} {si_number(round(rate))}/s")
    return "   ".join(parts)


def lines(shown: Board) -> list[str]:
    """Everything as lines of text: verdict, points, figures, table."""
    found = [f"{MARKS[shown.level]} {shown.sentence}", *(f"  {point}" for point in shown.points)]
    if shown.summary:
        found.append(shown.summary)
    titles = [column.title for column in shown.columns]
    widths = [max(map(len, cells)) for cells in zip(titles, *shown.rows, strict=True)]
    found.append("")
    for cells in (titles, *shown.rows):
        padded = (
            cell.rjust(width) if column.kind in NUMERIC else cell.ljust(width)
            for cell, width, column in zip(cells, widths, shown.columns, strict=True)
        )
        found.append("  ".join(padded).rstrip())
    return found if shown.rows else [*found, NOTHING]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    if isinstance(value, dict):
        return sum(map(_number, value.values()))
    return float(value) if isinstance(value, int | float) else 0.0


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, list):
        numbers = [part for part in value if isinstance(part, int | float)]
        value = numbers[-1] if numbers else ", ".join(map(str, value))
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value).casefold())
