"""Twins: what HTML shows, JSON says, and CSV has; each cell of every page is compared.

The HTML is read as a person reads it: the text of a cell, and what shows when one points at it.
"""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from kproxy_tw.ledger import Ledger
from kproxy_tw.logbook import LogBook
from kproxy_tw.status import (
    CapStatus,
    Check,
    EventStatus,
    ExporterStatus,
    LimitStatus,
    SettingStatus,
    UnregisteredStatus,
)
from kproxy_tw.testing.status import (
    NOW,
    FixedStatus,
    sample_daemon,
    sample_device,
    sample_ledger,
    sample_template,
)
from kproxy_tw.web.encoding import encode
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.pages import configuration, device, kproxy, limits, log, upstream
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.snapshot import take
from kproxy_tw.web.tables.choice import Choice
from kproxy_tw.web.tables.separated import csv_text
from tests.web.shown import Shown, agrees, compared, rows_of
from tests.web.test_web_counters import SFLOW
from tests.web.test_web_snmp import POLLED

DRAWN = {"/": {"Pipeline"}, "/devices/1001": {"TemplateList"}}
"""Tables that are drawn, or told in another way, by page."""


def pages() -> dict[str, PageContent]:
    """Every page of kproxy with figures that differ from each other."""
    ledger = sample_ledger(received=123_456, sampled_out=2_345, dropped=678, in_flight=9)
    ledger.sequence_gaps, ledger.sequence_seen, ledger.datagrams_dropped["malformed"] = 37, 4_963, 11
    thinned = CapStatus(plan_fps=250, seen=6_000, kept=600, seen_per_kept=10.0, octets_error=0.031, packets_error=0.02)
    event = EventStatus(kind="x", text="the rate changed", first=NOW - 90, last=NOW - 30, count=3)
    one = sample_device(
        ledger=ledger,
        cap=thinned,
        templates=(sample_template(),),
        exporters=ExporterStatus(events=(event,)),
        sflow=SFLOW,
        snmp=POLLED,
    )
    other = sample_device(device_id=7, device_name="b7", last_seen=NOW - 400, sample_rate=4681.25, in1=0, in15=12_345)
    daemon = sample_daemon(
        totals=Ledger.total([ledger]),
        lately=sample_ledger(received=6_000, dropped=60),
        lately_seconds=60.0,
        clock_offset=1.4,
        settings=(SettingStatus(name="max", value=4000, origin="default", default=4000, help="most"),),
    )
    stranger = UnregisteredStatus(
        source="192.0.2.66", port=4711, first_seen=NOW - 99, last_seen=NOW - 3, datagrams=12_345, flow_type="sflow"
    )
    now = take(
        FixedStatus(
            daemon_status=daemon,
            device_list=[one, other],
            unregistered_list=[stranger],
            check_list=[Check(name="clock", status="ok", detail="1 s off")],
            limit_list=[LimitStatus(name="Messages", current=48_213, limit=1 << 30, peak=1_234_567, unit="B")],
        )
    )
    book = LogBook("info")
    book.add(NOW, "warn", "kproxy_tw.x", "something")
    return {
        "/": kproxy.content(now, Choice()),
        "/devices/1001": device.content(daemon, one),
        "/upstream": upstream.content(now),
        "/limits": limits.content(now),
        "/config": configuration.content(now),
        "/log": log.content(book, {}, "token", {"brand": "kproxy", "daemon": daemon}),
    }


PAGES = pages()


@pytest.mark.parametrize("path", PAGES)
def test_html_and_json_agree(path: str) -> None:
    """Every table has the same rows, every shown cell and every fact the same figure."""
    content = PAGES[path]
    html = Renderer().render(content.template, **content.for_template(path))
    twin = json.loads(encode(content.as_json()))
    seen = list(compared(html, twin, twin))
    assert [(where, value, text) for where, value, _same, text in seen if not agrees(value, text)] == []
    shown = Shown(html)
    tables = content.tables if content.view is None else (*content.tables, content.view.matching)
    listed = {table.key: table for table in tables if table.rows}
    assert listed.keys() - shown.tables.keys() == DRAWN.get(path, set())
    for key in listed.keys() & shown.tables.keys():
        assert len(rows_of(shown, key)) == len(twin[key])
        assert list(shown.tables[key][0]) == [column.key for _place, column in listed[key].shown]
    for facts in content.facts:
        assert shown.facts[facts.key].keys() == {column.key for column, _value in facts.items}
    assert len(seen) >= 4


def test_the_strip_and_json_agree() -> None:
    """The drawing has the rate and the unit of each stage, and what is lost there."""
    content = PAGES["/"]
    html = Renderer().render(content.template, **content.for_template("/"))
    twin = json.loads(encode(content.as_json()))["Pipeline"]
    drawing = html.partition('<svg class="strip wide"')[2].partition("</svg>")[0]
    boxes = drawing.split('<g class="stage')[1:]
    assert [stage["Stage"] for stage in twin] == ["receive", "decode", "sample", "encode", "deliver", "acknowledged"]
    for box, stage in zip(boxes, twin, strict=True):
        words = re.sub("<[^>]*>", " ", box)
        assert stage["Stage"] in words
        assert agrees(round(stage["PerSecond"], 1 if stage["PerSecond"] < 100 else 0), words)
        assert stage["Unit"] in words
        assert ("losing" in box) == (stage["LostPerSecond"] > 0)
    assert twin[1]["LostPerSecond"] == 1.0
    assert "▼ 1/s no_template" in drawing


@pytest.mark.parametrize("path", PAGES)
def test_csv_and_json_agree(path: str) -> None:
    """The same keys and rows; numbers are the same numbers."""
    content = PAGES[path]
    twin = json.loads(encode(content.as_json()))
    for table in content.tables if content.view is None else (*content.tables, content.view.matching):
        rows = list(csv.DictReader(io.StringIO(csv_text(table))))
        assert len(rows) == len(twin[table.key])
        for row, expected in zip(rows, twin[table.key], strict=True):
            assert list(row) == list(expected)
            for key, value in expected.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    assert float(row[key]) == value
                elif isinstance(value, str):
                    assert row[key].removeprefix("'") == value
