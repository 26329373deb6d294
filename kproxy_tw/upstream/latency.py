"""Latencies: how long the hosts of the backend took for their last answers."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_HOSTS = 64
"""Hosts that are remembered; further ones are not."""


class Latencies:
    """Shared by all sessions."""

    def __init__(self) -> None:
        self._hosts: dict[str, float] = {}

    def note(self, url: str, seconds: float) -> None:
        """An answer came. :param seconds: from the request to the head of the answer."""
        host = urlsplit(url).netloc
        if host in self._hosts or len(self._hosts) < MAX_HOSTS:
            self._hosts[host] = seconds

    def of(self, url: str) -> float | None:
        """Seconds that the host of ``url`` took last."""
        return self._hosts.get(urlsplit(url).netloc)
