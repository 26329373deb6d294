"""A Twisted web site that a hostile client cannot misuse; made for the admin pages and for kcollect.

Twisted's own ``Site`` answers any ``Host``, takes any method, and spools endless bodies to temporary
files. This one applies :mod:`kproxy_tw.web.guards` when the head of a request is complete, counts the
body while it arrives, bounds connections and times, and puts the security headers on every answer.
"""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

from typing import Any

from twisted.web import http, server
from twisted.web.resource import IResource

from kproxy_tw.web.channel import GuardedChannel, GuardedRequest
from kproxy_tw.web.guards import HostPolicy, SiteLimits

__all__ = ["GuardedSite", "HostPolicy", "SiteLimits", "build_site"]


class GuardedSite(server.Site):
    """A site within limits. It writes no access log.

    :ivar body_bytes: request bodies in memory now, over all connections.
    """

    noisy = False
    protocol = GuardedChannel  # type: ignore[assignment]  # upstream wraps its channel for HTTP/2

    def __init__(self, resource: IResource, limits: SiteLimits, reactor: Any) -> None:
        super().__init__(
            resource,
            GuardedRequest,
            timeout=limits.idle_seconds,
            parsePOSTFormSubmission=False,
            reactor=reactor,
        )
        self.limits = limits
        self.body_bytes = 0
        self._channels: set[GuardedChannel] = set()

    def startFactory(self) -> None:
        """Open no access log, and no timer for its dates."""

    def stopFactory(self) -> None:
        """Nothing was opened."""

    def log(self, request: http.Request) -> None:
        """Write no access log."""

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 only: the limits above stand at its channel."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: Any) -> Any:
        """Build a channel; far over the cap, where even refusals would pile up, the connection is just closed."""
        if len(self._channels) >= 2 * self.limits.connections:
            return None
        return super().buildProtocol(addr)

    def opened(self, channel: GuardedChannel) -> bool:
        """A channel is connected; says whether it is within the cap."""
        self._channels.add(channel)
        return len(self._channels) <= self.limits.connections

    def closed(self, channel: GuardedChannel) -> None:
        """A channel is gone."""
        self._channels.discard(channel)

    def close_connections(self) -> None:
        """Cut every connection (for stopping)."""
        for channel in tuple(self._channels):
            channel.transport.abortConnection()


def build_site(resource: IResource, limits: SiteLimits, reactor: Any) -> GuardedSite:
    """Serve ``resource`` within ``limits``.

    :param reactor: provides the time (``seconds``, ``callLater``).
    """
    return GuardedSite(resource, limits, reactor)
