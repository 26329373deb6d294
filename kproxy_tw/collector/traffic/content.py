"""Traffic as tables and facts: the same figures for the page, JSON and CSV. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kproxy_tw.collector.traffic.query import Row, Traffic
from kproxy_tw.collector.traffic.question import FILTERS, MEASURES, Question
from kproxy_tw.collector.traffic.timerange import SPANS
from kproxy_tw.web.encoding import Document
from kproxy_tw.web.tables.table import Cell, Facts, Table, columns, facts
from kproxy_tw.web.text import utc_time

FILTER_WORDS = {
    "device": "device",
    "protocol": "protocol",
    "port": "service port",
    "as": "AS",
    "interface": "interface",
    "address": "host",
}

AVERAGE_KINDS = {"bytes": "bits", "packets": "number", "flows": "number"}


def rows_table(found: Traffic) -> Table:
    """The largest parts; ``/traffic/parts.csv``."""
    question = found.question
    measure = question.measure
    return Table(
        name="parts",
        key="Parts",
        title=f"By {question.dimension.title.lower()}",
        columns=columns(
            ("Label", question.dimension.title),
            ("Share", "Share", "share", f"Part of all {measure.title.lower()} in this time"),
            ("Average", f"Average {measure.unit}", AVERAGE_KINDS[measure.name], "Over the whole time"),
            ("EstimatedBytes", "Bytes", "bytes", "Estimated: bytes times sample rate, summed; both directions"),
            ("EstimatedPackets", "Packets", "number", "Estimated: packets times sample rate, summed"),
            ("Flows", "Flow records", "count", "As stored"),
        ),
        rows=[_row(found, row) for row in found.rows],
        empty="No flow in this time.",
    )


def _row(found: Traffic, row: Row) -> tuple[object, ...]:
    question, measure = found.question, found.question.measure
    average = row.amounts.of(measure.name) * measure.factor / question.time.seconds
    return (
        Cell(row.label, href=f"/traffic?{narrowed(question, row)}" if row.key is not None else ""),
        found.share(row),
        average,
        row.amounts.bytes,
        row.amounts.packets,
        row.amounts.flows,
    )


def narrowed(question: Question, row: Row) -> str:
    """The query string that asks for one row's traffic."""
    return question.query(**question.dimension.narrow(row.key or ()), rows="")


def points_table(found: Traffic) -> Table:
    """Every point of the chart; ``/traffic/points.csv``."""
    times = found.times()
    unit = found.question.measure.unit
    return Table(
        name="points",
        key="Points",
        title="Points of the chart",
        columns=columns(("Time", "Time", "time"), ("Label", found.question.dimension.title), ("Value", unit, "number")),
        rows=[
            (time, layer.label, value)
            for layer in found.layers
            for time, value in zip(times, layer.values, strict=True)
        ],
    )


def whole_facts(found: Traffic) -> Facts:
    """All traffic that is meant, and when."""
    time, whole = found.question.time, found.whole
    return Facts(
        name="whole",
        key="Whole",
        title="All of it",
        items=tuple(
            facts(
                (whole.bytes * 8 / time.seconds, "AverageBits", "Average", "bits", "Estimated"),
                (whole.bytes, "EstimatedBytes", "Bytes", "bytes", "Estimated: bytes times sample rate, summed"),
                (
                    whole.packets,
                    "EstimatedPackets",
                    "Packets",
                    "number",
                    "Estimated: packets times sample rate, summed",
                ),
                (whole.flows, "Flows", "Flow records", "count", "As stored"),
            )
        ),
    )


def asked_document(question: Question) -> Document:
    """What was asked, for JSON."""
    return {
        "By": question.dimension.name,
        "Show": question.measure.name,
        "Unit": question.measure.unit,
        "From": utc_time(question.time.start),
        "To": utc_time(question.time.stop),
        "StepSeconds": question.time.step,
        "Filters": dict(question.filters),
    }


def links(question: Question, path: str) -> dict[str, object]:
    """Where the pickers of a page lead: each a list of (name, address, whether it is chosen)."""

    def to(**changes: str) -> str:
        return f"{path}?{question.query(**changes)}"

    def moved(share: float) -> str:
        return to(**question.time.moved(share).query())

    def scaled(factor: float) -> str:
        return to(**question.time.scaled(factor).query())

    return {
        "spans": [(name, to(range=name), name == question.time.name) for name in SPANS],
        "measures": [(one.title, to(show=name), name == question.measure.name) for name, one in MEASURES.items()],
        "filters": [(FILTER_WORDS[name], question.filters[name], to(**{name: ""})) for name in _given(question)],
        "earlier": moved(-0.5),
        "later": moved(0.5),
        "closer": scaled(0.5),
        "wider": scaled(2),
    }


def _given(question: Question) -> Iterator[str]:
    return (name for name in FILTERS if name in question.filters)
