"""A router's bytes on their way to the daemon, from the first one on. Pure: the connection is given."""

from __future__ import annotations

import asyncio
from typing import Protocol

from kproxy_tw.collector.bgp_target.introduction import Introduction
from kproxy_tw.collector.bgp_target.tenants import Tenant


class Daemon(Protocol):
    """The daemon's connection, as a session uses it."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, wanted: bool) -> None:
        """Take its bytes, or leave them where they are."""

    def close(self) -> None:
        """Close after what was written."""

    def abort(self) -> None:
        """Reset it."""


class ToDaemon:
    """Keeps what comes before there is a daemon, then passes on, no faster than the daemon reads.

    :ivar introduction: how the router began.
    :ivar total: bytes that the daemon got.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.introduction = Introduction(tenant)
        self.total = 0
        self._tenant = tenant
        self._daemon: Daemon | None = None
        self._gone = False
        self._written = 0
        self._settled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def connected(self) -> bool:
        """Whether the daemon is there."""
        return self._daemon is not None

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return self.introduction.held + self._written

    async def feed(self, data: bytes) -> None:
        """Take bytes; returns when there is room for the next ones. What comes before the first ``await`` is done.

        :raises MalformedInput: the router begins with something else than an OPEN.
        """
        if self._daemon is not None:
            self.total += len(data)
            self._daemon.write(data)
            if not self._room.is_set():
                self._written += len(data)
                self._tenant.hold(len(data))
                await self._room.wait()
        elif not self._gone:
            self.introduction.feed(data)
            if self.introduction.complete:
                await self._settled.wait()

    def joined(self, daemon: Daemon) -> None:
        """The daemon is there."""
        self._daemon = daemon
        early = self.introduction.take()
        self.total += len(early)
        daemon.write(early)
        self._settled.set()

    def full(self) -> None:
        """The daemon does not read."""
        self._room.clear()

    def ready(self) -> None:
        """All that was written is gone."""
        self._tenant.hold(-self._written)
        self._written = 0
        self._room.set()

    def read(self, wanted: bool) -> None:
        """Let the daemon's bytes come, or not."""
        if self._daemon is not None:
            self._daemon.read(wanted)

    def lost(self) -> None:
        """There is no daemon, or no longer: what comes is of no use."""
        self._daemon, self._gone = None, True
        self.introduction.take()
        self.ready()
        self._settled.set()

    def end(self, *, flush: bool = False) -> None:
        """End the connection, if there is one.

        :param flush: after what was written, instead of at once.
        """
        daemon = self._daemon
        self.lost()
        if daemon is not None:
            (daemon.close if flush else daemon.abort)()
