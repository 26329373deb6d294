"""Copies for other collectors, on the page, in JSON and in the metrics."""

from __future__ import annotations

import json
from typing import Any

from kproxy_tw.status import TeeStatus
from kproxy_tw.testing.status import sample_daemon
from kproxy_tw.web import documents
from kproxy_tw.web.encoding import encode
from kproxy_tw.web.metrics import exposition
from kproxy_tw.web.pages.kproxy import tee_table
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.tables.separated import csv_text

TEE = (
    TeeStatus(target="192.0.2.9:2055", source="ours", sent=7, lost=0),
    TeeStatus(target="192.0.2.8:2055", source="the exporter's", sent=5, lost=2, problem="Network is unreachable"),
)


def test_json() -> None:
    """Each target, with what became of its copies."""
    found: Any = json.loads(encode(documents.status(sample_daemon(tee=TEE))))
    assert found["Tee"][1] == {
        "Target": "192.0.2.8:2055",
        "Source": "the exporter's",
        "Sent": 5,
        "Lost": 2,
        "LastError": "Network is unreachable",
    }


def test_metrics() -> None:
    """By target and outcome."""
    text = exposition(Snapshot(sample_daemon(tee=TEE), [], [], [])).decode()
    assert 'kproxy_tee_datagrams_total{outcome="lost",target="192.0.2.8:2055"} 2.0' in text
    assert 'kproxy_tee_datagrams_total{outcome="sent",target="192.0.2.9:2055"} 7.0' in text


def test_the_table() -> None:
    """A line for each target."""
    lines = csv_text(tee_table(TEE)).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("192.0.2.8:2055,the exporter's,5,2")
