"""kcollect's pages over a real connection: HTML, JSON and CSV of the same figures, live parts, hostile names."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from html import unescape
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol

import pytest
from pytest_twisted import ensureDeferred

from tests.collector.chf_bodies import flow, gzipped
from tests.collector.running import Answer, Running, device_file

HOSTILE = (
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "{{ 7*7 }}",
    "%s%n",
    "\u202eevil",
    "a\u200bb",
    "' OR 1=1 --",
)


async def with_traffic(collector: Running) -> None:
    """Two devices send in the last minutes."""
    now = time.time_ns()
    for device, flows in (
        ("101", [flow(timestampNano=now - 90 * 10**9, inBytes=1000, inputPort=1, outputPort=2)]),
        ("102", [flow(timestampNano=now - 200 * 10**9, inBytes=3000, protocol=17, l4SrcPort=53, sampleRate=50_000)]),
    ):
        answer = await collector.post_flows(gzipped(flows), f"1:x:{device}")
        assert answer.status == 200


def rows_of(answer: Answer) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.body.decode())))


@pytest.mark.parametrize("by", ["device", "protocol", "port", "src_as", "input", "source", "conversation"])
@ensureDeferred
async def test_page_json_and_csv_agree(collector: Running, by: str) -> None:
    """1,000 bytes at 1:10 and 3,000 at 1:500 (kflow counts rates in hundredths): each form says so."""
    await with_traffic(collector)
    query = f"by={by}&range=15m"
    page, twin = await collector.get(f"/traffic?{query}"), await collector.get(f"/traffic.json?{query}")
    listed = rows_of(await collector.get(f"/traffic/parts.csv?{query}"))
    parts = twin.json["Parts"]
    assert [row["EstimatedBytes"] for row in parts] in ([1_500_000, 10_000], [1_510_000])
    assert [(row["Label"], float(row["EstimatedBytes"])) for row in listed] == [
        (row["Label"], row["EstimatedBytes"]) for row in parts
    ]
    text = unescape(page.body.decode())
    for row in parts:
        assert row["Label"] in text
    assert "1,500,000 B" in text or "1,510,000" in text
    chart = json.loads(unescape(re.search(r'data-chart="([^"]*)"', page.body.decode())[1]))  # type: ignore[index]
    drawn = sum(sum(layer["values"]) for layer in chart["layers"]) * chart["step"] / 8
    assert drawn == pytest.approx(1_510_000, rel=1e-4)
    points = rows_of(await collector.get(f"/traffic/points.csv?{query}"))
    assert sum(float(point["Value"]) for point in points) * twin.json["StepSeconds"] / 8 == pytest.approx(1_510_000)
    assert len(twin.json["Points"]) == len(points)


@ensureDeferred
async def test_totals_agree_with_the_chart(collector: Running) -> None:
    """What ``/totals`` sums exactly is what the traffic of the time shows."""
    await with_traffic(collector)
    totals = {row["DeviceName"]: row["EstimatedBytes"] for row in (await collector.get("/totals")).json["Devices"]}
    parts = (await collector.get("/traffic.json?range=1h")).json["Parts"]
    assert {row["Label"]: row["EstimatedBytes"] for row in parts} == totals


@ensureDeferred
async def test_the_first_page_and_its_twin(collector: Running) -> None:
    """The verdict, the devices and the last flows are the same in both."""
    await with_traffic(collector)
    page, twin = await collector.get("/"), await collector.get("/index.json")
    assert twin.json["Verdict"]["Sentence"] in page.body.decode()
    assert [row["DeviceID"] for row in twin.json["Devices"]] == [102, 101]
    assert [row["EstimatedBytes"] for row in twin.json["Devices"]] == [1_500_000, 10_000]
    assert len(twin.json["LastFlows"]) == 2
    assert [row["DeviceName"] for row in rows_of(await collector.get("/devices.csv"))] == ["core.two", "edge"]


@ensureDeferred
async def test_the_page_of_a_device(collector: Running) -> None:
    """Only its own traffic, its interfaces in both directions, its last flows; another has no page."""
    await with_traffic(collector)
    twin = (await collector.get("/devices/101.json?range=15m")).json
    assert twin["Whole"]["EstimatedBytes"] == 10_000
    assert [(row["Index"], row["InBytes"], row["OutBytes"]) for row in twin["Interfaces"]] == [
        (1, 10_000, 0),
        (2, 0, 10_000),
    ]
    assert b"interface 2" in (await collector.get("/devices/101?range=15m")).body
    for path in ("/devices/99", "/devices/99.json", "/devices/4294967296", "/devices/x", "/traffic/nothing.csv"):
        assert (await collector.get(path)).status == 404


@ensureDeferred
async def test_interfaces_have_the_names_that_snmp_tells(collector: Running) -> None:
    """By name, else by description; in every form of traffic and of the device's page, which leads to ``/snmp``."""
    await with_traffic(collector)
    entries = {
        "1": {"index": "1", "desc": "TenGigE0/0/0/1", "extra_info": {"name": "Te0/0/0/1<b>"}},
        "2": {"index": "2", "desc": "to the core"},
    }
    path = "/api/internal/company/1/device/101/tags/snmp"
    sent = await collector.request("PUT", path, json.dumps({"interface_data": entries}).encode())
    assert sent.status == 200
    labels = {}
    for by in ("input", "output"):
        query = f"by={by}&range=15m"
        parts = (await collector.get(f"/traffic.json?{query}")).json["Parts"]
        labels[by] = {part["Label"] for part in parts}
        assert {row["Label"] for row in rows_of(await collector.get(f"/traffic/parts.csv?{query}"))} == labels[by]
    assert "edge Te0/0/0/1<b>" in labels["input"]
    assert "edge to the core" in labels["output"]
    assert any(re.fullmatch(r"core\.two interface \d+", label) for label in labels["input"])
    page = (await collector.get("/devices/101?range=15m")).body.decode()
    assert "Te0/0/0/1&lt;b&gt;" in page
    (link,) = re.findall(r'href="(/snmp/\d+)"', page)
    assert "to the core" in (await collector.get(link)).body.decode()


