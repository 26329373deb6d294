"""The chart without scripts: stacked areas as SVG paths, and the marks of its axes. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime

import attrs
from markupsafe import Markup

from kproxy_tw.collector.traffic.query import Layer, Traffic
from kproxy_tw.collector.traffic.timerange import DAY, HOUR, MINUTE, TimeRange
from kproxy_tw.web.text import safe_text, si_number

WIDTH, HEIGHT = 1000, 300
"""Of the drawing, in its own units; it is stretched to the page."""

TIME_MARKS = 4
"""Gaps between the marks of the time axis."""


@attrs.frozen
class Area:
    """One layer as it is drawn. ``key`` names its color, from 1."""

    label: str
    key: int
    path: Markup
    latest: str
    peak: str


@attrs.frozen
class Chart:
    """A drawn chart.

    :ivar areas: bottom first.
    :ivar heights: the marks of the value axis, top first.
    :ivar times: the marks of the time axis, evenly spaced from start to stop.
    :ivar data: the same for the script that draws it to be zoomed, as JSON fit for an attribute.
    """

    areas: tuple[Area, ...]
    heights: tuple[str, ...]
    times: tuple[str, ...]
    data: Markup


def draw(found: Traffic) -> Chart:
    """Draw it; a step is a stair as wide as its time."""
    measure, time = found.question.measure, found.question.time
    sums = [sum(values) for values in zip(*(layer.values for layer in found.layers), strict=True)]
    top, parts = nice_top(max(sums, default=0.0))
    return Chart(
        _areas(found.layers, top, measure.unit, time.points),
        tuple(si_number(top * part / parts, measure.unit) for part in range(parts, -1, -1)),
        tuple(_time_mark(time, time.start + time.seconds * part / TIME_MARKS) for part in range(TIME_MARKS + 1)),
        _data(found),
    )


def _data(found: Traffic) -> Markup:
    time, measure = found.question.time, found.question.measure
    document = {
        "start": time.start,
        "step": time.step,
        "unit": measure.unit,
        "layers": [
            {"label": safe_text(layer.label), "values": [float(f"{value:.6g}") for value in layer.values]}
            for layer in found.layers
        ],
    }
    return Markup.escape(json.dumps(document, separators=(",", ":")))


def nice_top(largest: float) -> tuple[float, int]:
    """A round number that is not less, and the number of parts that its axis has."""
    if largest <= 1:
        return 1.0, 1
    power = 10.0 ** math.floor(math.log10(largest))
    for round_one, parts in ((1, 4), (2, 4), (3, 3), (4, 4), (5, 5), (6, 3), (8, 4), (10, 5)):
        if largest <= round_one * power:
            return round_one * power, parts
    return 10 * power, 5


def _areas(layers: Sequence[Layer], top: float, unit: str, points: int) -> tuple[Area, ...]:
    below = [0.0] * points
    areas = []
    for place, layer in enumerate(layers):
        above = [low + value for low, value in zip(below, layer.values, strict=True)]
        areas.append(
            Area(
                layer.label,
                place + 1,
                _path(below, above, top),
                si_number(layer.values[-1], unit),
                si_number(max(layer.values), unit),
            )
        )
        below = above
    return tuple(areas)


def _path(below: Sequence[float], above: Sequence[float], top: float) -> Markup:
    """Along the upper edge and back along the lower one, in stairs."""
    wide = WIDTH / len(above)

    def y(value: float) -> str:
        return f"{HEIGHT - HEIGHT * value / top:.2f}".rstrip("0").rstrip(".")

    there = [f"V{y(value)}H{(place + 1) * wide:.2f}" for place, value in enumerate(above)]
    back = [f"V{y(below[place])}H{place * wide:.2f}" for place in range(len(below) - 1, -1, -1)]
    return Markup(f"M0 {y(below[0])}{''.join(there)}{''.join(back)}Z")  # noqa: S704 - numbers


def _time_mark(time: TimeRange, seconds: float) -> str:
    then = datetime.fromtimestamp(seconds, UTC)
    if time.seconds > 4 * DAY:
        return then.strftime("%b %d")
    if time.seconds > DAY // 2 * 3:
        return then.strftime("%a %H:%M")
    return then.strftime("%H:%M:%S" if time.seconds < 10 * MINUTE else "%H:%M")


def step_words(seconds: int) -> str:
    """A step's length in words."""
    for size, word in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return word if count == 1 else f"{count} {word}s"
    return "second" if seconds == 1 else f"{seconds} seconds"
