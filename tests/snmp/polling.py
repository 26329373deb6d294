"""Polls simulated agents on loopback, as the polling process does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from kproxy_tw.snmp.agents import GUFO, PYSNMP, Agents
from kproxy_tw.snmp.poll import Wanted
from kproxy_tw.snmp.polling.device import DevicePoller, Times
from kproxy_tw.snmp.reading import Reading
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.testing.snmp_agent import SimulatedAgent

LIBRARIES = (PYSNMP, GUFO)

T = TypeVar("T")

EVERYTHING = Wanted(descriptions=True, counters=True, most_interfaces=750, rank=True)
COUNTERS = Wanted(descriptions=False, counters=True, most_interfaces=500, rank=False)


def in_asyncio(coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Run what awaits futures, for a test that awaits Deferreds."""
    return Deferred.fromFuture(asyncio.ensure_future(coroutine))


@contextmanager
def listening(agent: SimulatedAgent, address: str = "127.0.0.1") -> Iterator[int]:
    """The port of an agent on loopback."""
    from twisted.internet import reactor

    network: Any = reactor
    port = network.listenUDP(0, agent, interface=address, maxPacketSize=65_535)
    try:
        yield port.getHost().port
    finally:
        port.stopListening()


def target(port: int, **settings: Any) -> SnmpTarget:
    """A device on loopback that is not waited for long."""
    usual = {"device_id": 1, "address": "127.0.0.1", "community": "public", "timeout_seconds": 0.3, "retries": 1}
    return SnmpTarget(port=port, **{**usual, **settings})


def poller(port: int, library: str = PYSNMP, **settings: Any) -> DevicePoller:
    """Of one device."""
    return DevicePoller(target(port, **settings), Agents(library, {}), lambda: None)


def poll(device: DevicePoller, wanted: Wanted = EVERYTHING, seconds: float = 20.0) -> Deferred[Reading]:
    """One poll."""
    now = time.monotonic()
    return in_asyncio(device.poll(wanted, Times(now, now + seconds)))
