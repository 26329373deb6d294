"""A value as HTML, by the kind of its column: short for the eye, exact when one points at it, always escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape

from kproxy_tw.web.ratelines import rate_lines
from kproxy_tw.web.sparkline import sparkline
from kproxy_tw.web.tables.table import Cell, Column, Kind
from kproxy_tw.web.text import duration, local_clock, percent, ratio_text, safe_text, si_number, utc_clock, utc_time

NOTHING = Markup('<span class="soft">-</span>')
"""Shown where there is no value."""


MOST_FRACTION = 100_000
"""From here on a number is told without its fraction."""


def number(value: float, unit: str = "") -> Markup:
    """A number with a decimal prefix, and all its digits when one points at it."""
    if not math.isfinite(value):
        return Markup("no limit")
    short = si_number(value, unit)
    exact = f"{_told(value)} {unit}".rstrip()
    if short.replace(",", "") == exact.replace(",", ""):
        return escape(short)
    return Markup('<span title="%s">%s</span>') % (exact, short)


def _told(value: float) -> str:
    """All digits of a whole number, else six or more: estimates are sums of products."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= MOST_FRACTION else f"{value:.6g}"


def local_time(seconds: float) -> Markup:
    """A moment in local time, in UTC when one points at it."""
    return Markup('<time datetime="%s" title="%s UTC">%s</time>') % (
        utc_time(seconds),
        utc_clock(seconds),
        local_clock(seconds),
    )


def time_ago(seconds: float, now: float) -> Markup:
    """How long ago a moment was; the moment itself when one points at it."""
    return Markup('<time class="ago" datetime="%s" title="%s UTC">%s ago</time>') % (
        utc_time(seconds),
        utc_clock(seconds),
        duration(now - seconds),
    )


def ratio(value: float) -> Markup:
    """A sampling rate as ``1:n``; exactly when one points at it."""
    exact, short = f"{value:.10g}", ratio_text(value)
    if exact == short:
        return Markup('<span class="num">1:%s</span>') % (exact,)
    return Markup('<span class="num" title="1:%s">1:%s</span>') % (exact, short)


def state(word: str, tone: str) -> Markup:
    """A word with a mark: its shape tells the tone, and so does its color."""
    return Markup('<span class="state %s">%s</span>') % (tone or "off", safe_text(word))


def _text(value: Any) -> Markup:
    if isinstance(value, bool):
        return Markup("yes") if value else Markup("no")
    if isinstance(value, tuple):
        value = ", ".join(str(part) for part in value)
    return escape(safe_text(value)) if value != "" else NOTHING


def _share(value: float) -> Markup:
    return Markup('<span title="%s">%s</span>') % (f"{100 * value:.4g} %", percent(value, 1))


_SHOWN: Mapping[Kind, Callable[[Any], Markup]] = {
    "text": _text,
    "count": number,
    "number": lambda value: number(float(f"{value:.4g}") if isinstance(value, float) else value),
    "bytes": lambda value: number(value, "B"),
    "bits": lambda value: number(value, "bit/s"),
    "celsius": lambda value: number(round(value, 1), "°C"),
    "share": _share,
    "rate": ratio,
    "seconds": lambda value: Markup('<span title="%s s">%s</span>') % (f"{value:.10g}", duration(value)),
    "time": local_time,
    "spark": sparkline,
    "rates": rate_lines,
}


def shown(column: Column, value: Any, now: float = 0.0) -> Markup:
    """The content of a cell."""
    cell = value if isinstance(value, Cell) else Cell(value)
    inner = _inner(column, cell, now)
    if cell.href:
        inner = Markup('<a href="%s">%s</a>') % (cell.href, inner)
    if cell.hint:
        inner = Markup('<span title="%s">%s</span>') % (safe_text(cell.hint), inner)
    if cell.tone in ("warn", "bad") and column.kind != "state":
        inner = Markup('<strong class="%s">%s</strong>') % (cell.tone, inner)
    if cell.under:
        inner = Markup('%s <small class="under">%s</small>') % (inner, safe_text(cell.under))
    return inner


def _inner(column: Column, cell: Cell, now: float) -> Markup:
    if cell.value is None:
        return NOTHING
    kind = cell.kind or column.kind
    if kind == "state":
        return state(str(cell.value), cell.tone)
    if kind == "ago":
        return time_ago(cell.value, now)
    return _SHOWN[kind](cell.value)
