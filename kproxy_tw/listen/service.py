"""UDP listening sockets with a receive buffer as large as the kernel allows."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.udp import Port
from twisted.logger import Logger

import attrs

from kproxy_tw.addresses import Network
from kproxy_tw.listen.batch import SLOTS, DatagramBatch
from kproxy_tw.listen.drops import KernelDrops
from kproxy_tw.listen.protocol import DatagramReceiver, FlowProtocol
from kproxy_tw.listen.proxied import ProxiedReceiver
from kproxy_tw.listen.tee.config import TeeTarget
from kproxy_tw.listen.tee.tee import Tee
from kproxy_tw.status import ListenerStatus, TeeStatus, shown_address

SO_RCVBUFFORCE = 33
"""``asm/socket.h``: like SO_RCVBUF, but above ``rmem_max`` where CAP_NET_ADMIN is there; not in :mod:`socket`."""

MAX_REST_SECONDS = 0.02
"""How long an emptied socket is left alone at most, so that the next wake-up finds many datagrams, not one."""

BURST_BYTES_PER_SECOND = 200e6
"""A burst that the receive buffer must hold during a rest: a small buffer gets shorter rests."""

ERROR_REST_SECONDS = 1.0
"""The same after an error that no datagram causes, such as want of memory in the kernel."""

MOST_A_TURN = 8 * SLOTS
"""Datagrams read in one turn of the reactor; the rest waits for the next turn."""

TURN_SECONDS = 0.004
"""No more is read in a turn that has taken so long: walking some exporters' datagrams costs ten times as much."""

PATIENCE_SECONDS = 5.0
"""How long a start waits for the device list before it reads all the same."""

LAST_TURNS = 20
"""As many turns at most when a socket is about to be closed."""


class Turn(NamedTuple):
    """What was read in a turn of the reactor: how many datagrams, and whether the socket has no more."""

    datagrams: int
    emptied: bool


class FlowPort(Port):
    """A UDP port that reads many datagrams per wake-up: waking up costs more than reading does.

    :ivar rest_seconds: how long it leaves the socket alone once it is empty.
    :ivar drops: what the kernel could not keep for it.
    :ivar behind: told after each turn how full the buffer is that could not be read empty; 0 when it was.
    """

    log = Logger()
    rest_seconds = 0.0
    behind: Callable[[FlowPort, float], None] = staticmethod(lambda _port, _fill: None)

    def startListening(self) -> None:  # noqa: N802
        """Bind and read."""
        super().startListening()
        self._batch = DatagramBatch(self.socket)
        self.drops = KernelDrops(self.socket)

    def doRead(self) -> None:
        """The socket has datagrams: leave it to a timer for as long as more come."""
        self.stopReading()
        self._poll()

    def read_last(self) -> None:
        """Read what has come during a rest, before the socket is closed; ``LAST_TURNS`` turns at most."""
        try:
            for _turn in range(LAST_TURNS):
                if self._read_turn(math.inf).emptied:
                    return
        except OSError:
            return  # beyond reading: it is closed anyway

    def _poll(self) -> None:
        """Read, and come back as long as datagrams keep coming; then let the reactor watch the socket again."""
        if not self.connected:
            return
        try:
            turn = self._read_turn()
        except OSError:
            self.log.failure("cannot read from {port}", port=self)
            self._poll_in(ERROR_REST_SECONDS)
            return
        if turn.datagrams:
            self._poll_in(self.rest_seconds if turn.emptied else 0)
        else:
            self.startReading()

    def _poll_in(self, seconds: float) -> None:
        reactor: Any = self.reactor
        reactor.callLater(seconds, self._poll)

    def _read_turn(self, seconds: float = TURN_SECONDS) -> Turn:
        """Read what is there, :data:`MOST_A_TURN` datagrams at most, and no more after so many seconds."""
        protocol: Any = self.protocol
        clock: Any = self.reactor
        until, total, emptied = clock.seconds() + seconds, 0, False
        while not emptied and total < MOST_A_TURN and (not total or clock.seconds() < until):
            datagrams = self._batch.read()
            protocol.datagramsReceived(datagrams)
            total += len(datagrams)
            emptied = len(datagrams) < SLOTS
        self.drops.read()
        self.behind(self, 0.0 if emptied else self.drops.fill)
        return Turn(total, emptied)


@attrs.frozen(kw_only=True)
class ListenConfig:
    """Where to listen.

    :ivar hosts: addresses to bind; ``::`` takes IPv4 as well.
    :ivar port: UDP port, 0 for one that is free.
    :ivar receive_buffer: bytes to ask of the kernel for each socket.
    :ivar balancers: networks of load balancers whose datagrams begin with a PROXY protocol header.
    :ivar tee: who else gets the datagrams.
    """

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 9995
    receive_buffer: int = 32 << 20
    balancers: tuple[Network, ...] = ()
    tee: tuple[TeeTarget, ...] = ()


