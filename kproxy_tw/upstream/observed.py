"""ObservedHosts: what the last answer of each backend host told besides its content: how long it took, and how long
the certificate is valid."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

MAX_HOSTS = 64
"""Hosts that are remembered; further ones are not."""


@attrs.frozen(kw_only=True)
class Observed:
    """``latency_seconds``: from the request to the head of its answer. ``certificate_expires``: seconds since 1970."""

    latency_seconds: float
    certificate_expires: float | None


class ObservedHosts:
    """Shared by all sessions."""

    def __init__(self) -> None:
        self._hosts: dict[str, Observed] = {}

    def note(self, url: str, observed: Observed) -> None:
        """An answer came."""
        host = urlsplit(url).netloc
        if host in self._hosts or len(self._hosts) < MAX_HOSTS:
            self._hosts[host] = observed

    def of(self, url: str) -> Observed | None:
        """What was seen last of the host of ``url``."""
        return self._hosts.get(urlsplit(url).netloc)
