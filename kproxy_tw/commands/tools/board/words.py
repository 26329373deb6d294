"""A value of a page's JSON as words for a terminal. Pure.

Strings come from devices: what acts on a terminal instead of being seen is shown as its code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kproxy_tw.web.tables.table import Column
from kproxy_tw.web.text import duration, local_clock, percent, ratio_text, safe_text, si_number

BARS = "▁▂▃▄▅▆▇█"
SPARK_POINTS = 15
"""Steps of a sparkline; each is the mean of those that it stands for."""

MAX_WORDS = 60
"""Letters of a cell."""

NOTHING = "-"


def words(column: Column, value: Any, now: float) -> str:
    """One cell.

    :param value: as JSON has it; anything, for it comes from outside.
    :param now: seconds since 1970, for times gone by.
    """
    if value is None or value in ("", []):
        return NOTHING
    try:
        return _SHOWN.get(column.kind, _text)(value, now)
    except (TypeError, ValueError, OverflowError):
        return _text(value, now)


def sparkline(values: Sequence[float]) -> str:
    """Numbers as a line of bars, the newest at the right."""
    size = max(1, -(-len(values) // SPARK_POINTS))
    parts = [values[max(0, end - size) : end] for end in range(len(values), 0, -size)][::-1]
    means = [sum(part) / len(part) for part in parts]
    top = max(means, default=0) or 1
    return "".join(BARS[min(len(BARS) - 1, int(len(BARS) * max(0.0, mean) / top))] for mean in means)


def seconds_of(time: str) -> float:
    """Seconds since 1970 of an RFC 3339 time. :raises ValueError: it is none."""
    return datetime.fromisoformat(time).timestamp()


def _text(value: Any, _now: float) -> str:
    if isinstance(value, list):
        value = ", ".join(str(part) for part in value)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    shown = safe_text(value)
    return shown if len(shown) <= MAX_WORDS else shown[: MAX_WORDS - 1] + "…"


_SHOWN: Mapping[str, Callable[[Any, float], str]] = {
    "count": lambda value, _now: si_number(value),
    "number": lambda value, _now: si_number(value),
    "bytes": lambda value, _now: si_number(value, "B"),
    "bits": lambda value, _now: si_number(value, "bit/s"),
    "share": lambda value, _now: percent(value, 1),
    "rate": lambda value, _now: f"1:{ratio_text(value)}",
    "seconds": lambda value, _now: duration(value),
    "time": lambda value, _now: local_clock(seconds_of(value)),
    "ago": lambda value, now: duration(now - seconds_of(value)),
    "spark": lambda value, _now: sparkline([float(part) for part in value]),
}
