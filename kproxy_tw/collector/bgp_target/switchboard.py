"""Joins agents, routers and the daemon: which session belongs to whom, and who is told what. Pure.

It keeps the device list as BGP sees it, gives each router its source address, and ends sessions whose router has come
back with a new one or is no longer listed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from kproxy_tw.bgp.metadata import Caller
from kproxy_tw.bgp.metadata import Opening as StreamOpening
from kproxy_tw.bgp.opening import Opening
from kproxy_tw.collector.bgp_target.cease import Cease
from kproxy_tw.collector.bgp_target.control import Control, ControlStream
from kproxy_tw.collector.bgp_target.peers import PeerList
from kproxy_tw.collector.bgp_target.replies import Told
from kproxy_tw.collector.bgp_target.session import Rejected, Session
from kproxy_tw.collector.bgp_target.sessions import SessionTable, all_give_way, router_of
from kproxy_tw.collector.bgp_target.sources import NoSourceLeft, Router, SourceMap
from kproxy_tw.collector.bgp_target.tenants import MAX_CONTROLS, OverLimit, Tenant, Tenants
from kproxy_tw.collector.bgp_target.to_daemon import Daemon
from kproxy_tw.errors import KproxyError

SETTLE_SECONDS = 0.3
"""What the daemon gets to notice that a router's old connection is gone, before the new one comes."""


class Sources(Protocol):
    """Source addresses that are kept."""

    sources: SourceMap

    async def take(self, router: Router, now: float, in_use: set[str]) -> str:
        """The address of a router. :raises NoSourceLeft: none is left."""


Dial = Callable[[str, Session], Awaitable[Daemon]]
"""Connects a session from a source address; raises a :exc:`KproxyError` in words."""

Tell = Callable[[Session, str], None]


class Switchboard:
    """What agents, routers and the daemon meet at.

    :param pin: of this kcollect, echoed by agents.
    :param tell: is told what happens to sessions.
    :param clock: Twisted's ``IReactorTime``.
    """

    def __init__(self, *, peers: PeerList, sources: Sources, dial: Dial, pin: str, tell: Tell, clock: Any) -> None:
        self.tenants = Tenants()
        self.table = SessionTable()
        self.controls: set[Control] = set()
        self.peers = peers
        self.sources = sources
        self._dial = dial
        self._pin = pin
        self._tell = tell
        self._clock = clock
        self._stopping = False

    async def serve_control(self, caller: Caller, tenant: Tenant, stream: ControlStream) -> None:
        """Serve an agent's Control stream. :raises OverLimit: the tenant has too many of them."""
        if tenant.controls >= MAX_CONTROLS:
            raise OverLimit(f"{MAX_CONTROLS} Control streams of one account")
        told = Told(site_id=caller.site_id, pin=self._pin)
        control = Control(stream, caller=caller, told=told, peers=self.peers, since=time.time())
        tenant.controls += 1
        self.controls.add(control)
        try:
            await control.serve()
        finally:
            self.controls.discard(control)
            tenant.controls -= 1

    def session(self, opening: StreamOpening, tenant: Tenant) -> Session | None:
        """The session that a Data stream is for; ``None`` when it is to be killed.

        :raises OverLimit: the tenant has too many.
        """
        known = self.table.find(tenant, opening.connection.session_id)
        if known is not None:
            return known if known.continues(opening) else None
        peer = self.peers.find(opening.connection.device_ip, opening.caller.site_id)
        if peer is None or opening.counts.up or opening.counts.down or self._stopping:
            return None
        self.table.check_room(tenant)
        session = Session(
            opening=opening, peer=peer, tenant=tenant, connect=self._connect, clock=self._clock, tell=self._told
        )
        self.table.add(session, time.time())
        return session

    def changed(self, peers: PeerList) -> None:
        """Another device list counts: tell agents, and end what it no longer allows."""
        self.peers = peers
        for control in tuple(self.controls):
            control.changed(peers)
        for entry in self.table.all():
            opening = entry.session.opening
            if peers.find(opening.connection.device_ip, opening.caller.site_id) is None:
                entry.session.finish(Cease.PEER_DECONFIGURED, "the device list no longer has the router")

    def stop(self) -> None:
        """Take no more sessions, and tell all routers to try again."""
        self._stopping = True
        for control in tuple(self.controls):
            control.close()
        for entry in self.table.all():
            entry.session.finish(Cease.ADMINISTRATIVE_RESET, "kcollect stops")

    def end_all(self) -> None:
        """End what is left."""
        for entry in self.table.all():
            entry.session.end("kcollect stops")

    async def _connect(self, session: Session, opening: Opening | None) -> Daemon:
        router = router_of(session, opening)
        others = self.table.others(session, router)
        if not all_give_way(others, session, self._clock.seconds()):
            raise Rejected("another kbgp has a session of this router", Cease.COLLISION_RESOLUTION)
        for other in others:
            other.finish(Cease.COLLISION_RESOLUTION, "the router has come back with a new connection")
        try:
            source = await self.sources.take(router, time.time(), self.table.sources_in_use())
            self.table.introduce(session, router, source)
            if others:
                await asyncio.sleep(SETTLE_SECONDS)
            return await self._dial(source, session)
        except NoSourceLeft as problem:
            raise Rejected(str(problem), Cease.OUT_OF_RESOURCES) from None
        except KproxyError as problem:
            raise Rejected(str(problem)) from None

    def _told(self, session: Session, what: str) -> None:
        self._tell(session, what)
        if session.over:
            self.table.remove(session, time.time(), what.removeprefix("ended: "))
