"""The edge: routers come in here, are looked up, and get a tunnel to the backend."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from kproxy_tw.bgp.admission import Admission, NoRoom, Ticket
from kproxy_tw.bgp.admit.service import Admitter, SignatureCheck
from kproxy_tw.bgp.config import EdgeConfig
from kproxy_tw.bgp.counts import BgpCounts
from kproxy_tw.bgp.denylist import DenyList
from kproxy_tw.bgp.interfaces import Backend, Connection, Parameters
from kproxy_tw.bgp.log_fields import MODULE, device_field, places
from kproxy_tw.bgp.lookup.service import LookupService
from kproxy_tw.bgp.md5.complaints import Complaints
from kproxy_tw.bgp.notification import connection_rejected
from kproxy_tw.bgp.protocol import RouterProtocol
from kproxy_tw.bgp.refused import Refused
from kproxy_tw.bgp.relay import STALL_WARNING_SECONDS, Relay
from kproxy_tw.bgp.sessions import Session, SessionTable
from kproxy_tw.errors import BackendUnavailable
from kproxy_tw.status import shown_address

CHECK_SECONDS = 1.0
"""How often sessions are looked at for a side that does not read."""

QUIET_CAUSES = ("denied", "gone", "unknown", "shutdown")
"""Refusals that are told elsewhere, or are nobody's fault."""


