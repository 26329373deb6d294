"""``/metrics`` of kbgp, in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from kproxy_tw.bgp.counts import BgpCounts
from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.bgp.status import KbgpStatus, SessionStatus

LABELED_SESSIONS = 2000
"""Most sessions with series of their own."""


@attrs.frozen(eq=False)
class StatusCollector(Collector):
    """Makes metrics of one moment."""

    status: KbgpStatus

    def collect(self) -> Iterator[Metric]:
        """Every metric of kbgp."""
        status = self.status
        yield InfoMetricFamily("kbgp", "The program.", {"version": status.version})
        yield GaugeMetricFamily("kbgp_start_time_seconds", "Start, in seconds since 1970.", status.start_ns / 1e9)
        yield from _control(status.control)
        yield GaugeMetricFamily("kbgp_sessions", "Open BGP sessions.", len(status.sessions))
        yield GaugeMetricFamily("kbgp_sessions_stalled", "Sessions with a side that does not read.", status.stalled)
        yield GaugeMetricFamily("kbgp_connections_pending", "Connections that wait for admission.", status.pending)
        yield GaugeMetricFamily("kbgp_denied_addresses", "Addresses on the deny list.", len(status.denied))
        yield from _totals(status.counts)
        yield from _per_session(status.sessions[:LABELED_SESSIONS])
        yield from _signatures(status)
        yield from _exports(status)


def _control(control: ControlStatus) -> Iterator[Metric]:
    connected = "Whether the control stream is up."
    yield GaugeMetricFamily("kbgp_control_stream_connected", connected, int(control.connected))
    received = "Messages received on control streams."
    yield CounterMetricFamily("kbgp_control_messages_received", received, value=control.messages_received)
    round_trip = "Round-trip time of the last heartbeat."
    yield GaugeMetricFamily("kbgp_heartbeat_round_trip_seconds", round_trip, control.last_round_trip_ms / 1000)
    last = "When the last message was received, in seconds since 1970; 0 for never."
    yield GaugeMetricFamily("kbgp_control_last_received_seconds", last, control.last_received or 0)


def _totals(counts: BgpCounts) -> Iterator[Metric]:
    yield CounterMetricFamily("kbgp_connections", "Connections accepted.", value=counts.connections)
    yield CounterMetricFamily("kbgp_sessions_opened", "Connections that became sessions.", value=counts.sessions_opened)
    yield _by("kbgp_connections_refused", "Connections that did not.", "reason", counts.refused)
    yield _by("kbgp_sessions_ended", "Sessions that ended.", "reason", counts.ended)
    yield CounterMetricFamily("kbgp_stream_resumes", "Broken streams that were resumed.", value=counts.resumes)
    yield _by("kbgp_bytes", "Bytes relayed.", "direction", {"up": counts.bytes_up, "down": counts.bytes_down})
    messages = CounterMetricFamily("kbgp_messages", "BGP messages relayed.", labels=["direction", "type"])
    for direction, by_type in (("up", counts.messages_up), ("down", counts.messages_down)):
        for name, count in by_type.items():
            messages.add_metric([direction, name], count)
    yield messages


def _by(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _per_session(sessions: tuple[SessionStatus, ...]) -> Iterator[Metric]:
    connected = GaugeMetricFamily("kbgp_session_connected", "Whether its Data stream is up.", labels=["peer"])
    passed = CounterMetricFamily("kbgp_session_bytes", "Bytes of an open session.", labels=["peer", "direction"])
    for session in sessions:
        connected.add_metric([session.peer], int(session.connected))
        passed.add_metric([session.peer, "up"], session.bytes_up)
        passed.add_metric([session.peer, "down"], session.bytes_down)
    yield from (connected, passed)


def _signatures(status: KbgpStatus) -> Iterator[Metric]:
    signatures = status.signatures
    if signatures is None:
        return
    yield GaugeMetricFamily("kbgp_md5_keys", "Addresses and prefixes with a key.", len(signatures.networks))
    yield CounterMetricFamily("kbgp_md5_syns", "Connection attempts seen.", value=signatures.syns)
    yield CounterMetricFamily("kbgp_md5_capture_drops", "Attempts that were not seen.", value=signatures.kernel_drops)
    if signatures.kernel is not None:
        kernel = attrs.asdict(signatures.kernel)
        yield _by("kbgp_md5_kernel", "Segments that the kernel refused, all of this machine.", "counter", kernel)


def _exports(status: KbgpStatus) -> Iterator[Metric]:
    sent = CounterMetricFamily("kbgp_exports", "Exports by outcome.", labels=["kind", "outcome"])
    for export in status.exports:
        sent.add_metric([export.kind, "sent"], export.sent)
        sent.add_metric([export.kind, "failed"], export.failed)
        sent.add_metric([export.kind, "dropped"], export.dropped)
    yield sent


def exposition(status: KbgpStatus) -> bytes:
    """The metrics in the Prometheus text format, version 0.0.4; from a registry of their own, nothing global."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatusCollector(status))
    return generate_latest(registry)
