"""Router addresses that the backend does not know: closed at once for as long as its reply says, logged once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import attrs

MAX_DENIED = 4096
"""Addresses kept; beyond it the one denied for longest is forgotten."""

MAX_TTL_SECONDS = 86_400
"""Longest time that a reply can set."""


@attrs.define(kw_only=True)
class Denied:
    """One address.

    :ivar until: monotonic seconds.
    :ivar uses_left: connections that are still refused by it; 0 for any number.
    :ivar refused: connections refused so far.
    """

    device_ip: str
    reason: str
    until: float
    uses_left: int
    refused: int = 0


@attrs.frozen(kw_only=True)
class DeniedStatus:
    """One address for page and JSON."""

    device_ip: str
    reason: str
    ttl_seconds: int
    refused: int


class DenyList:
    """Remembers who was refused."""

    def __init__(self) -> None:
        self._denied: OrderedDict[str, Denied] = OrderedDict()

    def deny(self, device_ip: str, reason: str, *, ttl_seconds: int, ttl_counter: int, now: float) -> bool:
        """Refuse an address from now on.

        :param ttl_seconds: for so long; 0 is for this once, and remembers nothing.
        :param ttl_counter: for so many connections at most; 0 for any number.
        :returns: whether this is new, and worth a line in the log.
        """
        known = self.find(device_ip, now) is not None
        self._denied.pop(device_ip, None)
        if ttl_seconds > 0:
            until = now + min(ttl_seconds, MAX_TTL_SECONDS)
            self._denied[device_ip] = Denied(device_ip=device_ip, reason=reason, until=until, uses_left=ttl_counter)
            if len(self._denied) > MAX_DENIED:
                self._denied.popitem(last=False)
        return not known

    def refuses(self, device_ip: str, now: float) -> bool:
        """Whether a connection of this address is closed at once; counts it if so."""
        entry = self.find(device_ip, now)
        if entry is None:
            return False
        entry.refused += 1
        if entry.uses_left:
            entry.uses_left -= 1
            if not entry.uses_left:
                del self._denied[device_ip]
        return True

    def find(self, device_ip: str, now: float) -> Denied | None:
        """Give the entry of an address, if its time is not over."""
        entry = self._denied.get(device_ip)
        if entry is not None and entry.until <= now:
            del self._denied[device_ip]
            return None
        return entry

    def allow(self, device_ip: str) -> None:
        """Forget an address."""
        self._denied.pop(device_ip, None)

    def status(self, now: float) -> Sequence[DeniedStatus]:
        """Give everyone whose time is not over, the latest first."""
        return [
            DeniedStatus(
                device_ip=entry.device_ip,
                reason=entry.reason,
                ttl_seconds=max(1, round(entry.until - now)),
                refused=entry.refused,
            )
            for entry in reversed(self._denied.values())
            if entry.until > now
        ]
