"""Datagrams that a load balancer passes on with a PROXY protocol header: the exporter's address is in the header.

Source: "The PROXY protocol", version 2, section 2.2 (HAProxy). Only datagrams from listed networks are looked at; what
has no header, or one that cannot be read, is taken as it came, so that it shows as a datagram of the balancer.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence

from kproxy_tw.addresses import Network, plain_address, within
from kproxy_tw.errors import MalformedInput
from kproxy_tw.listen.protocol import DatagramReceiver
from kproxy_tw.reader import Reader

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
VERSION_2 = 0x20
LOCAL, PROXY = 0, 1

FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}
"""The upper half of the byte for family and protocol, to the family and the bytes of an address."""

MAX_KNOWN = 1024
"""Senders of which it is remembered whether they are in a listed network; then all are forgotten."""

Source = tuple[str, int]
"""Address as text, and port."""

Arrived = tuple[bytes, Source]


def unwrapped(data: bytes, sender: Source) -> Arrived:
    """The datagram without its header, and who sent it: ``sender`` when the balancer speaks for itself (LOCAL).

    :raises MalformedInput: there is no header of version 2, or it is cut short.
    """
    reader = Reader(data)
    if reader.take(len(SIGNATURE)) != SIGNATURE:
        raise MalformedInput("no PROXY protocol header")
    command, family, header = reader.u8(), reader.u8() >> 4, reader.part(reader.u16())
    payload = data[reader.position :]
    if command == VERSION_2 | LOCAL:
        return payload, sender
    if command != VERSION_2 | PROXY or family not in FAMILIES:
        raise MalformedInput(f"a PROXY protocol header with command {command:#x} and address family {family}")
    kind, size = FAMILIES[family]
    source = plain_address(socket.inet_ntop(kind, header.take(size)))
    header.skip(size)
    return payload, (source, header.u16())


class ProxiedReceiver:
    """Takes datagrams, and hands them on as their exporters sent them.

    :param receiver: gets them.
    :param networks: of the balancers.
    """

    def __init__(self, receiver: DatagramReceiver, networks: Sequence[Network]) -> None:
        self._receiver = receiver
        self._networks = networks
        self._listed: dict[str, bool] = {}

    def __call__(self, arrived: Iterable[Arrived]) -> None:
        """Take what a socket was read of in one step, in the order of arrival."""
        self._receiver(self._unwrapped(arrived))

    def _unwrapped(self, arrived: Iterable[Arrived]) -> Iterator[Arrived]:
        for data, sender in arrived:
            if self._is_listed(sender[0]):
                try:
                    yield unwrapped(data, sender)
                except MalformedInput:
                    yield data, sender
            else:
                yield data, sender

    def _is_listed(self, address: str) -> bool:
        known = self._listed.get(address)
        if known is None:
            if len(self._listed) >= MAX_KNOWN:
                self._listed.clear()
            known = self._listed[address] = within(address, self._networks)
        return known
