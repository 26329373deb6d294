"""Rates of an interface as a small picture: one line for what came in, one for what went out, drawn here as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from kproxy_tw.web.text import si_number

WIDTH, HEIGHT = 120, 24
MARGIN = 1.0

Point = tuple[float | None, float | None]
"""Bits per second in and out; ``None`` where they are not known."""


def rate_lines(points: Sequence[Point]) -> Markup:
    """The picture, the newest at the right; empty without at least two points. Gaps stay gaps."""
    known = [value for point in points for value in point if value is not None]
    if len(points) < 2 or not known:
        return Markup("")
    top = max(known) or 1.0
    words = f"{len(points)} polls, at most {si_number(max(known), 'bit/s')}"
    lines = Markup("").join(
        Markup('<polyline class="rate-{}" points="{}"/>').format(side, line)
        for place, side in enumerate(("in", "out"))
        for line in _lines([point[place] for point in points], top)
    )
    return Markup(
        '<svg class="ratelines" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>"
    ).format(WIDTH, HEIGHT, WIDTH, HEIGHT, words, words, lines)


def _lines(values: Sequence[float | None], top: float) -> Iterator[str]:
    """The stretches without gaps; a single point between gaps becomes a short dash."""
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    stretch: list[tuple[float, float]] = []
    for place, value in enumerate([*values, None]):
        if value is not None:
            stretch.append((MARGIN + place * step, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / top))
        elif stretch:
            if len(stretch) == 1:
                stretch.append((stretch[0][0] + 1, stretch[0][1]))
            yield " ".join(f"{x:.1f},{y:.1f}" for x, y in stretch)
            stretch = []
