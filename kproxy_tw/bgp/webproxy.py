"""Which web proxy leads to the target: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``, in either case. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from kproxy_tw.bgp.target import is_this_machine, split
from kproxy_tw.errors import ConfigError

MAX_ENTRIES = 256


def web_proxy(environ: Mapping[str, str], target: str, *, insecure: bool = False) -> str:
    """Choose the proxy for ``target``, as other programs do.

    :param target: ``host:port``; one on this machine is always reached directly.
    :param insecure: without TLS ``HTTP_PROXY`` counts, with it ``HTTPS_PROXY``.
    :returns: ``http://[user:password@]host:port``, a secret if it holds a password; empty for none.
    :raises ConfigError: the setting is no address of a proxy that can be used; a password in it is not repeated.
    """
    name = "HTTP_PROXY" if insecure else "HTTPS_PROXY"
    given = _setting(environ, name)
    host, port = split(target)
    if not given or is_this_machine(host) or _excluded(_setting(environ, "NO_PROXY"), host, port):
        return ""
    return _checked(name, given if "//" in given else f"http://{given}")


def without_password(proxy: str) -> str:
    """The address of a proxy for logs and pages: ``host:port``."""
    return proxy.rpartition("@")[2].removeprefix("http://")


def _setting(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name.lower()) or environ.get(name) or "").strip()


def _checked(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise ConfigError(name, "is no URL; it must look like http://user:password@host:port") from None
    if parts.scheme == "https":
        raise ConfigError(name, "names a proxy that is itself reached by https, which gRPC cannot do; use http://")
    printable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme != "http" or not host or not printable or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(name, "must look like http://user:password@host:port, other characters percent-encoded")
    user = parts.netloc.rpartition("@")[0]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{user}@{shown}:{port}" if user else f"http://{shown}:{port}"


def _excluded(no_proxy: str, host: str, port: int) -> bool:
    return any(_matches(entry.strip().lower(), host.lower(), port) for entry in no_proxy.split(",")[:MAX_ENTRIES])


def _matches(entry: str, host: str, port: int) -> bool:
    """Match ``*``, a domain with all below it, an address, a network; a port behind it must be the target's."""
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal() and ":" not in name.strip("[]").replace("::", ""):
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        pass
    domain = entry.lstrip("*").lstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
