"""A daemon's status from given values, to look at pages and to test what reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from kproxy_tw.ledger import Ledger
from kproxy_tw.status import (
    Check,
    DaemonStatus,
    DeviceStatus,
    EndpointStatus,
    LimitStatus,
    ListenerStatus,
    RecentStatus,
    TapStatus,
    UnregisteredStatus,
)


@attrs.define(kw_only=True)
class FixedStatus:
    """An ``interfaces.ProxyStatus`` that says what it was given; the values may be replaced at any time.

    :ivar daemon_status: what :meth:`daemon` returns.
    :ivar device_list: what :meth:`devices` returns.
    :ivar unregistered_list: what :meth:`unregistered` returns.
    :ivar check_list: what :meth:`checks` returns.
    :ivar limit_list: what :meth:`limits` returns.
    """

    daemon_status: DaemonStatus
    device_list: Sequence[DeviceStatus] = ()
    unregistered_list: Sequence[UnregisteredStatus] = ()
    check_list: Sequence[Check] = ()
    limit_list: Sequence[LimitStatus] = ()

    def now(self) -> float:
        """The moment of the given status."""
        return self.daemon_status.now

    def ledgers(self) -> Sequence[Ledger]:
        """The given status's totals."""
        return [self.daemon_status.totals]

    def daemon(self, totals: Ledger) -> DaemonStatus:
        """The given status with these totals."""
        return attrs.evolve(self.daemon_status, totals=totals)

    def devices(self) -> Iterator[DeviceStatus]:
        """The given devices."""
        return (attrs.evolve(device, ledger=device.ledger.copy()) for device in self.device_list)

    def hold(self, device_id: int) -> Callable[[], DeviceStatus] | None:
        """Gives the given device with that id."""
        found = self._device(device_id)
        return None if found is None else lambda: found

    def tap(self, device_id: int) -> TapStatus | None:
        """The given device's flows, always the same."""
        found = self._device(device_id)
        return None if found is None else TapStatus(found.device_name, 1, found.last_flows)

    def _device(self, device_id: int) -> DeviceStatus | None:
        return next((device for device in self.device_list if device.device_id == device_id), None)

    def unregistered(self) -> Sequence[UnregisteredStatus]:
        """The given unregistered sources."""
        return self.unregistered_list

    def checks(self) -> Sequence[Check]:
        """The given checks."""
        return self.check_list

    def limits(self) -> Sequence[LimitStatus]:
        """The given limits."""
        return self.limit_list


def sample_template(text: str = "octetDeltaCount") -> dict[str, object]:
    """A template of one field, as ``TemplateCache.describe`` and the overview give it."""
    field = {"name": text, "id": 1, "pen": 0, "length": 8, "scope": False}
    return {
        "source": "192.0.2.1",
        "version": 9,
        "domain": 0,
        "id": 256,
        "kind": "data",
        "port": 0,
        "age_seconds": 12.0,
        "restored": False,
        "record_length": 8,
        "fields": [field],
    }


NOW = 1_790_000_000.0
"""The moment at which the samples stand: 2026-09-21 14:13:20 UTC."""


def sample_ledger(*, received: int = 1000, sampled_out: int = 0, dropped: int = 0, in_flight: int = 0) -> Ledger:
    """A balanced ledger: what is not sampled out, dropped (``no_template``) or in flight was forwarded."""
    messages = received // 500
    ledger = Ledger(
        datagrams_received=received // 20,
        messages_created=messages,
        messages_sent=messages,
        bytes_sent=received * 12,
    )
    ledger.receive(received)
    ledger.sample_out(sampled_out)
    ledger.drop("no_template", dropped)
    ledger.forward(received - sampled_out - dropped - in_flight)
    return ledger


def sample_device(**changes: Any) -> DeviceStatus:
    """An active device, with the given fields changed."""
    device = DeviceStatus(
        device_id=1001,
        device_name="edge_fra1_r1",
        company_id=26,
        flow_types=("netflow9",),
        in1=1380,
        out1=58,
        in15=20644,
        out15=893,
        first_seen=NOW - 7000,
        last_seen=NOW - 0.4,
        sources=("192.0.2.11",),
        channel_highwater={"decode": 12, "deliver": 3},
        max_fps=4000.0,
        sample_rate=1000.0,
        rate_origin="sampler",
        ledger=sample_ledger(),
    )
    changed = attrs.evolve(device, **changes)
    return changed if "recent" in changes else attrs.evolve(changed, recent=sample_recent(changed.ledger))


def sample_recent(ledger: Ledger) -> RecentStatus:
    """Everything in ``ledger`` happened in the last 15 minutes, the losses began two minutes ago."""
    dropped, gaps = ledger.records_dropped.total(), ledger.sequence_gaps
    return RecentStatus(
        readings=tuple(range(0, 20_640, 344)),
        records=ledger.records_received,
        sampled_out=ledger.records_sampled_out,
        dropped=dropped,
        dropped_since=NOW - 120 if dropped else None,
        gaps=gaps,
        sequence_seen=ledger.sequence_seen,
        gaps_since=NOW - 120 if gaps else None,
    )


def sample_daemon(**changes: Any) -> DaemonStatus:
    """A daemon that has run for two hours, with the given fields changed."""
    daemon = DaemonStatus(
        instance_id="5f0c2a9e7b31",
        version="1.0.0",
        start_time=NOW - 7345,
        now=NOW,
        config={"host": "192.0.2.1", "port": 9995, "api_email": "ops@example.net", "api_token": "***", "dns": ""},
        upstream=(EndpointStatus(url="https://flow.example.net/chf", connected=True, last_status=200),),
        listeners=(ListenerStatus(address="192.0.2.1:9995", receive_buffer=32 << 20, kernel_drops=0),),
        spool={"Messages": 2, "Bytes": 48_213, "OldestMs": 640, "MaxBytes": 1 << 30, "CrashGap": 17, "Quarantined": 1},
        totals=sample_ledger(),
    )
    return attrs.evolve(daemon, **changes)
