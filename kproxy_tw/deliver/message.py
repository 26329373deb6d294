"""Message: one encoded kflow body on its way to the backend."""

from __future__ import annotations

import attrs

from kproxy_tw.deliver.spool.record import BatchId


@attrs.frozen(slots=True)
class Message:
    """One POST.

    :ivar body: what goes on the wire, gzip included.
    :ivar flows: how many records it holds, for the ledger; a record that became two flows is one.
    :ivar created: monotonic seconds when it was made.
    :ivar batch: tells it from all others in each attempt to deliver it; a sender gives it one.
    :ivar refusals: how often the backend has said that it is wrong.
    """

    body: bytes = attrs.field(repr=False)
    flows: int
    created: float
    batch: BatchId | None = None
    refusals: int = 0
