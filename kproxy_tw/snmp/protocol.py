"""Datagrams to one agent, from a socket that hears this agent alone."""

from __future__ import annotations

import asyncio
import errno

from kproxy_tw.snmp.failure import AgentFailure
from kproxy_tw.snmp.reading import ErrorKind

MAX_WAITING = 64
"""Datagrams that wait to be read; an agent owes us one at a time."""

_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}


class AgentProtocol(asyncio.DatagramProtocol):
    """Keeps what came in until it is asked for.

    :ivar overflow: datagrams that came in while too many waited.
    """

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[bytes | OSError] = asyncio.Queue(MAX_WAITING)
        self.overflow = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep it."""
        self._keep(data)

    def error_received(self, exc: Exception) -> None:
        """The network says that the agent cannot be reached."""
        self._keep(exc if isinstance(exc, OSError) else OSError(str(exc)))

    def _keep(self, arrived: bytes | OSError) -> None:
        try:
            self._arrived.put_nowait(arrived)
        except asyncio.QueueFull:
            self.overflow += 1

    async def next(self) -> bytes:
        """The next datagram. :raises OSError: what the network said instead."""
        arrived = await self._arrived.get()
        if isinstance(arrived, OSError):
            raise arrived
        return arrived


class AgentSocket:
    """A connected UDP socket: the kernel lets datagrams of other addresses and ports not through."""

    def __init__(self, transport: asyncio.DatagramTransport, protocol: AgentProtocol) -> None:
        self._transport = transport
        self._protocol = protocol

    @classmethod
    async def open(cls, address: str, port: int, source_address: str = "") -> AgentSocket:
        """Open it. :raises AgentFailure: there is no route, or the source address is not ours."""
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                AgentProtocol,
                local_addr=(source_address, 0) if source_address else None,
                remote_addr=(address, port),
            )
        except OSError as problem:
            raise unreachable(problem, address, source_address) from None
        return cls(transport, protocol)

    @property
    def overflow(self) -> int:
        """Datagrams that were dropped as too many waited."""
        return self._protocol.overflow

    def send(self, datagram: bytes) -> None:
        """Send; errors come back from :meth:`receive`."""
        self._transport.sendto(datagram)

    async def receive(self) -> bytes:
        """The next datagram. :raises OSError: what the network said instead."""
        return await self._protocol.next()

    def close(self) -> None:
        """Close it."""
        self._transport.close()


def unreachable(problem: OSError, address: str, source_address: str = "") -> AgentFailure:
    """What an error of the network means."""
    if isinstance(problem, ConnectionRefusedError):
        return AgentFailure(ErrorKind.REFUSED, f"{address} is there, but nothing listens on this port")
    if problem.errno in _NO_ROUTE:
        source = f" from {source_address}" if source_address else ""
        return AgentFailure(ErrorKind.NO_ROUTE, f"no route to {address}{source}: {problem.strerror}")
    return AgentFailure(ErrorKind.NO_ROUTE, f"cannot send to {address}: {problem.strerror or problem}")
