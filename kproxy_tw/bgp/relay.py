"""The two ends of one session: bytes of the router go into the tunnel, those of the backend to the router.

Pure: the router's connection and the tunnel are reached through protocols. Nothing is changed on the way; what is not
BGP ends the session on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from kproxy_tw.bgp.framing import BrokenFrame
from kproxy_tw.bgp.interfaces import Tunnel, TunnelEvents
from kproxy_tw.bgp.notification import header_error
from kproxy_tw.bgp.opening import Opening, read_open
from kproxy_tw.bgp.sessions import Session
from kproxy_tw.errors import MalformedInput

MAX_EARLY_BYTES = 16 << 10
"""What is kept of a router that talks before it is admitted; a well-behaved one sends one OPEN, 4 KiB at most."""

STALL_WARNING_SECONDS = 30.0


class RouterSide(Protocol):
    """The router's connection."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def pause_reading(self) -> None:
        """Take no more from the router."""

    def resume_reading(self) -> None:
        """Take from the router again."""

    def close(self) -> None:
        """Close when everything written has left, or after a short time."""

    def abort(self) -> None:
        """Reset the connection."""

    def probe(self) -> None:
        """Find out within seconds whether the router is still there; if not, the connection ends."""

    def calm(self) -> None:
        """Go back to probing rarely."""

    def outlive(self, seconds: int) -> None:
        """Give up when the router has acknowledged nothing for so long."""


class Relay:
    """One connection of a router, from its acceptance to its end.

    :param ended: called once, with cause and reason, when either side has ended it; before :meth:`start` the cause
        is one of ``counts.REFUSALS``, later of ``counts.ENDINGS``.
    :param seconds: a monotonic clock.
    :ivar on_open: called when the router's OPEN is there.
    """

    def __init__(
        self,
        session: Session,
        router: RouterSide,
        *,
        ended: Callable[[Relay, str, str], None],
        seconds: Callable[[], float],
    ) -> None:
        self.session = session
        self.router = router
        self.on_open: Callable[[], None] | None = None
        self._ended = ended
        self._seconds = seconds
        self._tunnel: Tunnel | None = None
        self._started = False
        self._over = False
        self._early: list[bytes] = []
        self._router_blocked_since: float | None = None
        self._backend_blocked_since: float | None = None

    def start(self, open_tunnel: Callable[[TunnelEvents], Tunnel]) -> None:
        """The router is admitted: open its tunnel, and send what it has said so far."""
        self._started = True
        tunnel = open_tunnel(self)
        if self._over:  # the tunnel has failed at once
            return
        self._tunnel = tunnel
        early, self._early = b"".join(self._early), []
        if early:
            tunnel.write(early)
        if self._backend_blocked_since is None:
            self.router.resume_reading()
        if self._router_blocked_since is not None:
            tunnel.pause()

    def end(self, cause: str, reason: str, last_words: bytes = b"") -> None:
        """End both sides.

        :param last_words: a NOTIFICATION for the router; sent if no message is under way.
        """
        if self._over:
            return
        if last_words and self.session.down.between_messages:
            self.router.write(last_words)
        self.router.close()
        self._finish(cause, reason)

    # The router's side.

    def router_sent(self, data: bytes) -> None:
        """Bytes of the router."""
        if self._over:
            return
        session = self.session
        session.bytes_up += len(data)
        try:
            first = session.up.feed(data)
        except BrokenFrame as problem:
            self.end("bgp_frame", f"from the router: {problem}", header_error(problem.subcode))
            return
        if first is not None:
            session.router = _opening(first)
            self._negotiated()
            if self.on_open is not None:
                self.on_open()
        if self._tunnel is not None:
            self._tunnel.write(data)
        else:
            self._keep_early(data)

    def router_closed(self, cause: str, reason: str) -> None:
        """The router's connection has ended."""
        self._finish(cause if self._started else "gone", reason)

    def router_blocked(self) -> None:
        """The router does not read."""
        self._router_blocked_since = self._seconds()
        if self._tunnel is not None:
            self._tunnel.pause()

    def router_ready(self) -> None:
        """The router reads again."""
        self._router_blocked_since = None
        if self._tunnel is not None:
            self._tunnel.proceed()

    # The tunnel's side: interfaces.TunnelEvents.

    def opened(self, server_metadata: Mapping[str, tuple[str, ...]], resumes: int) -> None:
        """See ``interfaces.TunnelEvents``."""
        self.session.connected = True
        self.session.server_metadata = server_metadata
        self.session.resumes = resumes

    def interrupted(self, reason: str) -> None:
        """See ``interfaces.TunnelEvents``."""
        self.session.connected = False

    def received(self, data: bytes) -> None:
        """See ``interfaces.TunnelEvents``."""
        if self._over:
            return
        session = self.session
        session.bytes_down += len(data)
        try:
            first = session.down.feed(data)
        except BrokenFrame as problem:
            self.end("bgp_frame", f"from the backend: {problem}")
            return
        if first is not None:
            session.backend = _opening(first)
            self._negotiated()
        self.router.write(data)

    def pause(self) -> None:
        """See ``interfaces.TunnelEvents``."""
        self._backend_blocked_since = self._seconds()
        self.router.pause_reading()

    def resume(self) -> None:
        """See ``interfaces.TunnelEvents``."""
        self._backend_blocked_since = None
        self.router.resume_reading()

    def closed(self, reason: str, *, abort: bool) -> None:
        """See ``interfaces.TunnelEvents``."""
        if self._over:
            return
        self._tunnel = None
        if abort:
            self.router.abort()
        else:
            self.router.close()
        self._finish("session_reset" if abort else "backend_closed", reason)

    # What time brings.

    def stalled_seconds(self) -> float:
        """For how long one side has not taken what the other sends."""
        now = self._seconds()
        blocked = (self._router_blocked_since, self._backend_blocked_since)
        return max((now - since for since in blocked if since is not None), default=0.0)

    def check_stall(self) -> None:
        """End a session in which one side has not read for the hold time."""
        hold = self.session.hold_seconds
        if not self._over and self.stalled_seconds() > hold:
            side = "backend" if self._router_blocked_since is None else "router"
            self.end("stall", f"the {side} has not read for {hold} s, the hold time")

    def _keep_early(self, data: bytes) -> None:
        self._early.append(data)
        if self.session.bytes_up > MAX_EARLY_BYTES:
            self.router.pause_reading()

    def _negotiated(self) -> None:
        """Both OPENs may be there: what follows from the two together."""
        router, backend = self.session.router, self.session.backend
        if router is None or backend is None:
            return
        hold = self.session.hold_seconds
        self.router.outlive(hold)
        if self._tunnel is not None:
            self._tunnel.allow(hold)
        if router.extended_messages and backend.extended_messages:
            self.session.up.extend()
            self.session.down.extend()

    def _finish(self, cause: str, reason: str) -> None:
        if self._over:
            return
        self._over = True
        self._early = []
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.close(reason)
        self.session.connected = False
        self._ended(self, cause, reason)


def _opening(message: bytes) -> Opening | None:
    """Read an OPEN for the table; a bad one is for the other side to answer."""
    try:
        return read_open(message)
    except MalformedInput:
        return None
