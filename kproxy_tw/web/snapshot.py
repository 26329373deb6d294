"""One moment of the daemon, taken on the reactor's thread and rendered on another.

Pages of a thousand devices take longer than the reactor may be held up; so whoever renders works on
what was taken here, and taking is done in slices, too: each device's ledger is of one moment and balances.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.task import deferLater

import attrs

from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, LimitStatus, UnregisteredStatus

if TYPE_CHECKING:
    from kproxy_tw.interfaces import ProxyStatus

SLICE_SECONDS = 0.001
"""After so long the reactor gets its turn; the longest step, to add up a thousand ledgers, takes 2 to 5 ms."""

Taking = Generator[None, None, "Snapshot"]


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
    steps = _steps(status)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            taken: Snapshot = done.value
            return taken


async def take_in_slices(status: ProxyStatus, reactor: Any) -> Snapshot:
    """The same, with turns for others in between."""
    steps, cost = _steps(status), 0.0
    while True:
        began, ends = time.thread_time(), time.perf_counter() + SLICE_SECONDS
        try:
            while time.perf_counter() < ends:
                next(steps)
        except StopIteration as done:
            taken: Snapshot = done.value
            return attrs.evolve(taken, cost_seconds=cost + time.thread_time() - began)
        cost += time.thread_time() - began
        await deferLater(reactor, 0, lambda: None)


def _steps(status: ProxyStatus) -> Taking:
    # First what takes long by itself, so that it does not come on top of a slice.
    daemon = status.daemon()
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
