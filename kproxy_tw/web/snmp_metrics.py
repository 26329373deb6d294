"""SNMP's part of ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kproxy_tw.snmp.shown import DeviceSnmp, PollSums, Sending
from kproxy_tw.snmp.status import PollerStatus

_SUMS: tuple[tuple[str, str, Callable[[PollSums], float]], ...] = (
    ("requests", "SNMP requests sent, repeated ones included.", lambda sums: sums.requests),
    ("retries", "Requests that were repeated.", lambda sums: sums.retries),
    ("timeouts", "Requests without an answer in time.", lambda sums: sums.timeouts),
    ("ignored", "Datagrams that were no answer to a question of ours.", lambda sums: sums.ignored),
    ("variables", "Variables taken in.", lambda sums: sums.variables),
    ("polls_dropped", "Polls left out, as an earlier one of the device ran on.", lambda sums: sums.dropped),
    ("poll_seconds", "Time that polls took.", lambda sums: sums.seconds),
    ("device_cpu_seconds", "Processor time that polls took in the polling process.", lambda sums: sums.cpu_seconds),
)

_SENDING: tuple[tuple[str, str, Callable[[Sending], float]], ...] = (
    ("documents", "Interface documents that the backend took.", lambda sending: sending.documents),
    ("reports", "Reports that the backend took.", lambda sending: sending.reports),
    ("reports_displaced", "Reports given up for newer ones.", lambda sending: sending.displaced),
    ("uploads_failed", "Attempts that failed and are made again.", lambda sending: sending.failed),
    ("uploads_refused", "Documents and reports that the backend will never take.", lambda sending: sending.refused),
    ("metric_records", "Metric records made.", lambda sending: sending.metric_records),
)


def snmp_metrics(polling: PollerStatus, devices: Mapping[str, DeviceSnmp]) -> Iterator[Metric]:
    """Every metric. :param devices: by the label ``device``."""
    polled = {name: snmp for name, snmp in devices.items() if snmp.target is not None or snmp.sums.polls}
    yield from _process(polling)
    polls = CounterMetricFamily("kproxy_snmp_polls", "Finished polls.", labels=["device", "outcome"])
    for name, snmp in polled.items():
        failed, partial = snmp.sums.failed, snmp.sums.partial
        for outcome, count in (("ok", snmp.sums.polls - failed - partial), ("partial", partial), ("failed", failed)):
            polls.add_metric([name, outcome], count)
    yield polls
    for what, text, read_sums in _SUMS:
        yield _counter(what, text, {name: read_sums(snmp.sums) for name, snmp in polled.items()})
    for what, text, read_sending in _SENDING:
        yield _counter(what, text, {name: read_sending(snmp.sending) for name, snmp in polled.items()})
    last = GaugeMetricFamily("kproxy_snmp_last_poll_timestamp_seconds", "Start of the last poll.", labels=["device"])
    for name, snmp in polled.items():
        if snmp.latest is not None:
            last.add_metric([name], snmp.latest.started)
    yield last


def _counter(name: str, text: str, values: Mapping[str, float]) -> Metric:
    metric = CounterMetricFamily(f"kproxy_snmp_{name}", text, labels=["device"])
    for device, value in values.items():
        metric.add_metric([device], value)
    return metric


def _process(polling: PollerStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("kproxy_snmp_targets", "Devices that are polled.", polling.targets)
    yield CounterMetricFamily("kproxy_snmp_cpu_seconds", "Processor time of the polling process.", polling.cpu_seconds)
    yield CounterMetricFamily(
        "kproxy_snmp_process_restarts", "Times that the polling process was started again.", polling.restarts
    )
