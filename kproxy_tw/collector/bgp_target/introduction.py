"""What the router says first: its OPEN, kept until there is a daemon to say it to. Pure."""

from __future__ import annotations

import asyncio

from kproxy_tw.bgp.framing import Framing
from kproxy_tw.bgp.opening import Opening, read_open
from kproxy_tw.collector.bgp_target.tenants import Tenant


class Introduction:
    """The beginning of a router's bytes.

    :ivar opening: its OPEN, once it is complete.
    :ivar held: bytes that are kept.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.opening: Opening | None = None
        self.held = 0
        self._tenant = tenant
        self._framing = Framing()
        self._kept: list[bytes] = []
        self._complete = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether the OPEN is there, or is waited for no longer."""
        return self._complete.is_set()

    def feed(self, data: bytes) -> None:
        """Keep bytes. :raises MalformedInput: they are no BGP, or do not begin with an OPEN."""
        first = self._framing.feed(data) if not self.complete else None
        self._kept.append(data)
        self.held += len(data)
        self._tenant.hold(len(data))
        if first is not None:
            self.opening = read_open(first)
            self._complete.set()

    async def wait(self, seconds: float) -> Opening | None:
        """Wait for the OPEN; ``None`` when it does not come in time: some routers want to hear the other side first."""
        try:
            await asyncio.wait_for(self._complete.wait(), seconds)
        except TimeoutError:
            self.give_up()
        return self.opening

    def give_up(self) -> None:
        """Wait for the OPEN no longer."""
        self._complete.set()

    def take(self) -> bytes:
        """Give all bytes away."""
        kept = b"".join(self._kept)
        self._kept.clear()
        self._tenant.hold(-self.held)
        self.held = 0
        return kept
