"""What a page's verdict is made of."""

from __future__ import annotations

from time import localtime, strftime

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
    """``level`` is ``good``, ``starting``, ``attention`` or ``bad``; ``omitted`` counts points beyond the list,
    which are at ``more``, if that is known."""

    level: str
    sentence: str
    points: tuple[Point, ...] = ()
    omitted: int = 0
    more: str = ""

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        points = [{"Text": point.text, "Href": point.href} for point in self.points]
        return {"Level": self.level, "Sentence": self.sentence, "Points": points, "Omitted": self.omitted}


def counted(number: int, noun: str) -> str:
    """``1 device``, ``2 devices``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clock(seconds: float, now: float) -> str:
    """A moment in local time, with its day when that is not clear: ``12:04``. Both are seconds since 1970."""
    return strftime("%H:%M" if now - seconds < 43_200 else "%Y-%m-%d %H:%M", localtime(seconds))


def since(seconds: float | None, now: float) -> str:
    """``, since 12:04``: something has lasted for so long; empty where nobody knows how long."""
    return "" if seconds is None else f", since {clock(now - seconds, now)}"
