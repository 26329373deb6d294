"""``-metrics``: where else than to the backend our own metrics go."""

from __future__ import annotations

import attrs

from kproxy_tw.errors import ConfigError

KINDS = ("none", "syslog", "stderr", "graphite")
MAX_PORT = 65535


@attrs.frozen
class MetricsConfig:
    """Where metrics go.

    :ivar kind: empty for the backend alone, ``none`` for nowhere at all, else one of :data:`KINDS` besides the backend.
    :ivar host, port: of graphite's plain text port.
    """

    kind: str = ""
    host: str = ""
    port: int = 0


def metrics_config(text: str | None) -> MetricsConfig:
    """Read the flag. :raises ConfigError: it is none of the four forms."""
    if not text:
        return MetricsConfig()
    kind, _colon, address = text.partition(":")
    host, _colon, port = address.rpartition(":")
    if kind == "graphite" and host and port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT:
        return MetricsConfig(kind, host.removeprefix("[").removesuffix("]"), int(port))
    if kind not in KINDS or address or kind == "graphite":
        raise ConfigError("metrics", "must be none, syslog, stderr or graphite:HOST:PORT, like graphite:127.0.0.1:2003")
    return MetricsConfig(kind)
