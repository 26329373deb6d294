"""Following interfaces by name when an agent renumbers them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from kproxy_tw.snmp.reading import EventKind, PollEvent

MAX_EVENTS = 100
"""That one poll tells; how many more there were is told in one."""


@attrs.define(eq=False)
class InterfaceNames:
    """Which interfaces a device had, by name, and under which index."""

    _indexes: dict[str, int] | None = attrs.field(default=None, init=False)

    def take(self, names: Mapping[int, str], *, complete: bool) -> tuple[PollEvent, ...]:
        """The interfaces of a poll, by index; what has happened to them since the last one.

        Names that are not those of one interface alone cannot be followed.

        :param complete: all were read, so that one which is not there is gone.
        """
        times = Counter(names.values())
        now = {name: index for index, name in names.items() if name and times[name] == 1}
        before, self._indexes = self._indexes, now if complete or self._indexes is None else {**self._indexes, **now}
        return () if before is None else _bounded(_events(before, now, complete=complete))


def _events(before: Mapping[str, int], now: Mapping[str, int], *, complete: bool) -> Iterable[PollEvent]:
    for name, index in now.items():
        old = before.get(name)
        if old is None:
            yield PollEvent(kind=EventKind.APPEARED, text=f"{name} appeared", interface=name, new_index=index)
        elif old != index:
            text = f"{name} has index {index}, it was {old}"
            yield PollEvent(kind=EventKind.RENUMBERED, text=text, interface=name, old_index=old, new_index=index)
    for name, index in before.items() if complete else ():
        if name not in now:
            yield PollEvent(kind=EventKind.DISAPPEARED, text=f"{name} is gone", interface=name, old_index=index)


def _bounded(events: Iterable[PollEvent]) -> tuple[PollEvent, ...]:
    told = tuple(events)
    if len(told) <= MAX_EVENTS:
        return told
    kinds = Counter(event.kind.value for event in told[MAX_EVENTS - 1 :])
    more = ", ".join(f"{kind}: {count}" for kind, count in kinds.items())
    return (*told[: MAX_EVENTS - 1], PollEvent(kind=told[MAX_EVENTS - 1].kind, text=f"and more ({more})"))
