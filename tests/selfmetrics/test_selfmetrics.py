"""Our own metrics: what is counted, the forms, and when who is told."""

from __future__ import annotations

import json
import math
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

import attrs
import pytest

from kproxy_tw.collector.side_inputs import parse_metrics
from kproxy_tw.errors import ConfigError, UpstreamError
from kproxy_tw.ledger import Ledger
from kproxy_tw.selfmetrics.client import Backend, Lines
from kproxy_tw.selfmetrics.config import MetricsConfig, metrics_config
from kproxy_tw.selfmetrics.forms import graphite_lines, log_lines, syslog_lines, tsdb_bodies
from kproxy_tw.selfmetrics.meters import Meter, Meters, Series
from kproxy_tw.selfmetrics.readings import device_readings
from kproxy_tw.selfmetrics.service import SelfMetrics
from kproxy_tw.testing.offload import inline
from kproxy_tw.testing.upstream import RecordingSession

TOTAL = Series("proxy_Total", 1013, 104884, "v9")
QUIET = Series("proxy_Drops", 1013, 104884, "v9")
METERS = {TOTAL: Meter(1234, 56.78, 5.5, 1.25, 2.0), QUIET: Meter(0, 0.0, 0.0, 0.0, 0.0)}


def test_rates_follow_what_is_counted() -> None:
    """100 a second for a minute, then nothing for a minute: over one minute the rate falls to 1/e of it."""
    meters = Meters(0.0)
    for second in range(5, 65, 5):
        meters.update({TOTAL: 100 * second}, float(second))
    assert attrs.astuple(meters.all()[TOTAL]) == pytest.approx((6000, 100, 100, 100, 100))
    for second in range(65, 125, 5):
        meters.update({TOTAL: 6000}, float(second))
    meter = meters.all()[TOTAL]
    assert (meter.count, meter.mean) == (6000, 50.0)
    assert [meter.one, meter.five, meter.fifteen] == [
        pytest.approx(100 * math.exp(-1 / minutes)) for minutes in (1, 5, 15)
    ]
    meters.update({}, 125.0)
    assert meters.all() == {}


def test_a_device_is_counted_under_the_names_of_the_facts() -> None:
    """Flows in and out, what the cap left out, and bytes; the device and its kind of flow stand beside."""
    ledger = Ledger(bytes_sent=77)
    ledger.receive(10)
    ledger.forward(4)
    ledger.sample_out(5)
    ledger.drop("encode", 1)
    found = device_readings(1013, 104884, {"netflow9"}, ledger)
    counts = {series.name: count for series, count in found.items()}
    assert {series.flow_type for series in found} == {"v9"}
    assert counts["proxy_Total"] == 10
    assert (counts["proxy_DownsampleFPS"], counts["proxy_RateLimitDrops"], counts["proxy_BytesSent"]) == (4, 5, 77)
    assert counts["proxy_Drops"] == 1
    assert {series.flow_type for series in device_readings(1, 2, {"ipfix", "sflow"}, ledger)} == {"proxy"}


def test_the_backend_gets_what_is_above_zero() -> None:
    """OpenTSDB's form, with whole values; kcollect can read it."""
    (body,) = tsdb_bodies(METERS, at=1767225600, host="box", version="kproxy-1")
    tags = {
        "host": "box",
        "ver": "kproxy-1",
        "ft": "v9",
        "dt": "kproxy",
        "level": "primary",
        "cid": "1013",
        "did": "104884",
    }
    assert json.loads(body) == [
        {"metric": "chf.proxy_Total", "timestamp": 1767225600, "value": 1234, "tags": {**tags, "type": "count"}},
        {"metric": "chf.proxy_Total", "timestamp": 1767225600, "value": 56, "tags": {**tags, "type": "one-minute"}},
    ]
    assert len(parse_metrics(body)) == 2


def test_a_body_is_bounded() -> None:
    """6,000 values go in two."""
    many = {Series("proxy_Total", 1, number): Meter(1, 1.0, 1.0, 1.0, 1.0) for number in range(3000)}
    assert [len(json.loads(body)) for body in tsdb_bodies(many, at=1, host="h", version="v")] == [5000, 1000]


