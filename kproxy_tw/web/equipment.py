"""What routers are made of, as pages show it, whoever told it: interfaces, processors, memories, temperatures."""

from __future__ import annotations

from collections.abc import Iterable

from kproxy_tw.web.tables.table import Cell, Row, Table, Tone, columns

SWITCHED_OFF = 2
"""``ifAdminStatus``."""

STATES: dict[int, tuple[str, Tone]] = {
    1: ("up", "on"),
    2: ("down", "warn"),
    3: ("testing", "wait"),
    4: ("unknown", "off"),
    5: ("dormant", "wait"),
    6: ("absent", "off"),
    7: ("lower down", "warn"),
}
"""``ifOperStatus`` (RFC 2863)."""

COMPONENT_COLUMNS = columns(
    ("Name", "Name"),
    ("Kind", "What"),
    ("Use", "In use", "share"),
    ("Value", "Value", "number"),
    ("Total", "Of", "number"),
)


def interface_state(admin: int, oper: int) -> Cell | None:
    """The state in a word; ``None`` where the agent tells none."""
    if admin == SWITCHED_OFF:
        return Cell("switched off", tone="off")
    word, tone = STATES.get(oper, ("", "off"))
    return Cell(word, tone=tone) if word else None


def components_table(rows: Iterable[tuple[str, str, float, float]]) -> Table:
    """Processors, memories and temperatures.

    :param rows: ``cpu``, ``memory`` or ``temperature``; name; percent, bytes or degrees Celsius; all of it, or 0.
    """
    return Table(
        name="components",
        key="Components",
        title="Processors, memory, temperature",
        columns=COMPONENT_COLUMNS,
        rows=[_component(*row) for row in rows],
        empty="The agent tells of none.",
    )


def _component(kind: str, name: str, value: float, total: float) -> Row:
    part = value / total if total else None
    if kind == "memory":
        return (name, kind, part, Cell(value, kind="bytes"), Cell(total or None, kind="bytes"))
    if kind == "temperature":
        return (name, kind, None, Cell(value, kind="celsius"), None)
    return (name, kind, part, None, None)


def added(one: float | None, other: float | None) -> float | None:
    """The sum of what is known; ``None`` where nothing is."""
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)
