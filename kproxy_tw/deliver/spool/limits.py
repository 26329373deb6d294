"""How large a spool may grow, what is lost when it does, and what waits in it."""

from __future__ import annotations

import attrs

from kproxy_tw.deliver.spool.record import Origin


@attrs.frozen(kw_only=True)
class SpoolLimits:
    """How large the spool may grow.

    :ivar max_bytes: of all segments together.
    :ivar max_messages: that wait; what is known of each in memory is small, but it is something.
    :ivar segment_bytes: a segment that has so many is followed by the next; no more than an eighth of ``max_bytes``.
    :ivar device_part: of ``max_bytes``, what one device may fill; beyond it its own oldest records give way.
    :ivar free_bytes: what is to stay free on the file system,
    :ivar free_part: or this part of a small one.
    :ivar drop_newest: when it is full, refuse what comes instead of dropping the oldest segment.
    :ivar max_age_seconds: older records are dropped; 0 keeps them for ever.
    """

    max_bytes: int = 1 << 30
    max_messages: int = 1 << 18
    segment_bytes: int = 16 << 20
    device_part: float = 0.5
    free_bytes: int = 512 << 20
    free_part: float = 0.05
    drop_newest: bool = False
    max_age_seconds: float = 0.0

    def floor(self, total: int) -> int:
        """Bytes that are to stay free on a file system of ``total``."""
        return min(self.free_bytes, int(total * self.free_part))

    @property
    def roll_bytes(self) -> int:
        """When the next segment begins."""
        return min(self.segment_bytes, max(1, self.max_bytes // 8))


@attrs.frozen
class Lost:
    """Messages of one origin that will never be delivered. ``reason``: as the ledger knows it, ``spool_...``."""

    origin: Origin
    messages: int
    flows: int
    reason: str


@attrs.frozen
class Stock:
    """Messages, and the flows in them."""

    messages: int
    flows: int


@attrs.frozen
class SpoolStatus:
    """What waits. ``bytes``: on the disk; ``oldest_ms``: when the oldest was made, milliseconds since 1970, 0: none."""

    messages: int = 0
    flows: int = 0
    bytes: int = 0
    oldest_ms: int = 0
