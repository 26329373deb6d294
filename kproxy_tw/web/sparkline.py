"""Small lines drawn on the server, as SVG: no script, no library, and the figures said in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from kproxy_tw.web.text import si_number

POINTS = 60
"""Points of a line."""

WIDTH, HEIGHT = 96, 22
_MARGIN = 2.0


def rates_of(readings: Sequence[int], seconds: float, points: int = POINTS) -> tuple[float, ...]:
    """Rates per second between readings of a counter, thinned to ``points`` of equal length, the oldest first.

    :param seconds: between two readings.
    """
    step = max(1, -(-(len(readings) - 1) // points))
    kept = readings[::-1][::step][::-1]
    return tuple(max(later - earlier, 0) / (seconds * step) for earlier, later in pairwise(kept))


def sparkline(values: Sequence[float], unit: str = "/s") -> Markup:
    """A line of at most ``POINTS`` values, the newest at the right; nothing for fewer than two."""
    values = values[-POINTS:]
    if len(values) < 2:
        return Markup('<span class="soft">-</span>')
    top = max(values)
    scale = (HEIGHT - 2 * _MARGIN) / top if top > 0 else 0.0
    step = WIDTH / (POINTS - 1)
    left = WIDTH - step * (len(values) - 1)
    points = [(left + step * i, HEIGHT - _MARGIN - scale * value) for i, value in enumerate(values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    words = f"now {si_number(round(values[-1], 1))}{unit}, most {si_number(round(top, 1))}{unit}"
    return Markup(
        '<svg class="spark" viewBox="0 0 %d %d" width="%d" height="%d" preserveAspectRatio="none" role="img"'
        ' aria-label="%s"><title>%s</title><polygon points="%.1f,%d %s %d,%d"/><polyline points="%s"/></svg>'
    ) % (WIDTH, HEIGHT, WIDTH, HEIGHT, words, words, left, HEIGHT, line, WIDTH, HEIGHT, line)
