"""What kbgp has counted since its start; the identities that always hold::

connections = sessions_opened + Σ refused + connections that wait for admission
sessions_opened = sessions that are open + Σ ended
"""

from __future__ import annotations

from collections import Counter

import attrs

REFUSALS = (
    "denied",
    "unknown",
    "dup",
    "no_room",
    "limit",
    "timeout",
    "unavailable",
    "md5",
    "bgp_frame",
    "proxy_header",
    "gone",
    "shutdown",
)
"""Why a connection never became a session: ``denied`` by an earlier answer, ``unknown`` by the backend's answer now,
``gone`` by the router itself."""

ENDINGS = (
    "router_closed",
    "router_lost",
    "backend_closed",
    "session_reset",
    "bgp_frame",
    "stall",
    "blocked",
    "shutdown",
)
"""Why a session ended; ``session_reset`` is the backend's KILL, or a gap that resuming could not close."""


def _counter(reasons: tuple[str, ...]) -> Counter[str]:
    return Counter(dict.fromkeys(reasons, 0))


@attrs.define(kw_only=True)
class BgpCounts:
    """Counts since start; bytes and messages of ended sessions only, the open ones have their own.

    :ivar resumes: broken streams that were resumed.
    :ivar bytes_up: from routers to the backend; ``down`` is the other way.
    :ivar messages_up: by the name of their type.
    """

    connections: int = 0
    sessions_opened: int = 0
    refused: Counter[str] = attrs.field(factory=lambda: _counter(REFUSALS))
    ended: Counter[str] = attrs.field(factory=lambda: _counter(ENDINGS))
    resumes: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    messages_up: Counter[str] = attrs.field(factory=Counter)
    messages_down: Counter[str] = attrs.field(factory=Counter)

    def refuse(self, reason: str) -> None:
        """A connection is refused. :raises ValueError: not one of the known reasons."""
        if reason not in REFUSALS:
            raise ValueError(f"no such reason to refuse a connection: {reason}")
        self.refused[reason] += 1

    def end(self, reason: str) -> None:
        """A session has ended. :raises ValueError: not one of the known reasons."""
        if reason not in ENDINGS:
            raise ValueError(f"no such reason to end a session: {reason}")
        self.ended[reason] += 1
