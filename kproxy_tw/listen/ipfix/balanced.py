"""Connections that a load balancer passes on: the exporter's address stands in a PROXY protocol header, before TLS.

Until the header has come there is no exporter's connection, only bytes that wait. Then the connection is handed to the
protocol of that exporter, which never learns that there was a header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from kproxy_tw.addresses import Network, plain_address, within
from kproxy_tw.errors import MalformedInput
from kproxy_tw.listen.ipfix.config import StreamLimits
from kproxy_tw.listen.proxyheader import Source, read_header

Refused = Callable[[Source, str], None]
"""Told of a balancer's connection without a header: its address, and what came instead."""


class BalancedFactory(Factory):
    """Builds protocols of exporters, and, for connections of balancers, what waits for their header.

    :param factory: builds a protocol for an exporter's address.
    :param balancers: networks whose connections begin with a header.
    :param refused: told of those that do not.
    """

    noisy = False

    def __init__(
        self, factory: Factory, *, balancers: Sequence[Network], reactor: Any, limits: StreamLimits, refused: Refused
    ) -> None:
        self.factory = factory
        self.reactor = reactor
        self.limits = limits
        self.refused = refused
        self._balancers = balancers
        self._waiting: dict[HeaderProtocol, None] = {}

    def buildProtocol(self, addr: Any) -> Any:
        """A protocol for a new connection."""
        if not within(plain_address(addr.host), self._balancers):
            return self.factory.buildProtocol(addr)
        return HeaderProtocol(self, addr)

    def arrived(self, waiting: HeaderProtocol) -> bool:
        """A balancer's connection; whether there is room for it."""
        if len(self._waiting) >= self.limits.connections:
            return False
        self._waiting[waiting] = None
        return True

    def left(self, waiting: HeaderProtocol) -> None:
        """Its header has come, or it is gone."""
        self._waiting.pop(waiting, None)

    def close(self) -> None:
        """Cut what still waits."""
        for waiting in list(self._waiting):
            waiting.refuse("")


class HeaderProtocol(TwistedProtocol):
    """A balancer's connection until its header is complete.

    One that the balancer opened for itself, to see whether we are there, is let alone until it closes it or time is up.
    """

    def __init__(self, balanced: BalancedFactory, peer: Any) -> None:
        self._balanced = balanced
        self._peer = peer
        self._data = b""
        self._over = self._is_check = False
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Wait for the header, but not for ever."""
        if not self._balanced.arrived(self):
            self.refuse("too many connections wait for their header")
            return
        seconds = self._balanced.limits.header_seconds
        self._deadline = self._balanced.reactor.callLater(seconds, self.refuse, f"nothing in {seconds:g} s")

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the header, and perhaps of the exporter behind it."""
        if self._over or self._is_check:
            return
        self._data += data
        try:
            header = read_header(self._data)
        except MalformedInput as problem:
            self.refuse(str(problem))
            return
        if header is not None and header.source is not None:
            self._leave()
            self._hand_over(header.source, self._data[header.length :])
        elif header is not None:
            self._is_check = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Gone before its header, or after a check."""
        self._leave()

    def refuse(self, problem: str) -> None:
        """Cut the connection; ``problem`` is empty when nobody is to blame."""
        if self._over:
            return
        self._leave()
        transport: Any = self.transport
        transport.abortConnection()
        if problem and not self._is_check:
            self._balanced.refused((self._peer.host, self._peer.port), problem)

    def _leave(self) -> None:
        self._over = True
        self._balanced.left(self)
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def _hand_over(self, source: Source, rest: bytes) -> None:
        """From here on the connection is the exporter's."""
        transport: Any = self.transport
        protocol: Any = self._balanced.factory.buildProtocol(_address(source))
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if rest:
            protocol.dataReceived(rest)


def _address(source: Source) -> IPv4Address | IPv6Address:
    host, port = source
    return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