@pytest.mark.parametrize("query", ["by=x", "range=2h", "from=9&to=1", "device=%3Cb%3E", "address=%27", "rows=1e9"])
@ensureDeferred
async def test_a_query_without_meaning(collector: Running, query: str) -> None:
    """People get a page that says what is wrong, programs an error."""
    for path in ("/traffic", "/talkers"):
        page, twin = await collector.get(f"{path}?{query}"), await collector.get(f"{path}.json?{query}")
        assert (page.status, twin.status, list(twin.json)) == (400, 400, ["error"])
        assert page.headers["content-type"].startswith("text/html")
        assert "must be" in page.body.decode()


@ensureDeferred
async def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    """In HTML they are text, in CSV no formulas, in JSON what they are."""
    devices = [
        {"id": 1 + place, "company_id": 1, "device_name": name, "sending_ips": []}
        for place, name in enumerate(HOSTILE)
        if name.isprintable()
    ]
    running = Running(tmp_path / "data", devices_file=device_file(tmp_path, devices))
    running.service.startService()
    for device in devices:
        sent = await running.post_flows(
            gzipped([flow(timestampNano=time.time_ns() - 60 * 10**9)]), f"1:x:{device['id']}"
        )
        assert sent.status == 200
    pages = [await running.get(path) for path in ("/", "/traffic?range=15m", "/devices/1", "/devices/3")]
    listed = rows_of(await running.get("/traffic/parts.csv?range=15m"))
    twin = (await running.get("/traffic.json?range=15m")).json
    await running.service.stopService()
    for page in pages:
        assert page.status == 200
        assert not re.search(rb"<script>|<svg onload", page.body)
        assert b"default-src 'none'" in page.headers["content-security-policy"].encode()
    assert all(row["Label"][0] not in "=+@" for row in listed)
    assert {row["Label"] for row in twin["Parts"]} == {device["device_name"] for device in devices}


class _Reader(Protocol):
    """Collects what comes until a word is in it."""

    def __init__(self, word: bytes) -> None:
        self._word = word
        self.got = b""
        self.seen: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.got += data
        if self._word in self.got and not self.seen.called:
            self.seen.callback(self.got)


@ensureDeferred
async def test_events_bring_the_parts_of_a_page(collector: Running) -> None:
    """First all of them; after new flow the verdict with its new count. Stopping does not wait for who watches."""
    await with_traffic(collector)
    reader = _Reader(b'"live_verdict"')
    endpoint = HostnameEndpoint(collector.reactor, "127.0.0.1", collector.service.port)
    await endpoint.connect(Factory.forProtocol(lambda: reader))
    assert reader.transport is not None
    reader.transport.write(f"GET /events?page=/ HTTP/1.1\r\nHost: 127.0.0.1:{collector.service.port}\r\n\r\n".encode())
    got = await reader.seen.addTimeout(20, collector.reactor)
    assert b"event: fragments" in got
    assert b"2 flows of 2 devices are stored" in got
    missing = await collector.get("/events?page=/nothing")
    assert missing.status == 404


@ensureDeferred
async def test_static_files(collector: Running) -> None:
    """The chart's script and its licence come from here, under names that can be kept for ever."""
    page = (await collector.get("/traffic")).body.decode()
    (script,) = re.findall(r'src="(/static/vendor/uPlot\.[0-9a-f]+\.js)"', page)
    answer = await collector.get(script)
    assert (answer.status, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert b"MIT" in (await collector.get("/static/vendor/uPlot.LICENSE.txt")).body