class UdpListener(Service):
    """One socket per configured address; all datagrams go to ``receiver``.

    A port that is in use raises :exc:`twisted.internet.error.CannotListenError` at start.

    :param inherited: sockets that are bound already; when there are any, no other is opened.
    :param known: fires when it is known whose datagrams there are. What comes before waits in the kernel, for
        ``PATIENCE_SECONDS`` at most: read at once, it would be a stranger's.
    :param behind: told after each turn of reading which socket was read, and how full its buffer is: the part of it, 0
        when all was read.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        config: ListenConfig,
        receiver: DatagramReceiver,
        inherited: Sequence[socket.socket] = (),
        known: Callable[[], Deferred[None]] = lambda: succeed(None),
        behind: Callable[[Hashable, float], None] = lambda _socket, _fill: None,
    ) -> None:
        self._known = known
        self._behind = behind
        self._patience: Any = None
        self._reactor = reactor
        self._config = config
        self._tee = Tee(reactor=reactor, targets=config.tee, receiver=receiver)
        taking: DatagramReceiver = self._tee if config.tee else receiver
        self._receiver = ProxiedReceiver(taking, config.balancers) if config.balancers else taking
        self._inherited = inherited
        self._ports: list[Any] = []
        self._closed: list[ListenerStatus] = []

    def startService(self) -> None:
        """Bind every address, or take the sockets that are."""
        super().startService()
        self._closed = []
        self._tee.open()
        for sock in self._inherited:
            self._listen(self._adopted(sock), sock.getsockname()[0])
            sock.close()
        for host in () if self._inherited else self._config.hosts:
            protocol = FlowProtocol(self._receiver)
            self._listen(FlowPort(self._config.port, protocol, host, reactor=self._reactor), host)
        self._patience = self._reactor.callLater(PATIENCE_SECONDS, self._begin)
        self._known().addCallback(lambda _known: self._begin())

    def _begin(self) -> None:
        """Read from now on."""
        patience, self._patience = self._patience, None
        if patience is not None:
            if patience.active():
                patience.cancel()
            for port in self._ports:
                port.startReading()

    def _listen(self, port: FlowPort, host: str) -> None:
        port.behind = self._behind
        port.startListening()
        port.stopReading()
        self._ports.append(port)
        self._enlarge(port, host)

    def _adopted(self, sock: socket.socket) -> FlowPort:
        """A port on a duplicate of a bound socket."""
        sock.setblocking(False)
        protocol: Any = FlowProtocol(self._receiver)
        port: Any = FlowPort._fromListeningDescriptor(self._reactor, sock.fileno(), sock.family, protocol, 8192)
        adopted: FlowPort = port
        return adopted

    async def _close(self) -> None:
        ports, self._ports = self._ports, []
        patience, self._patience = self._patience, None
        if patience is not None:
            patience.cancel()
        for port in ports:
            if patience is None:
                port.read_last()
            self._closed.append(_status(port))
            await maybeDeferred(port.stopListening)
        self._tee.close()

    def stopService(self) -> Deferred[None]:
        """Read what has come, and close the sockets."""
        super().stopService()
        return Deferred.fromCoroutine(self._close())

    @property
    def port(self) -> int:
        """The UDP port that the first socket is bound to."""
        return int(self._ports[0].getHost().port)

    def rests(self) -> list[float]:
        """Seconds for which each socket is left alone once it is empty."""
        return [port.rest_seconds for port in self._ports]

    def status(self) -> tuple[ListenerStatus, ...]:
        """One value per socket, those included that are closed."""
        return (*self._closed, *map(_status, self._ports))

    def copies(self) -> tuple[TeeStatus, ...]:
        """What other collectors get of what comes in; one value per target."""
        return self._tee.status()

    def _enlarge(self, port: FlowPort, host: str) -> None:
        sock: socket.socket = port.socket
        asked = self._config.receive_buffer
        granted = enlarge_receive_buffer(sock, asked)
        port.rest_seconds = min(MAX_REST_SECONDS, granted / BURST_BYTES_PER_SECOND)
        address = shown_address(host, sock.getsockname()[1])
        self.log.info(
            "listening for flow on udp {address}, receive buffer {granted} bytes", address=address, granted=granted
        )
        if granted < asked:
            self.log.warn(
                "receive buffer of {address}: {asked} bytes asked for, {granted} granted; bursts may be lost. "
                "Raise the limit: sysctl -w net.core.rmem_max={asked}",
                address=address,
                asked=asked,
                granted=granted,
            )


def enlarge_receive_buffer(sock: socket.socket, asked: int) -> int:
    """Ask the kernel for a receive buffer; gives the bytes that it grants.

    One that systemd made larger (``ReceiveBuffer=``) than we may ask for stays: the kernel would cut it down to that.
    """
    before = _granted(sock)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, asked)
    except PermissionError:
        if not _may_ask_for(asked) < before <= asked:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, asked)
    return _granted(sock)


def _may_ask_for(size: int) -> int:
    """What a socket of ours gets without privilege: ``rmem_max``, which a hardened service cannot read, or ``size``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        return _granted(trial)


def _granted(sock: socket.socket) -> int:
    # The kernel doubles what it grants, for its own bookkeeping (socket(7)).
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def _status(port: FlowPort) -> ListenerStatus:
    where = port.getHost()
    return ListenerStatus(
        address=shown_address(where.host, where.port),
        receive_buffer=_granted(port.socket),
        kernel_drops=port.drops.read(),
    )
