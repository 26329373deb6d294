"""Log: the last lines, those of at least a level, and the form that changes the level that the log is kept at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kproxy_tw.logbook import CHOICES, LEVELS, LINES, LogBook
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.tables.table import Cell, Table, Tone, columns

TONES: dict[str, Tone] = {"debug": "off", "info": "on", "warn": "warn", "error": "bad"}


def content(book: LogBook, query: Mapping[str, str], token: str, values: Mapping[str, Any]) -> PageContent:
    """Everything that the page shows.

    :param token: for the form.
    :param values: what the daemon's frame needs.
    """
    asked = query.get("level", "")
    least = asked if asked in LEVELS else LEVELS[0]
    return PageContent(
        template=f"{values['brand']}_log.html",
        tables=(log_table(book, least),),
        document={"Level": book.level, "Least": least},
        values={**values, "levels": LEVELS, "least": least, "choices": CHOICES, "level": book.level, "token": token},
        query="" if least == LEVELS[0] else f"?level={least}",
        # A form's POST would say "Origin: null" under no-referrer, as a foreign one does.
        headers={"Referrer-Policy": "same-origin"},
    )


def log_table(book: LogBook, least: str) -> Table:
    """The lines, the newest first."""
    return Table(
        name="lines",
        key="Lines",
        title="Last lines",
        columns=columns(("Time", "Time", "time"), ("Level", "Level", "state"), ("Namespace", "From"), ("Text", "Text")),
        rows=[
            (line.time, Cell(line.level, tone=TONES[line.level]), line.namespace, line.text)
            for line in book.lines(least)
        ],
        note=f"The newest stands first; {LINES} are remembered.",
        empty="None of this level.",
    )
