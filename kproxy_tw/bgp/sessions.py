"""The table of BGP sessions: who is connected, what has passed, and why the last ones ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import attrs

from kproxy_tw.bgp.counts import BgpCounts
from kproxy_tw.bgp.framing import SLOTS, Framing, totals
from kproxy_tw.bgp.interfaces import Connection
from kproxy_tw.bgp.opening import Opening

HISTORY = 20
"""Ended sessions that are kept."""

NO_HOLD_SECONDS = 240
"""Stands for a hold time that is not known yet or not wanted: the large value of RFC 4271 section 8.2.2."""


@attrs.define(kw_only=True, eq=False)
class Session:
    """One router's session.

    :ivar since_ns: accepted, in nanoseconds since 1970; ``began`` is the same moment on the monotonic clock.
    :ivar connected: whether its Data stream is up.
    :ivar up: framing of what the router sends; ``down`` of what the backend sends.
    :ivar router: what the router's OPEN says; ``backend`` the other side's.
    """

    connection: Connection
    since_ns: int
    began: float
    device_name: str = ""
    device_id: int = 0
    company_id: int = 0
    md5: bool = False
    backend_pin: str = ""
    connected: bool = False
    resumes: int = 0
    server_metadata: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    up: Framing = attrs.field(factory=Framing)
    down: Framing = attrs.field(factory=Framing)
    bytes_up: int = 0
    bytes_down: int = 0
    router: Opening | None = None
    backend: Opening | None = None

    @property
    def hold_seconds(self) -> int:
        """The hold time that both sides agreed on: the smaller one (RFC 4271 section 4.2)."""
        proposed = [opening.hold_time for opening in (self.router, self.backend) if opening is not None]
        return min(proposed, default=0) or NO_HOLD_SECONDS


@attrs.frozen(kw_only=True)
class EndedSession:
    """One of the last sessions.

    :ivar seconds: how long it lasted.
    :ivar cause: one of ``counts.ENDINGS``.
    :ivar reason: the same in words, with what is known.
    """

    session: Session
    ended_ns: int
    seconds: float
    cause: str
    reason: str


class SessionTable:
    """All open sessions, in the order in which they were admitted, and the last ended ones.

    :param counts: keeps the sums of those that have ended.
    """

    def __init__(self, counts: BgpCounts) -> None:
        self._counts = counts
        self._sessions: dict[Session, None] = {}
        self._history: deque[EndedSession] = deque(maxlen=HISTORY)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions))

    def of(self, device_ip: str) -> Sequence[Session]:
        """Give the sessions of one address, the oldest first."""
        return [session for session in self._sessions if session.connection.device_ip == device_ip]

    def add(self, session: Session) -> None:
        """A connection has become a session."""
        self._sessions[session] = None
        self._counts.sessions_opened += 1

    def end(self, session: Session, cause: str, reason: str, *, now: float, now_ns: int) -> None:
        """A session has ended.

        :raises ValueError: ``cause`` is not one of ``counts.ENDINGS``.
        """
        counts = self._counts
        counts.end(cause)
        del self._sessions[session]
        counts.resumes += session.resumes
        counts.bytes_up += session.bytes_up
        counts.bytes_down += session.bytes_down
        counts.messages_up.update(session.up.totals())
        counts.messages_down.update(session.down.totals())
        self._history.appendleft(
            EndedSession(
                session=session, ended_ns=now_ns, seconds=max(0.0, now - session.began), cause=cause, reason=reason
            )
        )

    def history(self) -> Sequence[EndedSession]:
        """Give the last ended ones, the latest first."""
        return tuple(self._history)

    def totals(self) -> BgpCounts:
        """Give the counts with those of open sessions added."""
        total = attrs.evolve(
            self._counts,
            refused=self._counts.refused.copy(),
            ended=self._counts.ended.copy(),
            messages_up=self._counts.messages_up.copy(),
            messages_down=self._counts.messages_down.copy(),
        )
        sessions = list(self._sessions)
        for session in sessions:
            total.resumes += session.resumes
            total.bytes_up += session.bytes_up
            total.bytes_down += session.bytes_down
        total.messages_up.update(_sums([session.up for session in sessions]))
        total.messages_down.update(_sums([session.down for session in sessions]))
        return total


def _sums(framings: Sequence[Framing]) -> dict[str, int]:
    """Sum what a thousand sessions have counted, in about a millisecond."""
    return totals([sum([framing.counts[slot] for framing in framings]) for slot in range(SLOTS)])
