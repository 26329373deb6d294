"""The first page of kproxy: verdict, ledger, devices, unregistered sources, upstream, listeners, settings."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from kproxy_tw.ledger import Ledger
from kproxy_tw.status import DeviceStatus
from kproxy_tw.web.report import ACTIVE_SECONDS
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.verdict import verdict

PAGE_ROWS = 500
"""Most rows of a table; the page says how many are left out and where they are."""

_BAR = 1000
"""Width of the bar of fates, in its own units."""


@attrs.frozen(kw_only=True)
class Fate:
    """One part of the records received: ``x`` and ``width`` are its place on a bar of 1000."""

    key: str
    name: str
    records: int
    x: float
    width: float


@attrs.frozen
class DeviceRow:
    """A device with what the table derives from it."""

    device: DeviceStatus
    active: bool
    silent_seconds: float


def fates(ledger: Ledger) -> tuple[Fate, ...]:
    """What became of the records received, as parts that add up to all of them."""
    parts = (
        ("forwarded", "Forwarded", ledger.records_forwarded),
        ("sampled", "Sampled out", ledger.records_sampled_out),
        ("dropped", "Dropped", ledger.records_dropped.total()),
        ("flight", "In flight", ledger.records_in_flight),
    )
    result, at = [], 0.0
    for key, name, records in parts:
        width = _BAR * records / ledger.records_received if ledger.records_received else 0.0
        result.append(Fate(key=key, name=name, records=records, x=round(at, 2), width=round(width, 2)))
        at += width
    return tuple(result)


def drop_reasons(ledger: Ledger) -> list[tuple[str, int]]:
    """Reasons for dropped records that have occurred, the most frequent first."""
    return [(reason, count) for reason, count in ledger.records_dropped.most_common() if count]


def device_row(device: DeviceStatus, now: float) -> DeviceRow:
    """One row of the table of devices."""
    silent = max(0.0, now - device.last_seen)
    return DeviceRow(device, silent < ACTIVE_SECONDS, silent)


def page_values(snapshot: Snapshot) -> dict[str, object]:
    """Everything that ``kproxy.html`` shows."""
    daemon, devices, unregistered = snapshot.daemon, snapshot.devices, snapshot.unregistered
    return {
        "daemon": daemon,
        "checks": snapshot.checks,
        "verdict": verdict(snapshot),
        "fates": fates(daemon.totals),
        "dropped": drop_reasons(daemon.totals),
        "dropped_datagrams": [(reason, count) for reason, count in daemon.totals.datagrams_dropped.items() if count],
        "num_devices": len(devices),
        "rows": [device_row(device, daemon.now) for device in devices[:PAGE_ROWS]],
        "omitted_devices": _omitted(devices),
        "num_unregistered": len(unregistered),
        "unregistered": unregistered[:PAGE_ROWS],
        "omitted_unregistered": _omitted(unregistered),
    }


def _omitted(rows: Sequence[object]) -> int:
    return max(0, len(rows) - PAGE_ROWS)
