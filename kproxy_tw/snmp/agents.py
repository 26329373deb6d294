"""Opens clients: which library asks a device, and what is known of it from earlier polls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import attrs

from kproxy_tw.snmp import libraries
from kproxy_tw.snmp.client import AgentClient, CarefulClient
from kproxy_tw.snmp.keys import KeyRing
from kproxy_tw.snmp.message import CommunitySecurity
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.protocol import AgentSocket
from kproxy_tw.snmp.settings import SnmpTarget, Version
from kproxy_tw.snmp.usm import AgentClock, UsmSecurity

PYSNMP, GUFO = libraries.PYSNMP, libraries.GUFO

MAX_ENGINES = 16_384

MAX_THREADS = 64
"""Walks of the fast client at the same time; none is made for the careful one."""

Key = tuple[str, int]
"""Address and port."""


@attrs.frozen
class KnownAgent:
    """What is remembered of an engine of version 3, over restarts.

    :ivar started: when it started, by its own clock, in seconds since 1970.
    """

    engine_id: bytes
    boots: int
    started: float


class Agents:
    """Opens clients.

    :param library: ``PYSNMP`` or ``GUFO``.
    :ivar engines: by address and port; bounded, the oldest make room.
    """

    def __init__(
        self,
        library: str,
        engines: Mapping[Key, KnownAgent],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.library = library
        self.engines = dict(engines)
        self._clock = clock
        self._wall = wall
        self._ring = KeyRing()
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="snmp")

    async def open(self, target: SnmpTarget, pace: Pace) -> tuple[AgentClient, CommunitySecurity | UsmSecurity]:
        """A client, and its session. :raises AgentFailure: there is no route."""
        security = self._security(target)
        socket = await AgentSocket.open(target.address, target.port, target.source_address)
        careful = CarefulClient(target, socket, security, pace, self._clock)
        if self.library != GUFO:
            return careful, security
        from kproxy_tw.snmp.fast.client import FastClient, can_walk_fast

        if not can_walk_fast(target):
            return careful, security
        return FastClient(target, careful, security, pace, self._threads, self._clock), security

    def _security(self, target: SnmpTarget) -> CommunitySecurity | UsmSecurity:
        if target.version is not Version.V3 or target.v3 is None:
            return CommunitySecurity(target.version, target.community)
        known = self.engines.get((target.address, target.port))
        if known is None:
            return UsmSecurity(target.v3, self._ring)
        now = self._clock()
        clock = AgentClock(known.boots, max(0, int(self._wall() - known.started)), now)
        return UsmSecurity(target.v3, self._ring, known.engine_id, clock)

    def learn(self, target: SnmpTarget, security: CommunitySecurity | UsmSecurity) -> bool:
        """Remember the engine. True when there is news that is worth keeping over a restart."""
        if not isinstance(security, UsmSecurity) or not security.engine_id:
            return False
        key, clock = (target.address, target.port), security.clock
        started = self._wall() - clock.time_now(self._clock())
        known = self.engines.pop(key, None)
        self.engines[key] = KnownAgent(security.engine_id, clock.boots, started)
        if len(self.engines) > MAX_ENGINES:
            del self.engines[next(iter(self.engines))]
        return known is None or (known.engine_id, known.boots) != (security.engine_id, clock.boots)
