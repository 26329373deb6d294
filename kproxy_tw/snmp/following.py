"""Following interfaces by name when an agent renumbers them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping

import attrs

from kproxy_tw.snmp.reading import EventKind, PollEvent

MAX_EVENTS = 100
"""That one poll tells; how many more there were is told in one."""


NOT_ONE = 0
"""Stands for the index of a name that several interfaces have; no interface has it (RFC 2863)."""


@attrs.define(eq=False)
class InterfaceNames:
    """Which interfaces a device had, by name, and under which index.

    :ivar described: their names by index, as the last poll of the descriptions told them.
    """

    described: Mapping[int, str] = attrs.field(factory=dict, init=False)
    _indexes: Mapping[str, int] | None = attrs.field(default=None, init=False)

    def moved(self, names: Mapping[int, str], *, complete: bool) -> bool:
        """Whether an index is another interface's than the one that was described, or one of these has another index.

        :param names: by index, empty where the agent does not tell.
        :param complete: all were read, so that an index which is not there is gone.
        """
        described, known, found = self.described, set(self.described.values()), set(names.values())
        return any(
            name and described.get(index) != name and (index in described or name in known)
            for index, name in names.items()
        ) or (complete and any(index not in names and name and name in found for index, name in described.items()))

    def take(self, names: Mapping[int, str], *, complete: bool) -> tuple[PollEvent, ...]:
        """The interfaces of a poll, by index; what has happened to them since the last one.

        Names that several interfaces have cannot be followed; one that had a single interface before is followed on
        when only one is left. Some agents list an interface that is gone beside its successor for a while.

        :param complete: all were read, so that one which is not there is gone.
        """
        times = Counter(names.values())
        now = {name: index for index, name in names.items() if name and times[name] == 1}
        before = self._indexes
        known = before or {}
        shared = {name: known.get(name, NOT_ONE) for name, count in times.items() if name and count > 1}
        self._indexes = {**({} if complete else known), **shared, **now}
        return () if before is None else _bounded(_events(before, now, shared, complete=complete))


def _events(
    before: Mapping[str, int], now: Mapping[str, int], shared: Container[str], *, complete: bool
) -> Iterable[PollEvent]:
    for name, index in now.items():
        old = before.get(name)
        if old is None:
            yield PollEvent(kind=EventKind.APPEARED, text=f"{name} appeared", interface=name, new_index=index)
        elif old not in (index, NOT_ONE):
            text = f"{name} has index {index}, it was {old}"
            yield PollEvent(kind=EventKind.RENUMBERED, text=text, interface=name, old_index=old, new_index=index)
    for name, index in before.items() if complete else ():
        if name not in now and name not in shared:
            yield PollEvent(kind=EventKind.DISAPPEARED, text=f"{name} is gone", interface=name, old_index=index)


def _bounded(events: Iterable[PollEvent]) -> tuple[PollEvent, ...]:
    told = tuple(events)
    if len(told) <= MAX_EVENTS:
        return told
    kinds = Counter(event.kind.value for event in told[MAX_EVENTS - 1 :])
    more = ", ".join(f"{kind}: {count}" for kind, count in kinds.items())
    return (*told[: MAX_EVENTS - 1], PollEvent(kind=told[MAX_EVENTS - 1].kind, text=f"and more ({more})"))
