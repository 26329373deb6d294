"""Sets of records that came before their template: kept, bounded in bytes and time, until it comes.

RFC 7011 section 9 allows it. What finds no room, and what waits too long, is the caller's to drop as ``no_template``.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from kproxy_tw.decode.records import PacketClock

SET_OVERHEAD_BYTES = 400
"""What a kept set costs beside its bytes: the objects that hold it."""


@attrs.frozen(kw_only=True)
class HeldLimits:
    """How much is kept.

    :ivar each: bytes of one exporter.
    :ivar total: bytes of all exporters together.
    :ivar seconds: how long.
    """

    each: int = 1 << 20
    total: int = 64 << 20
    seconds: float = 300.0


@attrs.define
class HeldRoom:
    """The bytes that all exporters share. ``used``: how many are in use."""

    limits: HeldLimits = attrs.Factory(HeldLimits)
    used: int = 0


@attrs.frozen(slots=True, eq=False)
class HeldSet:
    """The records of one set.

    :ivar body: without the set header.
    :ivar clock: of the datagram that it came in.
    :ivar records: how many they were counted as.
    :ivar until: seconds since 1970.
    """

    body: bytes
    clock: PacketClock
    records: int
    until: float

    @property
    def cost(self) -> int:
        """Bytes of the room that it takes."""
        return len(self.body) + SET_OVERHEAD_BYTES


HeldKey = tuple[int, int, int]
"""Version, domain key, template id: what the set waits for."""


class HeldSets:
    """What one exporter session has sent before its templates.

    :param room: shared by all exporters.
    :ivar records: how many records wait.
    :ivar bytes: what they take.
    """

    def __init__(self, room: HeldRoom | None = None) -> None:
        self._room = room or HeldRoom()
        self._sets: dict[HeldKey, list[HeldSet]] = {}
        self.records = 0
        self.bytes = 0

    def __contains__(self, key: HeldKey) -> bool:
        return key in self._sets

    def __len__(self) -> int:
        """Templates that are waited for."""
        return len(self._sets)

    def keep(self, key: HeldKey, body: bytes, clock: PacketClock, records: int, now: float) -> bool:
        """Keep a set; ``False`` when there is no room for it."""
        limits = self._room.limits
        held = HeldSet(body, clock, records, now + limits.seconds)
        if self.bytes + held.cost > limits.each or self._room.used + held.cost > limits.total:
            return False
        self._sets.setdefault(key, []).append(held)
        self.bytes += held.cost
        self.records += records
        self._room.used += held.cost
        return True

    def take(self, key: HeldKey) -> list[HeldSet]:
        """The sets that wait for a template, in the order in which they came; they wait no longer."""
        taken = self._sets.pop(key, [])
        self._released(taken)
        return taken

    def expire(self, now: float) -> int:
        """Give up what has waited too long. :return: how many records."""
        before = self.records
        for key, held in list(self._sets.items()):
            if held[0].until > now:
                continue
            late = [one for one in held if one.until <= now]
            self._sets[key] = [one for one in held if one.until > now]
            if not self._sets[key]:
                del self._sets[key]
            self._released(late)
        return before - self.records

    def clear(self) -> int:
        """Give up everything. :return: how many records."""
        before = self.records
        for key in list(self._sets):
            self.take(key)
        return before

    def waiting(self) -> Iterator[tuple[HeldKey, int]]:
        """Each template that is waited for, and how many sets wait for it."""
        for key, held in self._sets.items():
            yield key, len(held)

    def _released(self, held: list[HeldSet]) -> None:
        cost = sum(one.cost for one in held)
        self.bytes -= cost
        self._room.used -= cost
        self.records -= sum(one.records for one in held)
