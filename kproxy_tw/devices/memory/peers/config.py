"""Which other kproxys there are."""

from __future__ import annotations

import attrs

MAX_PEERS = 8


@attrs.frozen
class Peer:
    """Another kproxy. ``host``: its address; ``port``: of its pages."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where it tells what it knows of exporters."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/admin/exporters"
