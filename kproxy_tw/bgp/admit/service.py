"""What a connection goes through before it is a session: turn, answer of the backend, rivals, signature."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.logger import Logger

from kproxy_tw.bgp.admission import Ticket
from kproxy_tw.bgp.config import EdgeConfig
from kproxy_tw.bgp.interfaces import Backend, Connection, Parameters
from kproxy_tw.bgp.lookup.service import LookupService
from kproxy_tw.bgp.refused import Refused
from kproxy_tw.bgp.relay import Relay
from kproxy_tw.bgp.rivals import rivals
from kproxy_tw.bgp.sessions import Session, SessionTable


class SignatureCheck(Protocol):
    """TCP MD5, as far as admission needs it; ``md5.service.Md5Service`` fits."""

    def refusal(self, sock: socket.socket, device_ip: str, parameters: Parameters) -> str:
        """Why an accepted connection must not go on; empty if it may."""


class Admitter:
    """Decides about connections, each in a flow of its own.

    :param backend: gives the answers; ``lookups`` the turns.
    :param relays: those of the sessions in ``table``.
    :param signatures: ``None`` without support for TCP MD5.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        config: EdgeConfig,
        backend: Backend,
        lookups: LookupService,
        table: SessionTable,
        relays: Mapping[Session, Relay],
        signatures: SignatureCheck | None,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._backend = backend
        self._lookups = lookups
        self._table = table
        self._relays = relays
        self._signatures = signatures
        self._probed: dict[Relay, list[Deferred[None]]] = {}

    async def admit(self, relay: Relay, sock: socket.socket, ticket: Ticket) -> Parameters:
        """Let a router in; gives what the backend says of it. No time limit of its own: cancel it.

        :raises Refused: it must not come in.
        :raises NoRoom: its place in the queue is gone.
        :raises BackendUnavailable: there is no answer.
        """
        connection = relay.session.connection
        parameters = self._backend.kept(connection.device_ip) or await self._ask(connection, ticket)
        if parameters.blocked:
            raise Refused("unknown", "the backend does not know this router", parameters)
        self._check_signature(sock, connection.device_ip, parameters)
        await self._settle(relay)
        return parameters

    def ended(self, relay: Relay) -> None:
        """Somebody's session has ended: tell those who wait for it."""
        for gone in self._probed.pop(relay, ()):
            if not gone.called:
                gone.callback(None)

    async def _ask(self, connection: Connection, ticket: Ticket) -> Parameters:
        await self._lookups.turn(ticket)
        return await self._backend.parameters(
            device_ip=connection.device_ip,
            device_port=connection.device_port,
            proxy_ip=connection.proxy_ip,
            proxy_port=connection.proxy_port,
        )

    def _check_signature(self, sock: socket.socket, device_ip: str, parameters: Parameters) -> None:
        problem = ""
        if self._signatures is not None:
            problem = self._signatures.refusal(sock, device_ip, parameters)
        elif parameters.tcp_md5:
            problem = "the backend has an MD5 key for this router; start kbgp with --enable-md5-support"
        if problem:
            raise Refused("md5", problem)

    async def _settle(self, relay: Relay) -> None:
        """Make sure that no other session is this router's. :raises Refused: one is, and it is alive."""
        session = relay.session
        address = session.connection.device_ip
        if self._table.of(address):
            await self._opening(relay)
        while same := rivals(session, self._table.of(address)):
            await self._outlive(self._relays[same[0]])
        if len(self._table.of(address)) >= self._config.max_sessions_of_one_address:
            raise Refused("limit", f"{self._config.max_sessions_of_one_address} routers of this address are here")

    async def _opening(self, relay: Relay) -> None:
        """Wait for the router's OPEN, which it sends of its own accord; what it is shows then."""
        if relay.session.router is None:
            there: Deferred[None] = Deferred()
            relay.on_open = partial(there.callback, None)
            await there

    async def _outlive(self, rival: Relay) -> None:
        """Wait for the end of a session that may be dead. :raises Refused: it is not."""
        gone: Deferred[None] = Deferred()
        gone.addTimeout(self._config.probe_seconds, self._reactor)
        self._probed.setdefault(rival, []).append(gone)
        rival.router.probe()
        try:
            await gone
        except DeferredTimeout:
            raise Refused("dup", "the address has a session already, and its router answers") from None
        finally:
            waiting = self._probed.get(rival, [])
            if gone in waiting:
                waiting.remove(gone)
            if not waiting:
                self._probed.pop(rival, None)
                rival.router.calm()
