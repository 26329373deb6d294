"""Which HTTP requests are served at all: hosts, methods, origins, sizes. Pure; ``web/site.py`` applies it.

A page on the loopback address is still reachable from every web page that the operator's browser
shows: by DNS rebinding (a foreign name that resolves to 127.0.0.1) and by cross-site requests. So the
``Host`` must be ours, a foreign ``Origin`` is refused, and nothing is ever allowed by CORS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import attrs

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Hosts that are always ours, with our port."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST = re.compile(r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@\s]+)", re.ASCII)


def _is_address(host: str) -> bool:
    """Whether ``host`` is an IP literal as it stands in a URL."""
    bracketed = host.startswith("[")
    try:
        return (ip_address(host.strip("[]")).version == 6) == bracketed
    except ValueError:
        return False


@attrs.frozen
class HostPolicy:
    """Which ``Host`` headers are ours.

    :ivar interface: the address that the operator bound. Anything but a loopback address allows
        every IP literal besides (a browser cannot be rebound to one).
    :ivar names: listed further hosts, as ``name`` (with our port) or ``name:port``.
    """

    interface: str = "127.0.0.1"
    names: tuple[str, ...] = ()

    def allows(self, header: str, port: int, default_port: int = 80) -> bool:
        """Whether a ``Host`` header (or the host part of an ``Origin``) names this server.

        :param port: the port that the connection came in on.
        :param default_port: what an absent port means: 80 for http, 443 for https.
        """
        match = _HOST.fullmatch(header.lower())
        if match is None:
            return False
        host, asked = match["host"], int(match["port"] or default_port)
        listed = {name.lower() for name in self.names}
        if f"{host}:{asked}" in listed:
            return True
        return asked == port and (host in LOOPBACK_HOSTS or host in listed or (self.is_open() and _is_address(host)))

    def is_open(self) -> bool:
        """Whether the operator bound an address that other machines reach."""
        if self.interface == "localhost":
            return False
        try:
            return not ip_address(self.interface).is_loopback
        except ValueError:
            return True


@attrs.frozen(kw_only=True)
class SiteLimits:
    """What one site takes from its clients; the defaults fit admin pages.

    :ivar methods: allowed methods; others get 405.
    :ivar forms: paths that take a small form by POST, too.
    :ivar max_form: largest such form in bytes.
    :ivar max_body: largest request body in bytes; longer ones get 413 while they still arrive.
    :ivar total_body: bytes of request bodies held in memory for all connections together; beyond it 503.
    :ivar max_header: request line and headers together, in bytes; longer ones get 431.
    :ivar connections: open at once; the next ones get 503.
    :ivar idle_seconds: longest silence of a client.
    :ivar request_seconds: longest time from a request's first byte to its last.
    :ivar keep_alive: whether a connection serves more than one request.
    :ivar hosts: which ``Host`` headers are ours.
    """

    methods: frozenset[bytes] = frozenset({b"GET", b"HEAD"})
    forms: frozenset[bytes] = frozenset()
    max_form: int = 1024
    max_body: int = 0
    total_body: int = 256 << 20
    max_header: int = 8 << 10
    connections: int = 16
    idle_seconds: float = 10.0
    request_seconds: float = 20.0
    keep_alive: bool = False
    hosts: HostPolicy = HostPolicy()

    def methods_at(self, path: bytes) -> frozenset[bytes]:
        """Methods allowed at a path."""
        return self.methods | {b"POST"} if path in self.forms else self.methods

    def body_at(self, method: bytes, path: bytes) -> int:
        """Largest body of a request."""
        return self.max_form if method == b"POST" and path in self.forms else self.max_body


@attrs.frozen
class Refusal:
    """An answer without a page: status, one line of text, further headers."""

    code: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


HEADER_TOO_LARGE = Refusal(431, "The request's headers are too large.")
BODY_TOO_LARGE = Refusal(413, "The request's body is too large.")
TOO_SLOW = Refusal(408, "The request took too long to arrive.")
BAD_REQUEST = Refusal(400, "This is no valid HTTP request.")
BUSY = Refusal(503, "Too many connections; try again in a moment.", ((b"Retry-After", b"1"),))
NO_MEMORY = Refusal(503, "Too much is being uploaded; try again in a moment.", ((b"Retry-After", b"1"),))

HeaderLookup = Callable[[str], Sequence[bytes]]
"""All values of a header, by name in any case; empty when absent."""


def refuse_head(
    limits: SiteLimits,
    *,
    method: bytes,
    target: bytes,
    header: HeaderLookup,
    port: int,
    secure: bool,
    length: int | None,
) -> Refusal | None:
    """Judge a request by its head; ``None`` lets it pass.

    :param target: the request target as sent.
    :param port: the port that the connection came in on.
    :param secure: whether it is TLS.
    :param length: the announced length of the body, ``None`` when it is chunked.
    """
    if not target.startswith(b"/"):
        return BAD_REQUEST
    hosts = header("host")
    if len(hosts) != 1:
        return Refusal(400, "Exactly one Host header is required.")
    host = hosts[0].decode("latin-1")
    if not limits.hosts.allows(host, port, DEFAULT_PORTS["https" if secure else "http"]):
        return Refusal(421, "This Host is not served here; use the address and port that the server listens on.")
    path = target.partition(b"?")[0]
    allowed = limits.methods_at(path)
    if method not in allowed:
        return Refusal(405, "This method is not allowed.", ((b"Allow", b", ".join(sorted(allowed))),))
    if _foreign(header, host):
        return Refusal(403, "Requests from other sites are refused.")
    if length is not None and length > limits.body_at(method, path):
        return BODY_TOO_LARGE
    return None


def _foreign(header: HeaderLookup, host: str) -> bool:
    """Whether a browser says that another site's page made this request."""
    if any(value.strip().lower() == b"cross-site" for value in header("sec-fetch-site")):
        return True
    return any(not _same_origin(value.decode("latin-1").lower(), host.lower()) for value in header("origin"))


def _same_origin(origin: str, host: str) -> bool:
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return False
    default = f":{DEFAULT_PORTS[match['scheme']]}"
    return match["host"].removesuffix(default) == host.removesuffix(default)
