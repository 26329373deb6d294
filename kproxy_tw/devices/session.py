"""ExporterSession: what is remembered of one exporter address between its datagrams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from kproxy_tw.decode.templates import TemplateCache


@attrs.define(slots=True, kw_only=True, eq=False)
class ExporterSession:
    """The state of one exporter address; templates of one exporter never meet another's.

    :ivar address: the source address of its datagrams, canonical spelling.
    :ivar templates: what its template sets taught.
    :ivar first_seen, last_seen: seconds since 1970 of its first and its last datagram.
    :ivar flow_types: every protocol it has spoken.
    :ivar datagrams: how many datagrams it has sent.
    """

    address: str
    templates: TemplateCache
    first_seen: float
    last_seen: float = 0.0
    flow_types: set[str] = attrs.field(factory=set)
    datagrams: int = 0

    def heard(self, flow_types: Iterable[str], datagrams: int, now: float) -> None:
        """Datagrams came in, the last one at ``now``, seconds since 1970."""
        self.datagrams += datagrams
        self.last_seen = now
        self.flow_types.update(flow_types)
