"""ExporterSession: what is remembered of one exporter between its datagrams."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from kproxy_tw.decode.sequences.book import SequenceBook

if TYPE_CHECKING:
    from kproxy_tw.decode.templates.cache import TemplateCache

MAX_PORTS = 16
"""Source ports of a session that are remembered; the one that has been silent longest makes room."""

MAX_SHOWN_MISSING = 5
"""Template numbers in one line about missing templates."""


@attrs.define(slots=True, kw_only=True, eq=False)
class ExporterSession:
    """The state of one exporter: of one address, or of one port of it; templates of one session never meet another's.

    :ivar key: its name among the device's sessions: the address, with the port where sessions are told apart by it.
    :ivar address: the source address of its datagrams, canonical spelling.
    :ivar templates: what its template sets taught.
    :ivar first_seen, last_seen: seconds since 1970 of its first and its last datagram.
    :ivar flow_types: every protocol it has spoken.
    :ivar datagrams: how many datagrams it has sent.
    :ivar persistent: its state survives a restart; not that of a connection, which ends with it.
    :ivar sequences: what its sequence numbers say is missing.
    :ivar sequences_apart: the same of ports that are told apart; at most as many as there may be.
    :ivar ports: source port to seconds since 1970 of its last datagram.
    :ivar restored_age: how old its state was when it was taken over from before a restart; ``None`` when it was not.
    :ivar swept: seconds since 1970 when old templates were looked for last.
    """

    address: str
    templates: TemplateCache
    first_seen: float
    key: str = attrs.field(default=attrs.Factory(lambda self: self.address, takes_self=True))
    last_seen: float = 0.0
    flow_types: set[str] = attrs.field(factory=set)
    datagrams: int = 0
    persistent: bool = True
    sequences: SequenceBook = attrs.field(factory=SequenceBook)
    sequences_apart: dict[int, SequenceBook] = attrs.field(factory=dict)
    ports: OrderedDict[int, float] = attrs.field(factory=OrderedDict)
    restored_age: float | None = None
    swept: float = 0.0

    def heard(self, flow_types: Iterable[str], datagrams: int, now: float, port: int = 0) -> None:
        """Datagrams came in from ``port``, the last one at ``now``, seconds since 1970."""
        self.datagrams += datagrams
        self.last_seen = now
        self.flow_types.update(flow_types)
        if port:
            self.ports[port] = now
            self.ports.move_to_end(port)
            if len(self.ports) > MAX_PORTS:
                self.ports.popitem(last=False)

    def changes(self) -> int:
        """How often something changed that is worth to be kept over a restart."""
        return self.templates.changes + sum(domain.changes for domain in self.templates.store.domains.values())

    def sequences_of(self, port: int) -> SequenceBook:
        """The sequences of what comes from ``port``: routers that are told apart by port count each for itself."""
        if not self.templates.splits.is_apart(port):
            return self.sequences
        return self.sequences_apart.setdefault(port, SequenceBook())

    def books(self) -> tuple[SequenceBook, ...]:
        """All sequences."""
        return (self.sequences, *self.sequences_apart.values())

    def missing_templates(self) -> str:
        """What data waits for, in the words that people know: ``no template for 256 (domain 1)``."""
        waiting = list(self.templates.held.waiting())
        shown = [f"{key[2]} (domain {key[1] & 0xFFFFFFFF})" for key, _sets in waiting[:MAX_SHOWN_MISSING]]
        more = f" and {len(waiting) - len(shown)} more" if len(waiting) > len(shown) else ""
        sets = sum(count for _key, count in waiting)
        if not shown:
            return f"no template for data sets from {self.address}, and no room to keep them until it comes"
        what = f"no template for {', '.join(shown)}{more}"
        return f"{what}: {sets} data set{'s' if sets != 1 else ''} from {self.address} kept until it comes"
