"""Sockets that send a copy: from an address of ours, with the exporter in a PROXY header, or in the exporter's name.

Sending in another's name needs CAP_NET_RAW (``IP_TRANSPARENT``, ip(7)); the kernel then does the rest as for any
datagram: check sums, fragments, both families. None of them blocks: what the kernel does not take is lost and counted.
"""

from __future__ import annotations

import errno
import socket
from collections import OrderedDict
from typing import Protocol

from kproxy_tw.listen.proxyheader import Source, datagram_header
from kproxy_tw.listen.tee.config import TeeTarget

IPV6_TRANSPARENT = 75
"""``linux/in6.h``; not in :mod:`socket`."""

IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0
"""``linux/in.h``: datagrams larger than a link are cut up on the way, as the exporter's are."""

MAX_SOCKETS = 256
"""Exporters in whose names one target's copies are sent at a time; the one that was silent longest makes room."""

BUFFER_BYTES = 4 << 20
"""What may wait in the kernel for the network."""


class Sender(Protocol):
    """Sends copies to one target."""

    def send(self, data: bytes, exporter: Source) -> None:
        """Send one. :raises OSError: the kernel did not take it."""

    def close(self) -> None:
        """Close its sockets."""


class OwnSender:
    """Sends from an address of this machine.

    :param with_header: the exporter's address stands in a PROXY protocol header, version 2.
    :raises OSError: the source is no address of this machine, or there is no way to the target.
    """

    def __init__(self, target: TeeTarget, source: str = "", *, with_header: bool = False) -> None:
        self._with_header = with_header
        self._destination = (target.host, target.port)
        self._socket = _socket(target)
        try:
            if source:
                self._socket.bind((source, 0))
            self._socket.connect(self._destination)
        except OSError:
            self._socket.close()
            raise

    def send(self, data: bytes, exporter: Source) -> None:
        """See :class:`Sender`."""
        self._socket.send(datagram_header(exporter, self._destination) + data if self._with_header else data)

    def close(self) -> None:
        """See :class:`Sender`."""
        self._socket.close()


class ExporterSender:
    """Sends in the exporters' names: each has a socket that is bound to its address and port.

    :raises PermissionError: the process may not.
    """

    def __init__(self, target: TeeTarget) -> None:
        self._target = target
        self._sockets: OrderedDict[Source, socket.socket] = OrderedDict()
        self._transparent().close()

    def send(self, data: bytes, exporter: Source) -> None:
        """See :class:`Sender`."""
        known = self._sockets.get(exporter)
        if known is None:
            known = self._open(exporter)
        else:
            self._sockets.move_to_end(exporter)
        known.send(data)

    def close(self) -> None:
        """See :class:`Sender`."""
        for known in self._sockets.values():
            known.close()
        self._sockets.clear()

    def _open(self, exporter: Source) -> socket.socket:
        if len(self._sockets) >= MAX_SOCKETS:
            self._sockets.popitem(last=False)[1].close()
        opened = self._transparent()
        try:
            _bind(opened, exporter)
            opened.connect((self._target.host, self._target.port))
        except OSError:
            opened.close()
            raise
        self._sockets[exporter] = opened
        return opened

    def _transparent(self) -> socket.socket:
        opened = _socket(self._target)
        try:
            if self._target.is_ipv6:
                opened.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
            else:
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TRANSPARENT, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError:
            opened.close()
            raise
        return opened


def _bind(opened: socket.socket, exporter: Source) -> None:
    """To the exporter's port, too, unless the exporter is a program of this machine and has it."""
    try:
        opened.bind(exporter)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        opened.bind((exporter[0], 0))


def _socket(target: TeeTarget) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if target.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    if not target.is_ipv6:
        opened.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
    return opened
