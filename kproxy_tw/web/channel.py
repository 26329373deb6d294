"""One HTTP connection within limits: the Twisted channel and request behind :mod:`kproxy_tw.web.site`."""

# ruff: noqa: N802, N815 - most methods carry Twisted's names

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import server

from kproxy_tw.web.closing import ClosingChannel
from kproxy_tw.web.guards import (
    BODY_TOO_LARGE,
    BUSY,
    HEADER_TOO_LARGE,
    NO_MEMORY,
    TOO_SLOW,
    Refusal,
    refuse_head,
)

if TYPE_CHECKING:
    from kproxy_tw.web.site import GuardedSite


class GuardedRequest(server.Request):
    """A request whose body stays in memory and within the site's limits."""

    channel: GuardedChannel
    content: BytesIO
    defaultContentType = b"text/plain; charset=utf-8"

    def gotLength(self, length: int | None) -> None:
        """The head is complete; never spool the body to a file."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body if the channel still admits it."""
        if self.channel.admit_body(len(data)):
            self.content.write(data)


class GuardedChannel(ClosingChannel):
    """One connection. ``site`` is the :class:`GuardedSite` that built it."""

    site: GuardedSite

    def __init__(self) -> None:
        super().__init__()
        self._head_bytes = 0
        self._body_bytes = 0
        self._body_limit = 0
        self._began: float | None = None

    def connectionMade(self) -> None:
        """A client connected; over the cap it is told so and closed."""
        self.totalHeadersSize = self.MAX_LENGTH = self.site.limits.max_header
        super().connectionMade()
        if not self.site.opened(self):
            self.refuse(BUSY)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of a request; a refused client's are thrown away."""
        if self.refused:
            self.discard(len(data))
            return
        if not self.answering:
            now = self.site.reactor.seconds()
            self._began = now if self._began is None else self._began
            if now - self._began > self.site.limits.request_seconds:
                self.refuse(TOO_SLOW)
                return
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """A line of the head."""
        if self.refused:
            return
        self._head_bytes += len(line) + 2
        if self._head_bytes > self.site.limits.max_header:
            self.refuse(HEADER_TOO_LARGE)
            return
        self.request_line = self.request_line or line
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line of the head does not end."""
        self.refuse(HEADER_TOO_LARGE)

    def rawDataReceived(self, data: bytes) -> None:
        """Bytes of the body, or of the next request."""
        if not self.refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        """The head is complete: pass or refuse, before anything invites the body."""
        method, _, rest = self.request_line.partition(b" ")
        headers = self.requests[-1].requestHeaders
        target = rest.partition(b" ")[0]
        self._body_limit = self.site.limits.body_at(method, target.partition(b"?")[0])
        refusal = refuse_head(
            self.site.limits,
            method=method,
            target=target,
            header=lambda name: headers.getRawHeaders(name.encode(), []),
            port=self.getHost().port,
            secure=self.isSecure(),
            length=self.length,
        )
        if refusal is None:
            super().allHeadersReceived()
        else:
            self.refuse(refusal)

    def checkPersistence(self, request: GuardedRequest, version: bytes) -> bool:
        """Whether the connection serves another request after this one."""
        if self.site.limits.keep_alive:
            return bool(super().checkPersistence(request, version))
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def admit_body(self, size: int) -> bool:
        """Whether ``size`` more bytes of the body may be kept; refuses the request if not."""
        if self.refused:
            return False
        self._body_bytes += size
        self.site.body_bytes += size
        if self._body_bytes > self._body_limit:
            self.refuse(BODY_TOO_LARGE)
        elif self.site.body_bytes > self.site.limits.total_body:
            self.refuse(NO_MEMORY)
        return not self.refused

    def allContentReceived(self) -> None:
        """The request is complete; it is answered now."""
        if self.refused:
            return
        self.answering = True
        self._began = None
        super().allContentReceived()

    def requestDone(self, request: GuardedRequest) -> None:
        """The answer is written (not yet read by the client)."""
        self.answering = False
        self.request_line = b""
        self._head_bytes = 0
        self._release_body()
        super().requestDone(request)
        if not self.persistent:
            self.setTimeout(self.timeOut)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with ``refusal`` and close; what was kept of the body is let go."""
        for request in self.requests:
            request.content = BytesIO()
        self._release_body()
        super().refuse(refusal)

    def timeoutConnection(self) -> None:
        """The client was silent for too long, or does not read its answer."""
        if self._began is not None and not self.refused:
            self.refuse(TOO_SLOW)
        else:
            super().timeoutConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._release_body()
        self.site.closed(self)
        super().connectionLost(reason)

    def _release_body(self) -> None:
        self.site.body_bytes -= self._body_bytes
        self._body_bytes = 0
