"""Which way to a host: straight, or through an HTTP proxy.

``-local_proxy`` wins; without it the variables ``HTTPS_PROXY`` and ``HTTP_PROXY`` count, in this order, in capitals or
not: all that leaves this machine is https. ``NO_PROXY`` makes exceptions of either. This machine itself is never
reached through a proxy.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

import attrs

from kproxy_tw.errors import ConfigError
from kproxy_tw.status import shown_address
from kproxy_tw.upstream.regions import MAX_URL_LENGTH, is_loopback

DEFAULT_PORT = 80
MAX_EXCEPTIONS = 256
"""Entries of ``NO_PROXY`` that are looked at."""

FLAG = "local_proxy"
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY")
EXCEPTIONS = "NO_PROXY"


@attrs.frozen
class Proxy:
    """An HTTP proxy that takes ``CONNECT``. What it wants to be told is never shown.

    :ivar authorization: the value of ``Proxy-Authorization``; empty for none.
    """

    host: str
    port: int
    authorization: str = attrs.field(default="", repr=False)

    def __str__(self) -> str:
        return shown_address(self.host, self.port)


@attrs.frozen(kw_only=True)
class Proxies:
    """Who is reached how.

    :ivar proxy: for all that ``exceptions`` do not name; ``None``: everything is reached straight.
    :ivar exceptions: entries of ``NO_PROXY``.
    :ivar origin: the flag or variable that named the proxy, for people.
    """

    proxy: Proxy | None = None
    exceptions: tuple[str, ...] = ()
    origin: str = ""

    def route(self, host: str, port: int) -> Proxy | None:
        """The proxy that leads to ``host``; ``None``: straight."""
        if self.proxy is None or is_loopback(host):
            return None
        return None if any(_names(entry, host.lower().rstrip("."), port) for entry in self.exceptions) else self.proxy


def proxies(flag: str | None, environment: Mapping[str, str]) -> Proxies:
    """Read the flag and the environment.

    :raises ConfigError: the proxy that counts is none that we can use; a password in it is not repeated.
    """
    exceptions = tuple(entry for entry in _variable(EXCEPTIONS, environment).replace(",", " ").lower().split() if entry)
    for origin, text in ((f"-{FLAG}", flag or ""), *((name, _variable(name, environment)) for name in VARIABLES)):
        if text:
            return Proxies(proxy=_proxy(origin, text), exceptions=exceptions[:MAX_EXCEPTIONS], origin=origin)
    return Proxies()


def _variable(name: str, environment: Mapping[str, str]) -> str:
    return (environment.get(name) or environment.get(name.lower()) or "").strip()


def _proxy(origin: str, text: str) -> Proxy:
    if "://" not in text and origin != f"-{FLAG}":
        text = f"http://{text}"
    where = "" if origin == f"-{FLAG}" else f"the environment variable {origin} "
    if len(text) > MAX_URL_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(FLAG, f"{where}is no URL: too long, or characters that must be percent-encoded")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(FLAG, f"{where}is no URL: its host or port cannot be read") from None
    if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(FLAG, f"{where}must look like http://proxy:3128 or http://user:password@proxy:3128")
    return Proxy(host, DEFAULT_PORT if port is None else port, _authorization(parts.username, parts.password))


def _authorization(user: str | None, password: str | None) -> str:
    """``Basic`` as RFC 7617 has it; name and password are percent-encoded in the URL."""
    if user is None:
        return ""
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")


def _names(entry: str, host: str, port: int) -> bool:
    """Whether an entry of ``NO_PROXY`` means ``host``: ``*``, a name with all below it, an address, or a prefix."""
    if entry == "*":
        return True
    entry, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != port:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        name = entry.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ip_network(entry, strict=False)
    except (ValueError, TypeError):
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    name, colon, port = entry.rpartition(":")
    if not colon or not port.isdecimal() or (":" in name and not name.endswith("]")):
        return entry.removeprefix("[").removesuffix("]"), None
    return name.removeprefix("[").removesuffix("]"), int(port)
