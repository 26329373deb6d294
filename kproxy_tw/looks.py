"""Looks: a few of a device's last flows, kept for people; more of them while somebody taps the device."""

from __future__ import annotations

import math

from kproxy_tw.flowbatch import FlowBatch

USUAL_FLOWS = 20
USUAL_SECONDS = 10.0
"""Without a tap: so many flows, and no more often than this, for looking must cost next to nothing."""

TAP_FLOWS = 100
"""With a tap: of each message, which is one a second."""

TAP_SECONDS = 3.0
"""A tap is over when nobody has asked for so long."""


class Looks:
    """The flows of one device. Times are monotonic seconds.

    :ivar flows: the last ones; ``None`` before the first.
    :ivar number: counts up with each change of ``flows``.
    """

    def __init__(self) -> None:
        self.flows: FlowBatch | None = None
        self.number = 0
        self._kept = -math.inf
        self._tapped_until = -math.inf

    def tap(self, now: float) -> None:
        """Somebody looks on."""
        self._tapped_until = now + TAP_SECONDS

    def wanted(self, now: float) -> int:
        """How many flows of the message that is made now are wanted."""
        if now < self._tapped_until:
            return TAP_FLOWS
        return USUAL_FLOWS if now - self._kept >= USUAL_SECONDS else 0

    def keep(self, flows: FlowBatch, now: float) -> None:
        """The flows are here."""
        self.flows, self._kept = flows, now
        self.number += 1
