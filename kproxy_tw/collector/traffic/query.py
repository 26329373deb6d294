"""The statements behind a chart and its table. Pure; the store runs them.

Three passes over the same flows: sums per step, the largest keys, and the steps of those. So no answer is larger than
what is shown, however many keys there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import attrs

from kproxy_tw.collector.traffic.dimensions import Key, Names, said
from kproxy_tw.collector.traffic.question import Question

LAYERS = 8
"""Keys that a chart shows one by one; what is left is one layer more."""

QUERY_SECONDS = 8.0
"""Longest time for one statement."""

_SUMS = (
    "sum((in_bytes::DOUBLE + out_bytes::DOUBLE) * sample_rate), "
    "sum((in_pkts::DOUBLE + out_pkts::DOUBLE) * sample_rate), count(*)"
)
_FLOW_TIME = "CASE WHEN timestamp_nano > 0 THEN timestamp_nano // 1000000000 ELSE epoch(received)::BIGINT END"
_MEASURES = {"bytes": 0, "packets": 1, "flows": 2}


class Reads(Protocol):
    """What a query needs of the store."""

    def read(
        self, statement: str, parameters: Sequence[object] = (), *, seconds: float | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a statement with its parameters, within ``seconds``."""


@attrs.frozen
class Amounts:
    """Estimated bytes and packets (value times sample rate), and flow records as stored."""

    bytes: float = 0.0
    packets: float = 0.0
    flows: int = 0

    def plus(self, other: Amounts) -> Amounts:
        """The field-wise sum."""
        return Amounts(self.bytes + other.bytes, self.packets + other.packets, self.flows + other.flows)

    def minus(self, other: Amounts) -> Amounts:
        """The field-wise difference; never less than nothing, though sums of fractions are not exact."""
        return Amounts(
            max(0.0, self.bytes - other.bytes), max(0.0, self.packets - other.packets), max(0, self.flows - other.flows)
        )

    def of(self, measure: str) -> float:
        """The amount of one measure."""
        return (self.bytes, self.packets, self.flows)[_MEASURES[measure]]


@attrs.frozen
class Row:
    """One key's traffic. ``key`` is ``None`` for all others together."""

    label: str
    key: Key | None
    amounts: Amounts


@attrs.frozen
class Layer:
    """One layer of a chart: a value per step, in the measure's unit."""

    label: str
    values: tuple[float, ...]


@attrs.frozen(kw_only=True)
class Traffic:
    """The answer to a question.

    :ivar whole: all traffic that is meant.
    :ivar rows: the largest keys, largest first; the last one is all others, if there are any.
    :ivar layers: of the first rows, in their order, and of all others; their sum is all traffic.
    """

    question: Question
    whole: Amounts
    rows: tuple[Row, ...]
    layers: tuple[Layer, ...]

    def share(self, row: Row) -> float:
        """A row's part of the whole, 0 to 1."""
        measure = self.question.measure.name
        whole = self.whole.of(measure)
        return row.amounts.of(measure) / whole if whole else 0.0

    def times(self) -> range:
        """When each step begins, in seconds since 1970."""
        time = self.question.time
        return range(time.start, time.stop, time.step)


def traffic(store: Reads, question: Question, names: Names) -> Traffic:
    """Ask the store.

    :raises StoreError: it cannot be read, or not in time.
    """
    steps = _steps(store, question)
    whole = Amounts()
    for amounts in steps.values():
        whole = whole.plus(amounts)
    largest = ranked(store, question) if whole.flows else []
    rows = [Row(said(question.dimension, key, names), key, amounts) for key, amounts in largest]
    shown = Amounts()
    for row in rows:
        shown = shown.plus(row.amounts)
    rest = whole.minus(shown)
    if rest.flows:
        rows.append(Row("all others", None, rest))
    return Traffic(question=question, whole=whole, rows=tuple(rows), layers=_layers(store, question, rows, steps))


def ranked(store: Reads, question: Question) -> list[tuple[Key, Amounts]]:
    """The largest keys, largest first, at most as many as the question has rows.

    :raises StoreError: the store cannot be read, or not in time.
    """
    condition, values = question.conditions()
    columns = question.dimension.columns
    order = len(columns) + 1 + _MEASURES[question.measure.name]
    places = ", ".join(str(place + 1) for place in range(len(columns)))
    found = store.read(
        f"SELECT {', '.join(columns)}, {_SUMS} FROM flows WHERE {condition} "  # noqa: S608 - fixed texts
        f"GROUP BY {places} ORDER BY {order} DESC, {places} LIMIT ?",
        [*values, question.rows],
        seconds=QUERY_SECONDS,
    )
    return [(row[: len(columns)], Amounts(*row[len(columns) :])) for row in found]


def _step_number(question: Question) -> str:
    time = question.time
    return f"(({_FLOW_TIME}) - {time.start}) // {time.step}"


def _steps(store: Reads, question: Question) -> dict[int, Amounts]:
    condition, values = question.conditions()
    found = store.read(
        f"SELECT {_step_number(question)} AS step, {_SUMS} FROM flows WHERE {condition} GROUP BY step",  # noqa: S608
        values,
        seconds=QUERY_SECONDS,
    )
    return {int(row[0]): Amounts(*row[1:]) for row in found}


def _layers(store: Reads, question: Question, rows: Sequence[Row], steps: dict[int, Amounts]) -> tuple[Layer, ...]:
    chosen = [row for row in rows if row.key is not None][:LAYERS]
    if not chosen:
        return ()
    found = _steps_of(store, question, [row.key for row in chosen if row.key is not None])
    points = question.time.points
    layers = [
        Layer(row.label, _values(question, points, steps_of)) for row, steps_of in zip(chosen, found, strict=True)
    ]
    if len(rows) > len(chosen):
        whole = _values(question, points, steps)
        shown = map(sum, zip(*(layer.values for layer in layers), strict=True))
        rest = (max(0.0, value - part) for value, part in zip(whole, shown, strict=True))
        layers.append(Layer("all others", tuple(rest)))
    return tuple(layers)


def _values(question: Question, points: int, steps: dict[int, Amounts]) -> tuple[float, ...]:
    measure, seconds = question.measure, question.time.step
    nothing = Amounts()
    return tuple(steps.get(point, nothing).of(measure.name) * measure.factor / seconds for point in range(points))


def _steps_of(store: Reads, question: Question, keys: Sequence[Key]) -> list[dict[int, Amounts]]:
    """For each key its sums per step."""
    condition, values = question.conditions()
    columns = question.dimension.columns
    names = [f"part{place}" for place in range(len(columns))]
    marks = ", ".join(f"({', '.join('?' * (1 + len(columns)))})" for _key in keys)
    matches = " AND ".join(f"({column}) = {name}" for column, name in zip(columns, names, strict=True))
    found = store.read(
        f"SELECT place, {_step_number(question)} AS step, {_SUMS} "  # noqa: S608 - fixed texts
        f"FROM flows JOIN (VALUES {marks}) AS chosen(place, {', '.join(names)}) ON {matches} "
        f"WHERE {condition} GROUP BY place, step",
        [*(part for place, key in enumerate(keys) for part in (place, *key)), *values],
        seconds=QUERY_SECONDS,
    )
    steps: list[dict[int, Amounts]] = [{} for _key in keys]
    for place, step, *sums in found:
        steps[place][int(step)] = Amounts(*sums)
    return steps
