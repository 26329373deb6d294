"""Twins: what HTML shows, JSON says, and CSV has; each cell of every page is compared.

The HTML is read as a person reads it: the text of a cell, and what shows when one points at it.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html.parser import HTMLParser
from typing import Any

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

SECONDS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


def pages() -> dict[str, PageContent]:
    """Every page of kproxy with figures that differ from each other."""
    ledger = sample_ledger(received=123_456, sampled_out=2_345, dropped=678, in_flight=9)
    ledger.sequence_gaps, ledger.sequence_seen, ledger.datagrams_dropped["malformed"] = 37, 4_963, 11
    thinned = CapStatus(plan_fps=250, seen=6_000, kept=600, seen_per_kept=10.0, octets_error=0.031, packets_error=0.02)
    event = EventStatus(kind="x", text="the rate changed", first=NOW - 90, last=NOW - 30, count=3)
    one = sample_device(
        ledger=ledger, cap=thinned, templates=(sample_template(),), exporters=ExporterStatus(events=(event,))
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


class Shown(HTMLParser):
    """Tables by the id of their heading, and facts by their names, as text with what is pointed at."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.facts: dict[str, str] = {}
        self._rows: list[list[str]] | None = None
        self._into: list[str] | None = None
        self._term = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row, a cell, a fact; keep titles and times."""
        named = {name: value or "" for name, value in attrs}
        if named.get("role") == "region":
            self._rows = self.tables.setdefault(named["aria-labelledby"], [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th", "dt", "dd"):
            self._into = []
        if self._into is not None:
            self._into += [f" {named[key]} " for key in ("title", "datetime", "points") if key in named]

    def handle_data(self, data: str) -> None:
        """Text of a cell or a fact."""
        if self._into is not None:
            self._into.append(data)

    def handle_endtag(self, tag: str) -> None:
        """A cell, a fact or a table is complete."""
        if tag == "table":
            self._rows = None
        if self._into is None or tag not in ("td", "th", "dt", "dd"):
            return
        text, self._into = " ".join("".join(self._into).split()), None
        if tag == "dt":
            self._term = text
        elif tag == "dd":
            self.facts.setdefault(self._term, text)
        elif self._rows:
            self._rows[-1].append(text)


def agree(value: Any, text: str) -> bool:
    """Whether a cell says what JSON has."""
    if value is None:
        return text.startswith(("-", "no limit"))
    if isinstance(value, bool):
        return text.startswith("yes" if value else "no")
    if isinstance(value, list):
        if value and isinstance(value[0], float):
            return len(re.findall(r"[\d.]+,[\d.]+", text)) >= len(value)
        return all(agree(part, text) for part in value)
    if isinstance(value, str):
        return " ".join(value.split()) in text or (value == "" and text.startswith("-"))
    return any(math.isclose(value, number, rel_tol=2e-3, abs_tol=5e-4) for number in _numbers(text))


def _numbers(text: str) -> list[float]:
    found = [float(word.replace(",", "")) for word in re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", text)]
    shares = [float(word) / 100 for word in re.findall(r"([\d.e-]+) %", text)]
    return found + shares


@pytest.mark.parametrize("path", PAGES)
def test_html_and_json_agree(path: str) -> None:
    """Every table has the same rows, every shown cell and every fact the same figure."""
    content = PAGES[path]
    html = Shown(Renderer().render(content.template, **content.for_template(path)))
    twin = json.loads(encode(content.as_json()))
    compared = 0
    for table in content.tables if content.view is None else (*content.tables, content.view.matching):
        if table.name == "pipeline" or not table.rows:
            continue  # the pipeline is drawn, not listed; see below
        if table.name not in html.tables:
            assert (path, table.name) in {("/", "streams"), ("/devices/1001", "templates")}
            continue
        head, *rows = html.tables[table.name]
        assert all(column.title in cell for cell, (_, column) in zip(head, table.shown, strict=True))
        assert len(rows) == len(twin[table.key])
        for row, expected in zip(rows, twin[table.key], strict=True):
            for cell, (_, column) in zip(row, table.shown, strict=True):
                assert agree(expected[column.key], cell), (path, table.name, column.key, expected[column.key], cell)
                compared += 1
    for facts in content.facts:
        for column, _value in facts.items:
            text = next(text for term, text in html.facts.items() if term.endswith(column.title))
            assert agree(twin[facts.key][column.key], text), (path, facts.name, column.key, text)
            compared += 1
    assert compared >= 4


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
        assert agree(round(stage["PerSecond"], 1 if stage["PerSecond"] < 100 else 0), words)
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
