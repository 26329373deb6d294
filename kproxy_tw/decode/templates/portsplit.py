"""Two routers behind one source address, told apart by the port when they use a template id for different things.

A session is all that comes from one address (RFC 7011 section 8.4 counts the port too, but many routers send options
from another port). When a template comes from a second port with other content, that port's state of the domain is
kept apart from then on. It may also be one router that restarted with a new port; then nobody hears the old
port again, and nothing is lost by having kept it apart. Both ports in use afterwards prove that there are two.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from kproxy_tw.decode.templates.described import DOMAIN_MASK, PORT_SHIFT

MAX_PORTS = 8
"""Ports of one domain that are kept apart; further ones share the common state."""

PROOF_SECONDS = 300.0
"""Both sides heard within this time, after the templates differed: two routers."""


@attrs.define(eq=False)
class _Apart:
    """A domain whose ports are kept apart.

    :ivar keys: port to domain key of those with a state of their own.
    :ivar since: when the first one was split off.
    :ivar common, other: when a port with the common state and one with its own were heard last.
    """

    since: float
    keys: dict[int, int] = attrs.field(factory=dict)
    common: float = 0.0
    other: float = 0.0
    proved: bool = False


class PortSplits:
    """The domains of one session that are kept apart by port. Times are seconds since 1970."""

    def __init__(self) -> None:
        self._domains: dict[tuple[int, int], _Apart] = {}

    def __bool__(self) -> bool:
        return bool(self._domains)

    def key(self, version: int, domain: int, port: int) -> int:
        """The domain key under which the state for ``port`` stands."""
        apart = self._domains.get((version, domain))
        return domain if apart is None else apart.keys.get(port, domain)

    def split(self, version: int, domain: int, port: int, now: float) -> int:
        """Keep ``port`` apart from now on, when that is still possible. :return: its domain key."""
        apart = self._domains.setdefault((version, domain), _Apart(now))
        if len(apart.keys) < MAX_PORTS:
            apart.keys[port] = port << PORT_SHIFT | domain
        return apart.keys.get(port, domain)

    def restore(self, version: int, key: int, now: float) -> None:
        """A domain key that was in force before a restart."""
        if key >> PORT_SHIFT:
            self.split(version, key & DOMAIN_MASK, key >> PORT_SHIFT, now)

    def heard(self, port: int, now: float) -> Iterator[tuple[int, int]]:
        """A datagram came from ``port``. :return: version and domain of each that is now proved to have two routers."""
        for (version, domain), apart in self._domains.items():
            if port in apart.keys:
                apart.other = now
            else:
                apart.common = now
            both = min(apart.common, apart.other)
            if not apart.proved and both > apart.since and abs(apart.common - apart.other) < PROOF_SECONDS:
                apart.proved = True
                yield version, domain

    def is_apart(self, port: int) -> bool:
        """Whether ``port`` has a state of its own in some domain."""
        return any(port in apart.keys for apart in self._domains.values())

    def ports(self, version: int, domain: int) -> list[int]:
        """The ports of a domain that are kept apart."""
        apart = self._domains.get((version, domain))
        return [] if apart is None else sorted(apart.keys)

    def proved(self) -> list[tuple[int, int]]:
        """Version and domain of each that is proved to have two routers."""
        return [key for key, apart in self._domains.items() if apart.proved]