class EdgeService(Service):
    """All connections of routers, from their acceptance to their end.

    :param backend: where tunnels lead to.
    :param lookups: the queue of questions to it.
    :param admission: the queue's state; remembers who has had a session.
    :param signatures: ``None`` without support for TCP MD5.
    :param wall_ns: nanoseconds since 1970.
    :ivar table: open and ended sessions.
    :ivar denied: addresses that are closed at once.
    :ivar counts: of connections; bytes and messages are in ``table.totals()``.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        config: EdgeConfig,
        backend: Backend,
        lookups: LookupService,
        admission: Admission,
        signatures: SignatureCheck | None,
        wall_ns: Callable[[], int],
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._backend = backend
        self._lookups = lookups
        self._admission = admission
        self._wall_ns = wall_ns
        self._complaints = Complaints(reactor.seconds())
        self._relays: dict[Session, Relay] = {}
        self._admitting: dict[Relay, Deferred[None]] = {}
        self._checks = LoopingCall(self._check_stalls)
        self._checks.clock = reactor
        self.counts = BgpCounts()
        self.table = SessionTable(self.counts)
        self.denied = DenyList()
        self._admitter = Admitter(
            reactor=reactor,
            config=config,
            backend=backend,
            lookups=lookups,
            table=self.table,
            relays=self._relays,
            signatures=signatures,
        )

    def startService(self) -> None:
        """Begin to obey the backend."""
        super().startService()
        self._lookups.on_pushed(self._pushed)
        self._checks.start(CHECK_SECONDS, now=False)

    def stopService(self) -> Deferred[Any]:
        """End every session, in order: the backend gets what was read, the routers what was received."""
        super().stopService()
        if self._checks.running:
            self._checks.stop()
        for relay in (*self._admitting, *self._relays.values()):
            relay.end("shutdown", "kbgp is stopping")
        return DeferredList(list(self._admitting.values()))

    @property
    def pending(self) -> int:
        """Connections that wait for admission."""
        return len(self._admitting)

    def stalled(self, seconds: float) -> int:
        """Count sessions in which one side has not read for longer than ``seconds``."""
        return sum(relay.stalled_seconds() > seconds for relay in self._relays.values())

    def stalled_seconds(self, session: Session) -> float:
        """For how long one side of an open session has not read."""
        relay = self._relays.get(session)
        return 0.0 if relay is None else relay.stalled_seconds()

    def accepted(self, router: RouterProtocol) -> Relay | None:
        """A router has connected; ``None`` closes it. Called by its protocol, with both addresses known."""
        self.counts.connections += 1
        connection = Connection(
            session_id=str(uuid.uuid4()),
            device_ip=router.device[0],
            device_port=router.device[1],
            proxy_ip=router.proxy[0],
            proxy_port=router.proxy[1],
        )
        if self.denied.refuses(connection.device_ip, self._reactor.seconds()):
            return self._turned_away(connection, "denied", "the address is on the deny list")
        if not self.running:
            return self._turned_away(connection, "shutdown", "kbgp is stopping")
        if len(self._relays) >= self._config.max_sessions:
            return self._turned_away(connection, "limit", f"{self._config.max_sessions} sessions are open already")
        session = Session(connection=connection, since_ns=self._wall_ns(), began=self._reactor.seconds())
        relay = Relay(session, router.line, ended=self._ended, seconds=self._reactor.seconds)
        return self._begin_admission(relay, router)

    def header_missing(self, proxy_ip: str) -> None:
        """A connection from a listed proxy began without a PROXY header."""
        self.counts.connections += 1
        self.counts.refuse("proxy_header")
        if self._complaints.due(proxy_ip, "proxy_header", self._reactor.seconds()):
            self.log.warn(
                "{proxy} sent no PROXY header, or a bad one; see --proxy-protocol", proxy=proxy_ip, module=MODULE
            )

    # The way in.

    def _begin_admission(self, relay: Relay, router: RouterProtocol) -> Relay | None:
        connection = relay.session.connection
        try:
            ticket = self._lookups.enter(connection.device_ip)
        except NoRoom as problem:
            return self._turned_away(connection, "no_room", str(problem))
        admitting = Deferred.fromCoroutine(self._admit(relay, router, ticket))
        if not admitting.called:
            self._admitting[relay] = admitting
        admitting.addTimeout(self._config.wait_seconds, self._reactor)
        admitting.addErrback(self._eb_admit, relay)
        admitting.addBoth(self._after_admission, relay, ticket)
        return relay

    async def _admit(self, relay: Relay, router: RouterProtocol, ticket: Ticket) -> None:
        parameters = await self._admitter.admit(relay, router.line.handle, ticket)
        self._open(relay, parameters)

    def _open(self, relay: Relay, parameters: Parameters) -> None:
        session = relay.session
        session.device_name = parameters.device_name
        session.device_id = parameters.device_id
        session.company_id = parameters.company_id
        session.md5 = bool(parameters.tcp_md5)
        session.backend_pin = ", ".join(parameters.metadata.get("backend-pin", ()))
        self._relays[session] = relay
        self.table.add(session)
        self._admission.welcome(session.connection.device_ip)
        self._say("session with {device} begins", session)
        relay.start(lambda events: self._backend.open_tunnel(session.connection, parameters, events))

    def _eb_admit(self, failure: Failure, relay: Relay) -> None:
        problem = failure.value
        if isinstance(problem, Refused):
            if problem.blocked is not None:
                self._deny(problem.blocked, relay.session.connection)
            relay.end(problem.cause, str(problem), connection_rejected() if problem.blocked is not None else b"")
        elif isinstance(problem, NoRoom):
            relay.end("no_room", str(problem))
        elif isinstance(problem, DeferredTimeout):
            relay.end("timeout", f"not admitted within {self._config.wait_seconds:g} s")
        elif isinstance(problem, BackendUnavailable):
            relay.end("unavailable", str(problem))
        elif not isinstance(problem, CancelledError):
            self.log.failure("admitting {peer} met a bug; please report this", failure, peer=_peer(relay.session))
            relay.end("unavailable", "a bug, see the log")

    def _after_admission(self, result: None, relay: Relay, ticket: Ticket) -> None:
        self._admitting.pop(relay, None)
        self._lookups.leave(ticket)

    def _turned_away(self, connection: Connection, cause: str, reason: str) -> Relay | None:
        """Count it, and tell it at the level ``warn`` if people can do something about it and were not told lately."""
        self.counts.refuse(cause)
        quiet = cause in QUIET_CAUSES or not self._complaints.due(connection.device_ip, cause, self._reactor.seconds())
        level = self.log.debug if quiet else self.log.warn
        level("connection refused: {reason}", reason=reason, cause=cause, **places(connection))
        return None

    # The way out.

    def _ended(self, relay: Relay, cause: str, reason: str) -> None:
        if relay.session in self._relays:
            self._session_ended(relay.session, cause, reason)
            self._admitter.ended(relay)  # who waits for its place finds it free now
            return
        self._turned_away(relay.session.connection, cause, reason)
        admitting = self._admitting.get(relay)
        if admitting is not None:
            admitting.cancel()

    def _session_ended(self, session: Session, cause: str, reason: str) -> None:
        del self._relays[session]
        self.table.end(session, cause, reason, now=self._reactor.seconds(), now_ns=self._wall_ns())
        if cause == "session_reset":
            self._lookups.forget(session.connection.device_ip)
        self._say("session with {device} has ended: {reason}", session, reason=reason, cause=cause)

    def _pushed(self, parameters: Parameters) -> None:
        """The backend has said something unasked: a block, or that an address is welcome now."""
        if not parameters.blocked:
            self.denied.allow(parameters.device_ip)
            return
        self._deny(parameters, None)
        for session in self.table.of(parameters.device_ip):
            self._relays[session].end("blocked", "the backend has blocked this router", connection_rejected())

    def _deny(self, parameters: Parameters, connection: Connection | None) -> None:
        self._admission.unwelcome(parameters.device_ip)
        fresh = self.denied.deny(
            parameters.device_ip,
            "INVALID / UNKNOWN device",
            ttl_seconds=parameters.ttl_seconds,
            ttl_counter=parameters.ttl_counter,
            now=self._reactor.seconds(),
        )
        if fresh:
            self.log.info(
                "Deny-listed an INVALID / UNKNOWN device",
                component=MODULE,
                device_ip=parameters.device_ip,
                ttl_counter=parameters.ttl_counter,
                ttl_seconds=parameters.ttl_seconds,
                **({} if connection is None else _denied_places(connection)),
            )

    def _check_stalls(self) -> None:
        now = self._reactor.seconds()
        for session, relay in tuple(self._relays.items()):
            relay.check_stall()
            if relay.stalled_seconds() > STALL_WARNING_SECONDS and self._complaints.due(
                session.connection.device_ip, "stall", now
            ):
                self.log.warn("a side of the session with {device} does not read", **_names(session))

    def _say(self, message: str, session: Session, **fields: object) -> None:
        self.log.info(message, **fields, **_names(session))


def _peer(session: Session) -> str:
    return shown_address(session.connection.device_ip, session.connection.device_port)


def _names(session: Session) -> dict[str, object]:
    """The fields of a line about a session."""
    device = device_field(
        session.connection,
        company_id=session.company_id,
        name=session.device_name,
        device_id=session.device_id,
    )
    return {"device": device, **places(session.connection)}


def _denied_places(connection: Connection) -> dict[str, object]:
    """Places under the names that this one line has in the original."""
    fields = places(connection)
    return {"peer_addr": fields["peer_addr"], "local_addr": fields["local_addr"], "sessid": fields["session_id"]}
