"""The last 15 minutes of a device: what came, what was lost, and since when."""

from __future__ import annotations

import attrs

from kproxy_tw.ledger import HISTORY_SECONDS, History, Ledger
from kproxy_tw.status import RecentStatus


@attrs.define(eq=False)
class RecentHistory:
    """Histories of the counters by which a device is judged."""

    records: History = attrs.field(factory=History)
    sampled_out: History = attrs.field(factory=History)
    dropped: History = attrs.field(factory=History)
    gaps: History = attrs.field(factory=History)
    seen: History = attrs.field(factory=History)

    def sample(self, ledger: Ledger) -> None:
        """Take a reading of all; every ``ledger.SAMPLE_SECONDS``."""
        self.records.sample(ledger.records_received)
        self.sampled_out.sample(ledger.records_sampled_out)
        self.dropped.sample(ledger.records_dropped.total())
        self.gaps.sample(ledger.sequence_gaps)
        self.seen.sample(ledger.sequence_seen)

    def status(self, ledger: Ledger, received: History, now: float) -> RecentStatus:
        """What they say of the last 15 minutes.

        :param ledger: as it is now.
        :param received: of the datagrams.
        :param now: seconds since 1970.
        """
        dropped = ledger.records_dropped.total()
        return RecentStatus(
            readings=received.readings(),
            records=self.records.difference(ledger.records_received, HISTORY_SECONDS),
            sampled_out=self.sampled_out.difference(ledger.records_sampled_out, HISTORY_SECONDS),
            dropped=self.dropped.difference(dropped, HISTORY_SECONDS),
            dropped_since=_since(self.dropped, dropped, now),
            gaps=self.gaps.difference(ledger.sequence_gaps, HISTORY_SECONDS),
            sequence_seen=self.seen.difference(ledger.sequence_seen, HISTORY_SECONDS),
            gaps_since=_since(self.gaps, ledger.sequence_gaps, now),
        )


def _since(history: History, value: int, now: float) -> float | None:
    seconds = history.rising_for(value)
    return None if seconds is None else now - seconds
