"""Which sessions there are, which agent has which router, and how the last ones ended. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

from kproxy_tw.bgp.opening import Opening
from kproxy_tw.collector.bgp_target.session import Session
from kproxy_tw.collector.bgp_target.sources import Router
from kproxy_tw.collector.bgp_target.tenants import MAX_SESSIONS, OverLimit, Tenant

HISTORY = 20
"""Ended sessions that are remembered."""

MAX_ALL_SESSIONS = 8192

YOUNG_SECONDS = 30.0
"""An agent's live session of this age does not give way to another agent's: or two agents of one router would take
it from each other for ever."""


@attrs.frozen(kw_only=True)
class Entry:
    """What is known of a session beside itself.

    :ivar since: when it began, seconds since 1970.
    :ivar router, source: once the router has introduced itself.
    """

    session: Session
    since: float
    router: Router | None = None
    source: str = ""


@attrs.frozen(kw_only=True)
class Ended:
    """A session that is over. Times are seconds since 1970."""

    peer: str
    device_name: str
    source: str
    since: float
    until: float
    reason: str


class SessionTable:
    """Sessions by tenant and session-id.

    :ivar ended: how many sessions have ended so far.
    """

    def __init__(self) -> None:
        self.ended = 0
        self._resumed = 0
        self._entries: dict[tuple[str, str], Entry] = {}
        self._by_router: dict[Router, list[Session]] = {}
        self.history: deque[Ended] = deque(maxlen=HISTORY)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def resumed(self) -> int:
        """How often a session went on with another stream."""
        return self._resumed + sum(entry.session.resumes for entry in self._entries.values())

    def all(self) -> list[Entry]:
        """The sessions, oldest first."""
        return list(self._entries.values())

    def find(self, tenant: Tenant, session_id: str) -> Session | None:
        """A tenant's session; those of other tenants are not found."""
        entry = self._entries.get((tenant.name, session_id))
        return entry.session if entry else None

    def check_room(self, tenant: Tenant) -> None:
        """See whether a tenant may have one more. :raises OverLimit: it may not."""
        if tenant.sessions >= MAX_SESSIONS:
            raise OverLimit(f"{MAX_SESSIONS} sessions of one account")
        if len(self._entries) >= MAX_ALL_SESSIONS:
            raise OverLimit(f"{MAX_ALL_SESSIONS} sessions")

    def add(self, session: Session, wall: float) -> None:
        """A new session."""
        self._entries[_key(session)] = Entry(session=session, since=wall)
        session.tenant.sessions += 1

    def introduce(self, session: Session, router: Router, source: str) -> None:
        """Note whose session it is, and where it connects from."""
        entry = self._entries.get(_key(session))
        if entry is not None:
            self._entries[_key(session)] = attrs.evolve(entry, router=router, source=source)
            self._by_router.setdefault(router, []).append(session)

    def remove(self, session: Session, wall: float, reason: str) -> None:
        """A session is over; harmless when it is not there."""
        entry = self._entries.pop(_key(session), None)
        if entry is None:
            return
        if entry.router is not None:
            self._forget_router(entry.router, session)
        session.tenant.sessions -= 1
        self.ended += 1
        self._resumed += session.resumes
        self.history.appendleft(
            Ended(
                peer=peer_text(session),
                device_name=session.peer.name,
                source=entry.source,
                since=entry.since,
                until=wall,
                reason=reason,
            )
        )

    def others(self, session: Session, router: Router) -> list[Session]:
        """Other sessions of the same router."""
        known = self._by_router.get(router, ())
        return [other for other in known if other is not session and not other.over]

    def sources_in_use(self) -> set[str]:
        """The source addresses of all sessions."""
        return {entry.source for entry in self._entries.values() if entry.source}

    def _forget_router(self, router: Router, session: Session) -> None:
        known = self._by_router[router]
        known.remove(session)
        if not known:
            del self._by_router[router]


def router_of(session: Session, opening: Opening | None) -> Router:
    """Who is at the other end of a session."""
    device_ip = session.opening.connection.device_ip
    return Router(session.peer.device_id, device_ip, opening.router_id if opening else "")


def gives_way(old: Session, new: Session, now: float) -> bool:
    """Whether a router's older session makes room for its newer one."""
    same_agent = old.opening.caller.instance == new.opening.caller.instance
    return same_agent or not old.attached or now - old.started >= YOUNG_SECONDS


def all_give_way(others: Iterable[Session], new: Session, now: float) -> bool:
    """Whether every one of them does."""
    return all(gives_way(old, new, now) for old in others)


def peer_text(session: Session) -> str:
    """A router's address and port, as kbgp's status writes them."""
    connection = session.opening.connection
    return f"{bracketed(connection.device_ip)}:{connection.device_port}"


def bracketed(host: str) -> str:
    """An address as it is written before a port."""
    return f"[{host}]" if ":" in host else host


def _key(session: Session) -> tuple[str, str]:
    return session.tenant.name, session.opening.connection.session_id
