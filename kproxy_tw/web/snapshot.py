"""One moment of the daemon, taken on the reactor's thread and rendered on another.

Pages of a thousand devices take longer than the reactor may be held up; so whoever renders works on
copies: every number of one answer is of the same moment, and its ledgers balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from kproxy_tw.interfaces import ProxyStatus
from kproxy_tw.ledger import Ledger
from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, UnregisteredStatus


@attrs.frozen
class Snapshot:
    """What ``ProxyStatus`` said at one moment; nothing in it changes afterwards."""

    daemon: DaemonStatus
    devices: Sequence[DeviceStatus]
    unregistered: Sequence[UnregisteredStatus]
    checks: Sequence[Check]


def take(status: ProxyStatus) -> Snapshot:
    """Ask ``status`` and copy what goes on counting."""
    daemon = status.daemon()
    return Snapshot(
        attrs.evolve(daemon, totals=_copy(daemon.totals)),
        [copied(device) for device in status.devices()],
        list(status.unregistered()),
        list(status.checks()),
    )


def copied(device: DeviceStatus) -> DeviceStatus:
    """``device`` with a ledger that counts no more."""
    return attrs.evolve(device, ledger=_copy(device.ledger))


def _copy(ledger: Ledger) -> Ledger:
    return attrs.evolve(
        ledger,
        records_dropped=Counter(ledger.records_dropped),
        datagrams_dropped=Counter(ledger.datagrams_dropped),
    )
