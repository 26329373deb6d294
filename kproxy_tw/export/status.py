"""What became of exports."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class ExportStatus:
    """One kind of export.

    :ivar kind: ``logs`` or ``metrics``.
    :ivar sent, failed: posts.
    :ivar dropped: log lines that found no room.
    :ivar last_error: empty while it works.
    """

    kind: str
    url: str
    sent: int
    failed: int
    dropped: int
    last_error: str
