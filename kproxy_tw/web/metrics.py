"""``/metrics``: the ledger in the Prometheus text format.

A device's label is its name, with ``#`` and the number of the shard where devices are split. Devices beyond
``LABELED_DEVICES``, unregistered sources and devices that have left are summed under ``(other)``, so that the sum over
``device`` is always the total.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from kproxy_tw.ledger import Ledger
from kproxy_tw.status import DaemonStatus, DeviceStatus, StreamListenerStatus, TeeStatus
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.snmp_metrics import snmp_metrics
from kproxy_tw.web.text import safe_text

Value = TypeVar("Value")

LABELED_DEVICES = 2000
"""Most devices with series of their own."""

OTHER = "(other)"
"""The label of everything that has none of its own; no device can be called so."""

_COUNTERS: tuple[tuple[str, str, Callable[[Ledger], int]], ...] = (
    ("datagrams_received", "Datagrams read from the socket.", lambda ledger: ledger.datagrams_received),
    ("records_received", "Flow records found in them.", lambda ledger: ledger.records_received),
    ("sequence_gaps", "Sent by the exporter and never seen here.", lambda ledger: ledger.sequence_gaps),
    ("sequence_seen", "Seen, counted as the exporter's sequence numbers do.", lambda ledger: ledger.sequence_seen),
    ("messages_created", "Messages made for the backend.", lambda ledger: ledger.messages_created),
    ("bytes_sent", "Bytes of messages sent to the backend.", lambda ledger: ledger.bytes_sent),
)


class SnapshotCollector(Collector):
    """Makes metrics of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Every metric of kproxy."""
        daemon = self._snapshot.daemon
        ledgers = self._ledgers(daemon.totals)
        yield InfoMetricFamily("kproxy", "The program.", {"version": daemon.version})
        yield GaugeMetricFamily("kproxy_start_time_seconds", "Start, in seconds since 1970.", daemon.start_time)
        yield from _per_device(ledgers)
        yield from self._templates()
        yield from snmp_metrics(daemon.polling, self._labeled(lambda device: device.snmp))
        yield from _process(daemon)
        sources = len(self._snapshot.unregistered)
        yield GaugeMetricFamily("kproxy_unregistered_sources", "Unregistered sources of the last 30 minutes.", sources)

    def _templates(self) -> Iterator[Metric]:
        """What became of templates; of all devices and sessions that are there now, so that it may go down."""
        metric = GaugeMetricFamily(
            "kproxy_templates", "Templates in force, and those refused, evicted and expired so far.", labels=["state"]
        )
        states = sum((Counter(device.template_counts) for device in self._snapshot.devices), Counter[str]())
        for state in ("in_force", "refused", "evicted", "expired"):
            metric.add_metric([state], states[state])
        yield metric

    def _ledgers(self, totals: Ledger) -> dict[str, Ledger]:
        ledgers = self._labeled(lambda device: device.ledger)
        ledgers[OTHER] = _difference(totals, Ledger.total(ledgers.values()))
        return ledgers

    def _labeled(self, value: Callable[[DeviceStatus], Value]) -> dict[str, Value]:
        """A value of each device that has series of its own, by its label."""
        shard = f"#{self._snapshot.daemon.shard}" if self._snapshot.daemon.shard else ""
        devices = self._snapshot.devices[:LABELED_DEVICES]
        return {safe_text(device.device_name) + shard: value(device) for device in devices}


def _difference(total: Ledger, part: Ledger) -> Ledger:
    """``total`` less ``part``, never below zero (the two may have been read a moment apart)."""
    rest = Ledger()
    for field in attrs.fields(Ledger):
        whole, known = getattr(total, field.name), getattr(part, field.name)
        if isinstance(whole, Counter):
            less = Counter({reason: max(0, count - known[reason]) for reason, count in whole.items()})
            setattr(rest, field.name, less)
        else:
            setattr(rest, field.name, max(0, whole - known))
    return rest


def _per_device(ledgers: Mapping[str, Ledger]) -> Iterator[Metric]:
    for name, text, count in _COUNTERS:
        counter = CounterMetricFamily(f"kproxy_{name}", text, labels=["device"])
        for device, ledger in ledgers.items():
            counter.add_metric([device], count(ledger))
        yield counter
    yield _dropped("datagrams", ledgers)
    yield _records(ledgers)
    yield _messages(ledgers)
    yield _dropped("messages", ledgers)
    for what in ("records", "messages"):
        in_flight = GaugeMetricFamily(
            f"kproxy_{what}_in_flight", f"{what.capitalize()} that have no fate yet.", labels=["device"]
        )
        for device, ledger in ledgers.items():
            in_flight.add_metric([device], getattr(ledger, f"{what}_in_flight"))
        yield in_flight


def _records(ledgers: Mapping[str, Ledger]) -> Metric:
    records = CounterMetricFamily("kproxy_records", "What became of the records.", labels=["device", "fate", "reason"])
    for device, ledger in ledgers.items():
        records.add_metric([device, "forwarded", ""], ledger.records_forwarded)
        records.add_metric([device, "sampled_out", ""], ledger.records_sampled_out)
        for reason, count in ledger.records_dropped.items():
            records.add_metric([device, "dropped", reason], count)
    return records


def _messages(ledgers: Mapping[str, Ledger]) -> Metric:
    messages = CounterMetricFamily("kproxy_messages", "Messages towards the backend.", labels=["device", "outcome"])
    for device, ledger in ledgers.items():
        messages.add_metric([device, "sent"], ledger.messages_sent)
        messages.add_metric([device, "retried"], ledger.messages_retried)
        messages.add_metric([device, "split"], ledger.messages_split)
        messages.add_metric([device, "dead_letter"], ledger.dead_letters)
        messages.add_metric([device, "dropped"], ledger.messages_dropped.total())
    return messages


def _dropped(what: str, ledgers: Mapping[str, Ledger]) -> Metric:
    text = f"{what.capitalize()} dropped."
    dropped = CounterMetricFamily(f"kproxy_{what}_dropped", text, labels=["device", "reason"])
    for device, ledger in ledgers.items():
        for reason, count in getattr(ledger, f"{what}_dropped").items():
            dropped.add_metric([device, reason], count)
    return dropped


def _process(daemon: DaemonStatus) -> Iterator[Metric]:
    drops = CounterMetricFamily("kproxy_kernel_drops", "Datagrams lost in the socket buffer.", labels=["listener"])
    buffers = GaugeMetricFamily("kproxy_receive_buffer_bytes", "Receive buffer granted.", labels=["listener"])
    for listener in daemon.listeners:
        drops.add_metric([listener.address], listener.kernel_drops)
        buffers.add_metric([listener.address], listener.receive_buffer)
    yield from _streams(daemon.streams)
    yield _copies(daemon.tee)
    connected = GaugeMetricFamily("kproxy_upstream_connected", "Whether the last exchange worked.", labels=["url"])
    for endpoint in daemon.upstream:
        connected.add_metric([safe_text(endpoint.url)], int(endpoint.connected))
    lines = CounterMetricFamily("kproxy_log_lines_lost", "Log lines that their sink did not take.", labels=["sink"])
    for sink, count in daemon.log_lines_lost.items():
        lines.add_metric([sink], count)
    expiry = GaugeMetricFamily(
        "kproxy_certificate_expiry_timestamp_seconds",
        "Until when a certificate towards the backend is valid, in seconds since 1970.",
        labels=["certificate"],
    )
    for name, not_after in daemon.certificates.items():
        expiry.add_metric([safe_text(name)], not_after)
    yield from (drops, buffers, connected, lines, expiry)
    yield GaugeMetricFamily("kproxy_spool_bytes", "Bytes that wait to be sent.", daemon.spool.get("Bytes", 0))
    yield GaugeMetricFamily("kproxy_spool_messages", "Messages that wait to be sent.", daemon.spool.get("Messages", 0))
    gap = daemon.spool.get("CrashGap", 0)
    yield GaugeMetricFamily("kproxy_crash_gap_records", "In memory alone when the run before this one died.", gap)
    aside = daemon.spool.get("Quarantined", 0)
    yield GaugeMetricFamily("kproxy_spool_quarantined", "Files set aside at the start, or the directory.", aside)


def _copies(tee: Sequence[TeeStatus]) -> Metric:
    copies = CounterMetricFamily("kproxy_tee_datagrams", "Copies for other collectors.", labels=["target", "outcome"])
    for one in tee:
        copies.add_metric([one.target, "sent"], one.sent)
        copies.add_metric([one.target, "lost"], one.lost)
    return copies


def _streams(streams: StreamListenerStatus) -> Iterator[Metric]:
    """IPFIX over TCP and TLS."""
    yield GaugeMetricFamily("kproxy_stream_connections", "Connections of IPFIX exporters.", len(streams.streams))
    yield CounterMetricFamily("kproxy_stream_accepted", "Connections accepted.", streams.accepted)
    yield CounterMetricFamily("kproxy_stream_messages", "Messages received over connections.", streams.messages)
    ended = CounterMetricFamily("kproxy_stream_ended", "Connections that ended, by reason.", labels=["reason"])
    for reason, count in streams.ended_for.items():
        ended.add_metric([reason], count)
    yield ended


def exposition(snapshot: Snapshot) -> bytes:
    """The metrics in the Prometheus text format, version 0.0.4; from a registry of their own, nothing global."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(snapshot))
    return generate_latest(registry)