def test_graphite_gets_a_line_for_each_statistic() -> None:
    """Path, value, time."""
    lines = graphite_lines(METERS, at=1767225600).decode().splitlines()
    assert lines[:5] == [
        "metrics.proxy_Total.1013.v9.104884.count 1234 1767225600",
        "metrics.proxy_Total.1013.v9.104884.one-minute 56.78 1767225600",
        "metrics.proxy_Total.1013.v9.104884.five-minute 5.50 1767225600",
        "metrics.proxy_Total.1013.v9.104884.fifteen-minute 1.25 1767225600",
        "metrics.proxy_Total.1013.v9.104884.mean 2.00 1767225600",
    ]
    assert len(lines) == 10


def test_people_get_a_meter_in_six_lines_and_syslog_in_one() -> None:
    """The name, then indented count and rates."""
    first = next(iter(log_lines(METERS))).splitlines()
    assert first[0] == "meter proxy_Total.1013.v9.104884"
    assert [line.split() for line in first[1:]] == [
        ["count:", "1234"],
        ["1-min", "rate:", "56.78"],
        ["5-min", "rate:", "5.50"],
        ["15-min", "rate:", "1.25"],
        ["mean", "rate:", "2.00"],
    ]
    assert all(line.startswith("  ") for line in first[1:])
    assert next(iter(syslog_lines(METERS))).startswith("meter proxy_Total.1013.v9.104884: count: 1234 1-min: 56.78 ")


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (None, MetricsConfig()),
        ("none", MetricsConfig("none")),
        ("syslog", MetricsConfig("syslog")),
        ("stderr", MetricsConfig("stderr")),
        ("graphite:127.0.0.1:2003", MetricsConfig("graphite", "127.0.0.1", 2003)),
        ("graphite:[::1]:2003", MetricsConfig("graphite", "::1", 2003)),
    ],
)
def test_the_flag(text: str | None, config: MetricsConfig) -> None:
    """Its documented forms."""
    assert metrics_config(text) == config


@pytest.mark.parametrize("text", ["graphite", "graphite:", "graphite:host", "graphite:h:0", "stderr:1", "influx:x:1"])
def test_other_forms_are_refused(text: str) -> None:
    """The error names the flag and shows what is right."""
    with pytest.raises(ConfigError, match=r"-metrics: must be none, syslog, stderr or graphite:HOST:PORT"):
        metrics_config(text)


def service(clock: Clock, *receivers: Any) -> SelfMetrics:
    """A started service that reads a counter which counts 10 a second."""
    own = SelfMetrics(
        reactor=clock, read=lambda: {TOTAL: int(10 * clock.seconds())}, receivers=receivers, wall=lambda: 1e9
    )
    own.startService()
    return own


def backend(session: RecordingSession) -> Backend:
    """Posts over ``session``."""
    return Backend(session=session, url="https://flow.example.com/tsdb", offload=inline, host="box", version="v")


def test_the_backend_is_told_each_minute_and_an_outage_once() -> None:
    """Two tries each, a warning with the first that fails, a line when it works again."""
    clock = Clock()
    refused = UpstreamError("refused")
    good: tuple[int, dict[str, str], bytes] = (200, {}, b"")
    session = RecordingSession([good, refused, refused, refused, (503, {}, b"")], otherwise=good)
    with capturedLogs() as events:
        own = service(clock, backend(session))
        clock.pump([5.0] * 12)
        assert [request.url for request in session.requests] == ["https://flow.example.com/tsdb"]
        assert json.loads(session.requests[0].body or b"")[0]["value"] == 600
        assert session.requests[0].headers == {"Content-Type": "application/json"}
        clock.pump([5.0] * 36)
    assert len(session.requests) == 6
    assert [event["log_level"].name for event in events] == ["warn", "info"]
    own.stopService()
    assert session.closed
    assert clock.getDelayedCalls() == []


def test_a_slow_receiver_is_told_again_when_it_is_done() -> None:
    """Never twice at the same time; others have their lines meanwhile; a stop cuts it short."""
    clock = Clock()
    lines: list[str] = []
    session = RecordingSession(otherwise=Deferred())
    own = service(clock, backend(session), Lines("stderr", log_lines, lines.append))
    clock.pump([5.0] * 37)
    assert (len(session.requests), len(lines)) == (1, 3)
    stopped = own.stopService()
    assert stopped.called
