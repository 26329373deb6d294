"""Message: one encoded kflow body on its way to the backend."""

from __future__ import annotations

import attrs


@attrs.frozen(slots=True)
class Message:
    """One POST.

    :ivar body: what goes on the wire, gzip included.
    :ivar flows: how many records it holds, for the ledger; a record that became two flows is one.
    :ivar created: monotonic seconds when it was made.
    """

    body: bytes
    flows: int
    created: float
