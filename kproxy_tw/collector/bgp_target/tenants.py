"""What one tenant, that is one email, may use at a time. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from kproxy_tw.errors import KproxyError

MAX_SESSIONS = 4096
"""Sessions of a tenant, streams that are being resumed included."""

MAX_CONTROLS = 64
"""Control streams of a tenant: one for each agent."""

MAX_HELD = 256 << 20
"""Bytes of a tenant that wait for a slow side, all sessions together. One that holds nothing may always go on."""

OPENS = 6000
OPEN_SECONDS = 60.0
"""Data streams that a tenant may open in that time. A thousand routers may come and be resumed several times."""

MAX_TENANTS = 1024


class OverLimit(KproxyError):
    """A tenant wants more than it may have; ``str()`` says of what."""


class Tenant:
    """One tenant's share.

    :ivar name: its email.
    :ivar sessions, controls: how many it has.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sessions = 0
        self.controls = 0
        self.held = 0
        self._opened = 0
        self._period_ends = 0.0
        self._waiting: set[Callable[[], None]] = set()

    @property
    def idle(self) -> bool:
        """Whether it has nothing at all."""
        return not (self.sessions or self.controls or self.held)

    @property
    def full(self) -> bool:
        """Whether it holds as many bytes as it may."""
        return self.held >= MAX_HELD

    def opens_left(self, now: float) -> tuple[int, float]:
        """How many streams it may still open, and for how many seconds that counts."""
        if now >= self._period_ends:
            self._opened, self._period_ends = 0, now + OPEN_SECONDS
        return OPENS - self._opened, self._period_ends - now

    def opened(self, now: float) -> None:
        """Count a Data stream. :raises OverLimit: too many in this minute."""
        left, seconds = self.opens_left(now)
        if not left:
            raise OverLimit(f"more than {OPENS} streams in {OPEN_SECONDS:.0f} s; the next ones in {seconds:.0f} s")
        self._opened += 1

    def hold(self, size: int) -> None:
        """Count bytes that wait; a negative number when they went. Wakes those that waited for room."""
        was_full = self.full
        self.held += size
        if was_full and not self.full:
            waiting, self._waiting = self._waiting, set()
            for wake in waiting:
                wake()

    def when_room(self, wake: Callable[[], None]) -> None:
        """Call back once there is room again."""
        self._waiting.add(wake)


class Tenants:
    """All tenants; one that has nothing is forgotten when room is needed."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, Tenant] = OrderedDict()

    def get(self, name: str) -> Tenant:
        """The tenant of that name. :raises OverLimit: there are too many."""
        tenant = self._tenants.get(name)
        if tenant is None:
            if len(self._tenants) >= MAX_TENANTS:
                self._make_room()
            tenant = self._tenants[name] = Tenant(name)
        return tenant

    def all(self) -> list[Tenant]:
        """Those that are known."""
        return list(self._tenants.values())

    def _make_room(self) -> None:
        for name, tenant in self._tenants.items():
            if tenant.idle:
                del self._tenants[name]
                return
        raise OverLimit(f"{MAX_TENANTS} tenants have sessions")
