"""Listening sockets for BGP, bound before privileges are given up, accepting once everything behind them runs."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from kproxy_tw.bgp.config import ListenAddress
from kproxy_tw.errors import ConfigError
from kproxy_tw.status import shown_address

BACKLOG = 512
"""Connections that the kernel holds until they are accepted: a thousand routers may come back in one second."""


class BgpListeners(Service):
    """One socket per address.

    :param factory: builds the protocol for each connection.
    """

    log = Logger()

    def __init__(self, *, reactor: Any, addresses: Sequence[ListenAddress], factory: ServerFactory[Any]) -> None:
        self._reactor = reactor
        self._addresses = addresses
        self._factory = factory
        self._sockets: list[socket.socket] = []
        self._ports: list[Any] = []

    def privilegedStartService(self) -> None:
        """Bind every address.

        :raises CannotListenError: one of them cannot be had.
        :raises ConfigError: one of them is no address of this machine.
        """
        super().privilegedStartService()
        self._bind()

    def startService(self) -> None:
        """Accept connections. :raises CannotListenError: see :meth:`privilegedStartService`."""
        if not self._sockets:
            self._bind()
        for listening in self._sockets:
            listening.listen(BACKLOG)
            self._ports.append(self._reactor.adoptStreamPort(listening.fileno(), listening.family, self._factory))
        super().startService()
        self.log.info("listening for BGP on {listeners}", listeners=", ".join(self.shown()))

    def stopService(self) -> Deferred[None]:
        """Accept no more; fires when the addresses are free."""
        super().stopService()
        return Deferred.fromCoroutine(self._close())

    def sockets(self) -> Sequence[socket.socket]:
        """The listening sockets, for keys that belong on them."""
        return tuple(self._sockets)

    def shown(self) -> list[str]:
        """The addresses as they are bound."""
        bound = zip(self._addresses, self._sockets, strict=True)
        return [shown_address(address.host, listening.getsockname()[1]) for address, listening in bound]

    def _bind(self) -> None:
        try:
            for address in self._addresses:
                self._sockets.append(self._bound(address))
        except BaseException:
            self._release()
            raise

    def _bound(self, address: ListenAddress) -> socket.socket:
        family, place = _resolved(address)
        listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self._only_v6(address))
            listening.bind(place)
        except OSError as problem:
            listening.close()
            raise CannotListenError(address.host, address.port, problem) from problem
        return listening

    def _only_v6(self, address: ListenAddress) -> bool:
        """Whether another of our sockets takes the IPv4 connections of this port."""
        return any(other.port == address.port and ":" not in other.host for other in self._addresses)

    async def _close(self) -> None:
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        self._release()

    def _release(self) -> None:
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            listening.close()


def _resolved(address: ListenAddress) -> tuple[socket.AddressFamily, Any]:
    """Give the family and what ``bind`` takes, with the number of a link-local address's interface."""
    try:
        family, _kind, _protocol, _name, place = socket.getaddrinfo(
            address.host,
            address.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV | socket.AI_PASSIVE,
        )[0]
    except OSError:
        raise ConfigError("listen", f"{address.host} is no address; is its interface there?") from None
    return family, place
