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
