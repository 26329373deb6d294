"""A table as CSV (RFC 4180), for spreadsheets and scripts: raw numbers, times in UTC.

A spreadsheet takes a text that begins with ``=``, ``+``, ``-``, ``@`` or a control character for a formula and runs
it. Texts here come from routers; such a one gets an apostrophe in front, which spreadsheets understand as "text".
"""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from kproxy_tw.web.tables.table import Column, Table, raw
from kproxy_tw.web.text import safe_text, utc_time

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a formula begins with, in the half and in the full width."""


def csv_text(table: Table) -> str:
    """The table with a line of keys."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([column.key for column in table.columns])
    for row in table.rows:
        writer.writerow([_field(column, raw(value)) for column, value in zip(table.columns, row, strict=True)])
    return out.getvalue()


def _field(column: Column, value: Any) -> str:
    if value is None:
        return ""
    if column.kind in ("time", "ago"):
        return utc_time(value)
    if column.kind == "rates":
        return " ".join("/".join("" if part is None else f"{part:.10g}" for part in point) for point in value)
    if isinstance(value, tuple):
        return harmless_text(" ".join(str(part) for part in value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value) if math.isfinite(value) else ""
    return harmless_text(str(value))


def harmless_text(text: str) -> str:
    """``text`` without what acts on a terminal, and so that no spreadsheet takes it for a formula."""
    guarded = "'" if text.lstrip(" ").startswith(FORMULA_STARTS) else ""
    return guarded + safe_text(text)
