"""One moment of the daemon, taken on the reactor's thread and rendered on another.

Pages of a thousand devices take longer than the reactor may be held up; so whoever renders works on
what was taken here, and taking is done in slices, too: each device's ledger is of one moment and balances.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.task import deferLater

import attrs

from kproxy_tw.ledger import adding
from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, LimitStatus, UnregisteredStatus

if TYPE_CHECKING:
    from kproxy_tw.interfaces import ProxyStatus

SLICE_SECONDS = 0.001
"""After so long the reactor gets its turn."""

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work in short steps, and its result."""


@attrs.frozen
class Snapshot:
    """What ``ProxyStatus`` said at one moment; nothing in it changes afterwards.

    :ivar cost_seconds: processor time that it took.
    """

    daemon: DaemonStatus
    devices: Sequence[DeviceStatus]
    unregistered: Sequence[UnregisteredStatus]
    checks: Sequence[Check]
    limits: Sequence[LimitStatus] = ()
    cost_seconds: float = 0.0


def take(status: ProxyStatus) -> Snapshot:
    """Ask ``status`` and copy what goes on counting, all at once."""
    steps = _everything(status)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            taken: Snapshot = done.value
            return taken


async def take_in_slices(status: ProxyStatus, reactor: Any) -> Snapshot:
    """The same, with turns for others in between."""
    taken, cost = await _in_slices(_everything(status), reactor)
    return attrs.evolve(taken, cost_seconds=cost)


async def daemon_in_slices(status: ProxyStatus, reactor: Any) -> tuple[DaemonStatus, float]:
    """The process as a whole, and the seconds of processor time that it took, with turns for others in between."""
    return await _in_slices(_daemon(status), reactor)


async def _in_slices(steps: Steps[T], reactor: Any) -> tuple[T, float]:
    cost = 0.0
    while True:
        began, ends = time.thread_time(), time.perf_counter() + SLICE_SECONDS
        try:
            while time.perf_counter() < ends:
                next(steps)
        except StopIteration as done:
            result: T = done.value
            return result, cost + time.thread_time() - began
        cost += time.thread_time() - began
        await deferLater(reactor, 0, lambda: None)


def _daemon(status: ProxyStatus) -> Steps[DaemonStatus]:
    totals = yield from adding(status.ledgers())
    return status.daemon(totals)


def _everything(status: ProxyStatus) -> Steps[Snapshot]:
    daemon = yield from _daemon(status)
    yield
    limits = list(status.limits())
    yield
    checks = list(status.checks())
    yield
    unregistered = list(status.unregistered())
    yield
    devices = []
    for device in status.devices():
        devices.append(device)
        yield
    return Snapshot(daemon, sorted(devices, key=lambda device: device.device_name), unregistered, checks, limits)
