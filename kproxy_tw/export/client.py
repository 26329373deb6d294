"""One POST, blocking, for a thread: through a web proxy where one leads to the host."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from kproxy_tw.errors import UpstreamError

SOCKET_SECONDS = 5.0
"""For each step: connecting, each piece sent, each piece read. :meth:`PostClient.abort` bounds the whole."""


class PostClient:
    """Posts to one URL, a connection for each.

    :param url: ``https``, or ``http`` on this machine.
    :param proxy: ``http://[user:password@]host:port``; empty for none.
    :param headers: on every request; a secret among them is never repeated in an error.
    """

    def __init__(self, url: str, *, proxy: str, headers: Mapping[str, str]) -> None:
        self._parts = urlsplit(url)
        self._proxy = urlsplit(proxy) if proxy else None
        self._headers = dict(headers)
        self._connection: HTTPConnection | None = None

    def post(self, body: bytes, content_type: str) -> None:
        """Send one body. Redirects are not followed.

        :raises UpstreamError: no connection, no answer, or one that is not 2xx.
        """
        connection = self._connection = self._connect()
        try:
            connection.request("POST", _path(self._parts), body, {**self._headers, "Content-Type": content_type})
            status = connection.getresponse().status
        except (OSError, HTTPException, ValueError) as problem:
            raise UpstreamError(f"{self._parts.netloc} did not take it: {type(problem).__name__}") from None
        finally:
            self._connection = None
            connection.close()
        if not 200 <= status < 300:
            raise UpstreamError(f"{self._parts.netloc} answered with status {status}")

    def abort(self) -> None:
        """Cut the connection of a post under way; for another thread."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            connection.sock.close()

    def _connect(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return HTTPConnection(host, port, timeout=SOCKET_SECONDS)
        context = ssl.create_default_context()
        if self._proxy is None:
            return HTTPSConnection(host, port, timeout=SOCKET_SECONDS, context=context)
        through = HTTPSConnection(self._proxy.hostname or "", self._proxy.port, timeout=SOCKET_SECONDS, context=context)
        through.set_tunnel(host, port or 443, headers=_authorization(self._proxy))
        return through


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
