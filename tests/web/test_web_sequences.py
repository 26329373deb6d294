"""What pages, JSON and metrics say of sequence numbers and of IPFIX connections."""

from __future__ import annotations

from typing import Any

import attrs

from kproxy_tw.status import DaemonStatus, DeviceStatus, StreamListenerStatus, StreamStatus
from kproxy_tw.testing.status import sample_daemon, sample_device, sample_ledger
from kproxy_tw.web import documents
from kproxy_tw.web.metrics import exposition
from kproxy_tw.web.pages import device as device_page
from kproxy_tw.web.pages import kproxy as kproxy_page
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.tables.choice import Choice

HOSTILE = "<script>alert(1)</script>"
SEQUENCE: dict[str, object] = {
    "source": "192.0.2.1",
    "flow_type": "ipfix",
    "label": f"domain 7{HOSTILE}",
    "counted": "records",
    "received": 960,
    "lost": 40,
    "late": 3,
    "duplicates": 2,
    "restarts": 1,
    "lost_while_away": 30,
}
STREAMS = StreamListenerStatus(
    addresses=("tls 192.0.2.9:4740",),
    accepted=3,
    messages=44,
    bytes=9000,
    ended_for={"exporter": 1, "not_ipfix": 1, "idle": 0},
    streams=(
        StreamStatus(address="192.0.2.1", name="tls:50000#3", seconds=61.0, messages=4, bytes=900, silent_seconds=2.5),
    ),
)


def device() -> DeviceStatus:
    """A device that lost 4 % on the way."""
    ledger = sample_ledger()
    ledger.sequence_gaps, ledger.sequence_seen = 40, 960
    return sample_device(ledger=ledger, sequences=(SEQUENCE,))


def daemon() -> DaemonStatus:
    """A daemon with a connection."""
    return sample_daemon(streams=STREAMS, totals=device().ledger)


def snapshot() -> Snapshot:
    """Both."""
    return Snapshot(daemon(), [device()], [], [])


def first_page(now: Snapshot) -> str:
    """The HTML of the first page."""
    shown = kproxy_page.content(now, Choice())
    return Renderer().render(shown.template, **shown.for_template("/"))


def test_the_device_page_tells_the_loss_in_percent_and_by_sequence() -> None:
    """4 % in all, and the row of the sequence; what came from the exporter is harmless."""
    shown = device_page.content(daemon(), device())
    html = Renderer().render(shown.template, **shown.for_template("/devices/1001"))
    assert "4 % of all" in html
    assert "lost 4 % on the way here" in html
    assert "domain 7" in html[html.index('id="sequences"') :]
    assert HOSTILE not in html


def test_the_first_page_tells_the_loss_and_the_connections() -> None:
    """Percent of what the sequences cover, the connection that is open, and why others ended."""
    html = first_page(snapshot())
    assert "4 %" in html[html.index("Lost on the way here") :][:200]
    streams = html[html.index('id="streams"') :]
    for words in ("tls 192.0.2.9:4740", "tls:50000#3", "not ipfix 1", "exporter 1"):
        assert words in streams
    without = attrs.evolve(daemon(), streams=StreamListenerStatus())
    assert 'id="streams"' not in first_page(Snapshot(without, [], [], []))


def test_json_of_sequences_and_connections() -> None:
    """Names in CamelCase, figures as they are."""
    shown: Any = documents.device(device())
    (sequence,) = shown["Sequences"]
    assert (sequence["Lost"], sequence["Received"], sequence["LostWhileAway"], sequence["Restarts"]) == (40, 960, 30, 1)
    streams: Any = documents.status(daemon())["Streams"]
    assert streams["EndedFor"] == {"exporter": 1, "not_ipfix": 1}
    assert streams["Connections"][0]["UptimeMs"] == 61_000


def test_metrics_of_sequences_and_connections() -> None:
    """A ratio can be made of them for each device."""
    text = exposition(snapshot()).decode()
    name = sample_device().device_name
    for line in (
        f'kproxy_sequence_gaps_total{{device="{name}"}} 40.0',
        f'kproxy_sequence_seen_total{{device="{name}"}} 960.0',
        "kproxy_stream_connections 1.0",
        'kproxy_stream_ended_total{reason="not_ipfix"} 1.0',
    ):
        assert line in text
