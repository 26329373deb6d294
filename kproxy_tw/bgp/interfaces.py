"""The seams between a router's connection and the backend's gRPC streams.

``client`` implements :class:`Backend` and :class:`Tunnel`; the session of a router implements :class:`TunnelEvents`.
All calls happen in the reactor thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class Connection:
    """One accepted TCP connection of a router; addresses as text, v4-mapped unmapped, link-local ones with zone."""

    session_id: str
    device_ip: str
    device_port: int
    proxy_ip: str
    proxy_port: int


@attrs.frozen(kw_only=True)
class Parameters:
    """What the backend said of one router address (a ControlResponse)."""

    device_ip: str
    blocked: bool = False
    company_id: int = 0
    device_id: int = 0
    device_name: str = ""
    tcp_md5: bytes = attrs.field(default=b"", repr=False)
    metadata: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    ttl_seconds: int = 0
    ttl_counter: int = 0


class TunnelEvents(Protocol):
    """What a tunnel tells the session that opened it."""

    def opened(self, server_metadata: Mapping[str, tuple[str, ...]], resumes: int) -> None:
        """A Data stream is up, for the first time (``resumes`` 0) or again."""

    def interrupted(self, reason: str) -> None:
        """The stream broke; the tunnel tries to resume it while the router's connection stays."""

    def received(self, data: bytes) -> None:
        """Bytes of the backend, in order, each once."""

    def pause(self) -> None:
        """The tunnel holds enough: stop reading from the router."""

    def resume(self) -> None:
        """Read from the router again."""

    def closed(self, reason: str, *, abort: bool) -> None:
        """The tunnel has ended for good, all received bytes were given before: close the router's connection.

        :param abort: reset it (KILL, a proven gap) instead of closing it after the bytes under way.
        """


class Tunnel(Protocol):
    """The way of one session's bytes to the backend. Ends once, by :meth:`close` or :meth:`TunnelEvents.closed`."""

    @property
    def held_bytes(self) -> int:
        """Bytes held for the backend and not sent yet."""

    def write(self, data: bytes) -> None:
        """Send bytes of the router, coalesced as they were read."""

    def pause(self) -> None:
        """The router does not read: give no more :meth:`TunnelEvents.received`."""

    def proceed(self) -> None:
        """The router reads again."""

    def allow(self, hold_seconds: float) -> None:
        """The hold time that both OPENs agreed on: so much longer than 15 s a broken stream may take to be resumed."""

    def close(self, reason: str) -> None:
        """The router's connection has ended: send what is held, half-close, forget the session."""


@attrs.frozen(kw_only=True)
class ControlStatus:
    """The control stream, for page and JSON. Times are seconds since the epoch, ``None``: never."""

    connected: bool = False
    since: float | None = None
    messages_received: int = 0
    last_sent: float | None = None
    last_round_trip_ms: int = 0
    last_received: float | None = None
    last_error: str = ""


class Backend(Protocol):
    """The backend's gRPC service as the agent uses it."""

    def status(self) -> ControlStatus:
        """The control stream now."""

    async def parameters(self, *, device_ip: str, device_port: int, proxy_ip: str, proxy_port: int) -> Parameters:
        """Ask about one router, or take the cached reply. Concurrent questions for one address share one answer.

        :raises BackendUnavailable: no answer within the time limit (control stream down, no reply).
        """

    def kept(self, device_ip: str) -> Parameters | None:
        """Take the cached reply about a router, used once more; ``None`` when :meth:`parameters` would have to ask."""

    def open_tunnel(self, connection: Connection, parameters: Parameters, events: TunnelEvents) -> Tunnel:
        """Open a Data stream; :meth:`TunnelEvents.opened` or :meth:`TunnelEvents.closed` follows."""

    def on_pushed(self, callback: Callable[[Parameters], None]) -> None:
        """Call back with each reply that nobody asked for (a block, a changed key)."""

    def forget(self, device_ip: str) -> None:
        """Drop the cached reply of an address (KILL)."""
