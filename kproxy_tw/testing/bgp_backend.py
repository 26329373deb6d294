"""RecordingBackend: a ``bgp.interfaces.Backend`` that answers from a script and remembers what it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred

import attrs

from kproxy_tw.bgp.interfaces import Connection, ControlStatus, Parameters, TunnelEvents

Reply = Parameters | BaseException | Deferred[Parameters]
"""An answer, an exception to raise, or a Deferred to wait for."""


class RecordingTunnel:
    """Fits ``bgp.interfaces.Tunnel``.

    :ivar events: the session that opened it; tests speak to it as the backend would.
    :ivar written: bytes of the router so far.
    :ivar closed: the reason with which it was closed; ``None`` before that.
    """

    def __init__(self, connection: Connection, parameters: Parameters, events: TunnelEvents) -> None:
        self.connection = connection
        self.parameters = parameters
        self.events = events
        self.written = b""
        self.paused = False
        self.hold_seconds = 0.0
        self.closed: str | None = None

    @property
    def held_bytes(self) -> int:
        """Nothing is held."""
        return 0

    def write(self, data: bytes) -> None:
        """Take bytes of the router."""
        assert self.closed is None, "bytes after the end"  # noqa: S101
        self.written += data

    def pause(self) -> None:
        """The router does not read."""
        self.paused = True

    def proceed(self) -> None:
        """The router reads again."""
        self.paused = False

    def allow(self, hold_seconds: float) -> None:
        """The hold time is known."""
        self.hold_seconds = hold_seconds

    def close(self, reason: str) -> None:
        """The router's connection has ended."""
        assert self.closed is None, "closed twice"  # noqa: S101
        self.closed = reason


@attrs.define(kw_only=True)
class RecordingBackend:
    """Fits ``bgp.interfaces.Backend``.

    :ivar replies: by router address; an address without one is known, and called like itself.
    :ivar cache: replies that need no question.
    :ivar control: what :meth:`status` gives.
    :ivar asked: addresses, in the order of the questions.
    :ivar tunnels: those that were opened, in order.
    :ivar forgotten: addresses whose cached reply was dropped.
    """

    replies: dict[str, Reply] = attrs.field(factory=dict)
    control: ControlStatus = attrs.field(factory=lambda: ControlStatus(connected=True, since=0.0))
    cache: dict[str, Parameters] = attrs.field(factory=dict)
    asked: list[str] = attrs.field(factory=list)
    tunnels: list[RecordingTunnel] = attrs.field(factory=list)
    forgotten: list[str] = attrs.field(factory=list)
    _pushed: list[Callable[[Parameters], None]] = attrs.field(factory=list, init=False)

    def status(self) -> ControlStatus:
        """The control stream now."""
        return self.control

    def kept(self, device_ip: str) -> Parameters | None:
        """Give the cached reply of this address."""
        return self.cache.get(device_ip)

    async def parameters(self, *, device_ip: str, device_port: int, proxy_ip: str, proxy_port: int) -> Parameters:
        """Play the line of this address."""
        self.asked.append(device_ip)
        reply = self.replies.get(device_ip, known_device(device_ip))
        if isinstance(reply, BaseException):
            raise reply
        return await reply if isinstance(reply, Deferred) else reply

    def open_tunnel(self, connection: Connection, parameters: Parameters, events: TunnelEvents) -> RecordingTunnel:
        """Open one that records."""
        tunnel = RecordingTunnel(connection, parameters, events)
        self.tunnels.append(tunnel)
        return tunnel

    def on_pushed(self, callback: Callable[[Parameters], None]) -> None:
        """Note whom to call."""
        self._pushed.append(callback)

    def push(self, parameters: Parameters) -> None:
        """Say something unasked."""
        for callback in self._pushed:
            callback(parameters)

    def forget(self, device_ip: str) -> None:
        """Note it."""
        self.forgotten.append(device_ip)


def known_device(device_ip: str, metadata: Mapping[str, tuple[str, ...]] | None = None) -> Parameters:
    """What a backend says of a router that it knows."""
    return Parameters(
        device_ip=device_ip,
        company_id=7,
        device_id=101,
        device_name=f"router {device_ip}",
        metadata={"backend-pin": ("42b0e9c9",)} if metadata is None else metadata,
        ttl_seconds=300,
    )


def unknown_device(device_ip: str, ttl_seconds: int = 1200) -> Parameters:
    """What a backend says of an address that it does not know."""
    return Parameters(device_ip=device_ip, blocked=True, ttl_seconds=ttl_seconds)
