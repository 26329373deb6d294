"""Datagrams that a load balancer passes on with a PROXY protocol header: the exporter's address is in the header.

Only datagrams from listed networks are looked at; what has no header, or one that cannot be read, is taken as it came,
so that it shows as a datagram of the balancer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kproxy_tw.addresses import Network, within
from kproxy_tw.errors import MalformedInput
from kproxy_tw.listen.protocol import DatagramReceiver
from kproxy_tw.listen.proxyheader import Source, read_version_2

MAX_KNOWN = 1024
"""Senders of which it is remembered whether they are in a listed network; then all are forgotten."""

Arrived = tuple[bytes, Source]


def unwrapped(data: bytes, sender: Source) -> Arrived:
    """The datagram without its header, and who sent it: ``sender`` when the balancer speaks for itself (LOCAL).

    :raises MalformedInput: there is no header of version 2, or it is cut short.
    """
    header = read_version_2(data)
    return data[header.length :], header.source or sender


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
