"""Events of polls as lines for people: many of one kind in one poll become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from kproxy_tw.snmp.reading import EventKind, PollEvent

MAX_EACH = 5
"""Events of one kind that are told one by one."""

MAX_NAMED = 3
"""Interfaces that a summary names."""

TOGETHER = {
    EventKind.AGENT_RESTARTED: "the agent restarted",
    EventKind.RENUMBERED: "interfaces were renumbered",
    EventKind.APPEARED: "interfaces appeared",
    EventKind.DISAPPEARED: "interfaces disappeared",
    EventKind.NO_BULK: "the agent knows no GETBULK",
}


@attrs.frozen
class Line:
    """An event as the list of a device's events has it."""

    kind: str
    text: str
    subject: str = ""


def lines(events: Iterable[PollEvent]) -> Iterator[Line]:
    """The events of one poll."""
    kinds: dict[EventKind, list[PollEvent]] = {}
    for event in events:
        kinds.setdefault(event.kind, []).append(event)
    for kind, found in kinds.items():
        name = f"snmp_{kind.name.lower()}"
        if len(found) <= MAX_EACH:
            yield from (Line(name, f"SNMP: {event.text}", event.interface) for event in found)
            continue
        some = ", ".join(event.interface for event in found[:MAX_NAMED])
        yield Line(name, f"SNMP: {len(found)} {TOGETHER[kind]}: {some}, ...")
