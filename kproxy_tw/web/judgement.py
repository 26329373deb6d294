"""What a page's verdict is made of."""

from __future__ import annotations

import attrs

SHOWN_POINTS = 8
"""Most points in the list; the rest is counted."""


@attrs.frozen
class Point:
    """One thing that needs attention, and where on our pages to look."""

    text: str
    href: str


@attrs.frozen(kw_only=True)
class Verdict:
    """``level`` is ``good``, ``starting``, ``attention`` or ``bad``; ``omitted`` counts points beyond the list."""

    level: str
    sentence: str
    points: tuple[Point, ...] = ()
    omitted: int = 0


def counted(number: int, noun: str) -> str:
    """``1 device``, ``2 devices``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
