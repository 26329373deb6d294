"""Limits: of everything that may not grow without end, how much there is, how much may be, and how much there was."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kproxy_tw.status import LimitStatus
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.tables.table import Cell, Kind, Row, Table, columns

NEAR = 0.9
"""A limit of which more is used deserves attention."""


def content(snapshot: Snapshot) -> PageContent:
    """Everything that the page shows."""
    return PageContent(
        template="limits.html", tables=(limits_table(snapshot.limits),), values={"daemon": snapshot.daemon}
    )


def limits_table(limits: Sequence[LimitStatus]) -> Table:
    """Current, limit and peak side by side."""
    return Table(
        name="limits",
        key="Limits",
        title="Limits",
        columns=columns(
            ("Name", "What"),
            ("Use", "In use", "share"),
            ("Current", "Now", "number"),
            ("Limit", "Limit", "number"),
            ("Peak", "Peak", "number", "The most since the start"),
            ("Unit", ""),
        ),
        rows=[_row(limit) for limit in limits],
    )


def _row(limit: LimitStatus) -> Row:
    use = limit.current / limit.limit if math.isfinite(limit.limit) and limit.limit else None
    kind: Kind = "bytes" if limit.unit == "B" else "number"
    return (
        Cell(limit.name, under=limit.hint),
        None if use is None else Cell(use, tone="bad" if use > NEAR else ""),
        Cell(limit.current, kind=kind),
        Cell(limit.limit, kind=kind),
        Cell(limit.peak, kind=kind),
        limit.unit,
    )
