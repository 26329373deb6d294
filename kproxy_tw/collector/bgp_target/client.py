"""Connects to the BGP daemon from a router's own source address."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any

from twisted.internet.protocol import Factory

from kproxy_tw.collector.bgp_target.config import BgpTargetConfig
from kproxy_tw.collector.bgp_target.protocol import DaemonEvents, DaemonLink
from kproxy_tw.errors import KproxyError

CONNECT_SECONDS = 5.0

USER_TIMEOUT_MS = 30_000
"""A daemon that acknowledges nothing for so long is gone."""

IP_BIND_ADDRESS_NO_PORT = 24
"""Linux, linux/in.h: leave the choice of the port to connect(), which looks at all four parts of the address."""

IPV6_FREEBIND = 78
"""Linux, linux/in6.h: addresses of a network that is routed here are on no interface."""


class DaemonUnreachable(KproxyError):
    """There is no connection to the daemon; ``str()`` says why and what to do."""


class DaemonDialer:
    """Opens connections to the daemon.

    :param reactor: adopts them.
    """

    def __init__(self, config: BgpTargetConfig, reactor: Any) -> None:
        self._address = str(config.daemon), config.daemon_port
        self._family = socket.AF_INET if config.daemon.version == 4 else socket.AF_INET6
        self._reactor = reactor

    async def connect(self, source: str, events: DaemonEvents) -> DaemonLink:
        """Connect from ``source``. :raises DaemonUnreachable: nobody answers, or the address is not ours."""
        loop = asyncio.get_running_loop()
        with socket.socket(self._family, socket.SOCK_STREAM) as connecting:
            connecting.setblocking(False)
            try:
                self._bind(connecting, source)
                await asyncio.wait_for(loop.sock_connect(connecting, self._address), CONNECT_SECONDS)
            except OSError as problem:
                raise DaemonUnreachable(self._explained(problem, source)) from None
            link = DaemonLink(events, self._reactor)
            self._reactor.adoptStreamConnection(connecting.fileno(), self._family, Factory.forProtocol(lambda: link))
        return link

    def _bind(self, connecting: socket.socket, source: str) -> None:
        connecting.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        if self._family == socket.AF_INET6:
            connecting.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        connecting.bind((source, 0))

    def _explained(self, problem: OSError, source: str) -> str:
        host, port = self._address
        daemon = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if isinstance(problem, TimeoutError):
            return f"the BGP daemon at {daemon} does not answer within {CONNECT_SECONDS:.0f} s"
        if problem.errno == errno.EADDRNOTAVAIL:
            return f"{source} is no address of this machine; see -bgp_sources"
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        return f"the BGP daemon at {daemon} takes no connection from {source}: {reason}"
