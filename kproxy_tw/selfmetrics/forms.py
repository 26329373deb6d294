"""Meters as each receiver wants them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from kproxy_tw.selfmetrics.meters import Meter, Series

MAX_VALUES = 5_000
"""Values of one ``/tsdb`` body."""

Meters = Mapping[Series, Meter]


def tsdb_bodies(meters: Meters, *, at: int, host: str, version: str) -> Iterator[bytes]:
    """Bodies for ``/tsdb``: JSON arrays of ``{metric, timestamp, value, tags}``, as OpenTSDB has them.

    A meter has two values, its count and its rate over one minute; what is not above 0 is left out.

    :param at: seconds since 1970.
    """
    values: list[dict[str, object]] = []
    for series, meter in meters.items():
        tags = {
            "host": host,
            "ver": version,
            "ft": series.flow_type,
            "dt": "kproxy",
            "level": "primary",
            "cid": str(series.company_id),
            "did": str(series.device_id),
        }
        for kind, value in (("count", meter.count), ("one-minute", int(meter.one))):
            if value > 0:
                metric = {
                    "metric": f"chf.{series.name}",
                    "timestamp": at,
                    "value": value,
                    "tags": {**tags, "type": kind},
                }
                values.append(metric)
    for first in range(0, len(values), MAX_VALUES):
        yield json.dumps(values[first : first + MAX_VALUES], separators=(",", ":")).encode()


def dotted(series: Series) -> str:
    """A series in one word: name, company, flow type and device behind dots."""
    return f"{series.name}.{series.company_id}.{series.flow_type}.{series.device_id}"


def graphite_lines(meters: Meters, *, at: int) -> bytes:
    """Lines for graphite's plain text port: ``metrics.<name>.<statistic> value time``."""
    lines = []
    for series, meter in meters.items():
        path = f"metrics.{dotted(series)}"
        lines += [
            f"{path}.count {meter.count} {at}\n",
            f"{path}.one-minute {meter.one:.2f} {at}\n",
            f"{path}.five-minute {meter.five:.2f} {at}\n",
            f"{path}.fifteen-minute {meter.fifteen:.2f} {at}\n",
            f"{path}.mean {meter.mean:.2f} {at}\n",
        ]
    return "".join(lines).encode()


def log_lines(meters: Meters) -> Iterator[str]:
    """Six lines a meter, for people: its name, then count and rates indented."""
    for series, meter in meters.items():
        yield (
            f"meter {dotted(series)}\n"
            f"  count:       {meter.count:9d}\n"
            f"  1-min rate:  {meter.one:12.2f}\n"
            f"  5-min rate:  {meter.five:12.2f}\n"
            f"  15-min rate: {meter.fifteen:12.2f}\n"
            f"  mean rate:   {meter.mean:12.2f}"
        )


def syslog_lines(meters: Meters) -> Iterator[str]:
    """One line a meter, for a log that many write to."""
    for series, meter in meters.items():
        yield (
            f"meter {dotted(series)}: count: {meter.count} 1-min: {meter.one:.2f} 5-min: {meter.five:.2f} "
            f"15-min: {meter.fifteen:.2f} mean: {meter.mean:.2f}"
        )
