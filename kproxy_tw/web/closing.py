"""How an HTTP connection says no and ends: refusals, security headers, lingering, time outs."""

# ruff: noqa: N802, N815 - Twisted's names

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http_headers import Headers
from zope.interface import implementer

from kproxy_tw.web.guards import BAD_REQUEST, Refusal

LINGER_SECONDS = 2.0
"""How long a refused client may go on sending before the connection is cut.

Closing at once, with its bytes unread, would reset the connection and take our answer with it.
"""

LINGER_BYTES = 4 << 20
"""How much of a refused client's data is read and thrown away."""

SECURITY_HEADERS = (
    (b"X-Content-Type-Options", b"nosniff"),
    (
        b"Content-Security-Policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
        b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    (b"X-Frame-Options", b"DENY"),
)
"""On every answer, refusals included."""

USUAL_HEADERS = ((b"Cache-Control", b"no-store"), (b"Referrer-Policy", b"no-referrer"))
"""On every answer that says nothing else."""

REASONS = {
    **http.RESPONSES,
    408: b"Request Timeout",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
}
"""Twisted's phrases and those that it lacks."""


@implementer(IHalfCloseableProtocol)
class ClosingChannel(http.HTTPChannel):
    """A channel that can refuse.

    :ivar refused: whether a refusal was sent; whatever still arrives is thrown away.
    :ivar answering: whether a request is complete and its answer is not.
    :ivar request_line: the first line of the request under way, as far as it is known.
    """

    transport: Any
    callLater: Any  # set by HTTPFactory

    def __init__(self) -> None:
        super().__init__()
        self.refused = False
        self.answering = False
        self.request_line = b""
        self._discarded = 0
        self._cut: IDelayedCall | None = None

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Every answer's head passes here."""
        headers.removeHeader(b"Server")
        for name, value in SECURITY_HEADERS:
            headers.setRawHeaders(name, [value])
        for name, value in USUAL_HEADERS:
            if not headers.hasHeader(name):
                headers.setRawHeaders(name, [value])
        super().writeHeaders(version, code, reason, headers)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with ``refusal`` and close, leaving the client a moment to read it."""
        if self.refused:
            return
        self.refused = True
        body = b"" if self.request_line.startswith(b"HEAD ") else refusal.text.encode() + b"\n"
        headers = Headers()
        for name, value in (
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Content-Length", b"%d" % len(body)),
            (b"Connection", b"close"),
            *refusal.headers,
        ):
            headers.addRawHeader(name, value)
        self.writeHeaders(b"HTTP/1.1", b"%d" % refusal.code, REASONS[refusal.code], headers)
        self.write(body)
        self._linger()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(BAD_REQUEST)

    def _linger(self) -> None:
        self.setTimeout(None)
        self.cut_after(LINGER_SECONDS)
        self.transport.unregisterProducer()
        if self.isSecure():
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def discard(self, size: int) -> None:
        """``size`` bytes arrived after the refusal."""
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.transport.abortConnection()

    def cut_after(self, seconds: float) -> None:
        """Cut the connection in ``seconds`` unless it ends before."""
        if self._cut is None:
            self._cut = self.callLater(seconds, self.transport.abortConnection)

    def timeoutConnection(self) -> None:
        """The client was silent for too long, or does not read its answer."""
        self.cut_after(LINGER_SECONDS)
        self.loseConnection()

    def readConnectionLost(self) -> None:
        """The client sends nothing more; it may still read the answer under way, after which we close."""
        self.persistent = False
        if not self.answering:
            self.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our half is closed."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._cut is not None and self._cut.active():
            self._cut.cancel()
        super().connectionLost(reason)
