"""Raw records of one device that wait for the next tick, grouped by layout and bounded in bytes."""

from __future__ import annotations

import attrs

from kproxy_tw.decode.blocks import Joined
from kproxy_tw.decode.records import RecordSet
from kproxy_tw.interfaces import RecordLayout

Groups = dict[tuple[RecordLayout, float], list[RecordSet]]
"""By layout and forced rate (0 for none)."""

SET_OVERHEAD_BYTES = 200
"""What a record set costs beside its bytes: the objects that hold it."""


LITTLE_PART = 1 / 128
"""A device has little waiting while that is no more than this part of what all may have: 1 MiB of 128."""


@attrs.define
class ByteBudget:
    """Memory that all devices share for records not converted yet.

    The last quarter is for devices that have little waiting: a few that flood cannot use up what all the others need.

    :ivar max_bytes: how much may be in use.
    :ivar used: how much is.
    :ivar highwater: how much ever was.
    """

    max_bytes: int
    used: int = 0
    highwater: int = 0
    _for_all: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._for_all = self.max_bytes * 3 // 4

    def claim(self, size: int, held: int = 0) -> bool:
        """Take ``size`` bytes; ``False`` when they are not left. :param held: what waits of that device already."""
        used = self.used + size
        if used > self._for_all and (used > self.max_bytes or held + size > self.max_bytes * LITTLE_PART):
            return False
        self.used = used
        return True

    def release(self, size: int) -> None:
        """Give ``size`` bytes back."""
        self.highwater = max(self.highwater, self.used)
        self.used -= size


class PendingRecords:
    """Record sets in the order of arrival, under their layouts and the rates that are forced on them.

    :param budget: shared by all devices; whoever calls :meth:`take` releases ``bytes`` when done with them.
    :param max_bytes: how much may wait here; :meth:`add` refuses what would go beyond.
    :ivar count: records that wait.
    :ivar flows: the most flows that they may become.
    """

    __slots__ = ("_budget", "_groups", "_last_body", "_max_bytes", "bytes", "count", "flows", "highwater")

    def __init__(self, budget: ByteBudget, max_bytes: int) -> None:
        self._budget = budget
        self._groups: Groups = {}
        self._max_bytes = max_bytes
        self._last_body: Joined = b""  # sets that stand in the same bytes follow each other: these are counted once
        self.bytes = 0
        self.count = self.flows = 0
        self.highwater = 0

    def add(self, records: RecordSet) -> bool:
        """Keep the records; ``False`` when there is no room for them."""
        size = SET_OVERHEAD_BYTES
        if records.body is not self._last_body:
            size += len(records.body)
        if not isinstance(records.starts, tuple):
            size += records.starts.nbytes
        if self.bytes + size > self._max_bytes or not self._budget.claim(size, self.bytes):
            return False
        self._groups.setdefault((records.layout, records.forced_rate), []).append(records)
        self._last_body = records.body
        self.bytes += size
        self.count += records.count
        self.flows += records.count * records.layout.flows_per_record
        self.highwater = max(self.highwater, self.count)
        return True

    def take(self) -> Groups:
        """All groups; nothing waits afterwards."""
        groups, self._groups = self._groups, {}
        self._last_body = b""
        self.bytes = self.count = self.flows = 0
        return groups
