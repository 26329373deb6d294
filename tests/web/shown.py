"""A page as a person reads it - the text of each cell, and what shows when one points at it - against its JSON.

``data-key`` in the HTML tells which figure of the JSON a cell has to agree with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

TOLERANCE = 2e-3
"""Relative: a number on the page has three digits at least."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")

Document = Mapping[str, Any]


class Shown(HTMLParser):
    """What a page shows.

    :ivar tables: key of the table to its rows, each by the keys of its columns.
    :ivar facts: key of the facts to their texts by key.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[dict[str, str]]] = {}
        self.facts: dict[str, dict[str, str]] = {}
        self._table = self._facts = self._term = ""
        self._columns: list[str] = []
        self._cells: list[str] = []
        self._into: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row, a cell, a fact; keep titles and times."""
        named = {name: value or "" for name, value in attrs}
        key = named.get("data-key", "")
        if tag == "table":
            self._table, self._columns = key, []
            self.tables.setdefault(key, [])
        elif tag == "dl":
            self._facts = key
        elif tag == "th" and key:
            self._columns.append(key)
        elif tag == "dt":
            self._term = key
        if tag == "tr":
            self._cells = []
        if tag in ("td", "th", "dd"):
            self._into = []
        if self._into is not None:
            self._into += [f" {named[key]} " for key in ("title", "datetime", "points") if key in named]

    def handle_data(self, data: str) -> None:
        """Text of a cell or a fact."""
        if self._into is not None:
            self._into.append(data)

    def handle_endtag(self, tag: str) -> None:
        """A cell, a row or a fact is complete."""
        text = " ".join("".join(self._into or ()).split())
        if tag == "dd" and self._facts and self._term:
            self.facts.setdefault(self._facts, {}).setdefault(self._term, text)
        elif tag in ("td", "th"):
            self._cells.append(text)
        elif tag == "tr" and self._table and len(self._columns) == len(self._cells):
            self.tables[self._table].append(dict(zip(self._columns, self._cells, strict=True)))
        if tag in ("td", "th", "dd"):
            self._into = None


def rows_of(shown: Shown, key: str) -> list[dict[str, str]]:
    """The rows of a table, without its head."""
    return shown.tables[key][1:]


def agrees(value: Any, text: str) -> bool:
    """Whether a cell says what JSON has."""
    if value is None:
        return text.startswith(("-", "no limit"))
    if isinstance(value, bool):
        return text.startswith("yes" if value else "no")
    if isinstance(value, dict):
        value = sum(value.values())
    if isinstance(value, list):
        if any(isinstance(part, float | list) for part in value):
            return not _known(value) or len(re.findall(r"[\d.]+,[\d.]+", text)) >= len(_known(value))
        return all(agrees(part, text) for part in value)
    if isinstance(value, str):
        return " ".join(value.split()) in text or (value == "" and text.startswith("-"))
    return any(math.isclose(value, number, rel_tol=TOLERANCE, abs_tol=5e-4) for number in numbers(text))


def _known(values: list[Any]) -> list[Any]:
    """The points of a small line, if there are enough to draw one."""
    found = [value for value in values if value is not None and value != [None, None]]
    return found if len(values) >= 2 else []


def numbers(text: str) -> list[float]:
    """Every number in a cell, shares as parts of 1."""
    found = [float(word.replace(",", "")) for word in re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", text)]
    return found + [float(word) / 100 for word in re.findall(r"([\d.e-]+) %", text)]


def agrees_between(before: Any, after: Any, text: str) -> bool:
    """The same for a page that was made between two documents: a figure that moved may be anything on its way."""
    if agrees(before, text) or agrees(after, text):
        return True
    if isinstance(before, dict) and isinstance(after, dict):
        before, after = sum(before.values()), sum(after.values())
    if isinstance(before, str) and isinstance(after, str):
        return any(before <= moment <= after for moment in _MOMENT.findall(text))
    if isinstance(before, int | float) and isinstance(after, int | float):
        low, high = sorted((float(before), float(after)))
        slack = TOLERANCE * max(abs(low), abs(high))
        return any(low - slack <= number <= high + slack for number in numbers(text))
    return bool(before != after)


def compared(html: str, before: Document, after: Document) -> Iterator[tuple[str, Any, Any, str]]:
    """Each cell and each fact of a page: where it stands, its value in both documents, its text."""
    shown = Shown(html)
    for key, rows in shown.tables.items():
        if not key:
            continue
        old, new = before[key], after[key]
        for place, row in enumerate(rows[1:]):
            for column, text in row.items():
                yield (f"{key}[{place}].{column}", *(_cell(side, place, column) for side in (old, new)), text)
    for key, facts in shown.facts.items():
        for name, text in facts.items():
            yield f"{key}.{name}", before[key][name], after[key][name], text


def _cell(rows: list[dict[str, Any]], place: int, column: str) -> Any:
    return rows[place][column] if place < len(rows) else None
