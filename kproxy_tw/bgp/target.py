"""Where kbgp connects to: from ``--target``, ``--region`` and ``--insecure`` to one ``host:port``. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from kproxy_tw.errors import ConfigError

TLS_PORT = 443
DEFAULT_TARGET = "grpc.api.kentik.com:443"
MAX_TARGET_LENGTH = 300

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")


def target(domain: str, given: str | None, insecure: int = 0) -> str:
    """Derive the target from the flags.

    :param domain: of the region, see :func:`kproxy_tw.upstream.regions.region_domain`.
    :param given: ``--target``, with port 443 if it has none; ``None`` or the documented default leaves the choice
        to the region.
    :param insecure: how often ``--insecure`` was said: once for a target on this machine, twice for another.
    :returns: ``host:port``, an IPv6 address in brackets.
    :raises ConfigError: no such target can be, or a token would cross the network in clear.
    """
    of_region = given is None or given == DEFAULT_TARGET
    host, port = (f"grpc.api.{domain}", TLS_PORT) if of_region or given is None else split(given)
    if insecure == 1 and not is_this_machine(host):
        raise ConfigError(
            "insecure",
            f"would show the token and all routes on the way to {host}; leave it out, or say it twice if you mean it",
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(given: str) -> tuple[str, int]:
    """Take ``host:port`` apart, an IPv6 address without its brackets. :raises ConfigError: it is none."""
    try:
        parts = urlsplit(f"//{given}")
        host, port = parts.hostname or "", TLS_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigError("target", f"is no host:port: {error}") from None
    rest = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if rest or len(given) > MAX_TARGET_LENGTH or not port or not (_HOST_NAME.fullmatch(host) or _is_address(host)):
        raise ConfigError("target", "must look like host:port, without https:// in front")
    return host, port


def is_this_machine(host: str) -> bool:
    """Whether ``host`` is this machine by its very spelling."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        return "%" not in host and bool(ip_address(host))
    except ValueError:
        return False
