"""What people and monitoring read, over a real connection."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.collector.chf_bodies import flow, gzipped
from tests.collector.running import EMAIL, HEADERS, TOKEN, Running, device_file

PROGRAMS = ("/totals", "/flows", "/metrics")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=10001",
        "limit=-1",
        "limit=1.0",
        "limit=",
        "limit=%D9%A3",
        "limit=1&limit=2",
        "limit=99999999999999999999",
        "device_id=x",
        "device_id=1%3BDROP%20TABLE%20flows",
        "device_id=4294967296",
        "device_id=%ff",
        "device_id='",
    ],
)
@ensureDeferred
async def test_hostile_queries(collector: Running, query: str) -> None:
    """400 with an error in JSON."""
    answer = await collector.get(f"/flows?{query}")
    assert (answer.status, list(answer.json)) == (400, ["error"])


@ensureDeferred
async def test_flows_of_one_device(collector: Running) -> None:
    """Filter and limit work together; an unknown device has none."""
    for device, size in ((101, 1), (102, 2), (101, 3)):
        await collector.post_flows(gzipped([flow(inBytes=size)]), f"1:x:{device}")
    assert [one["inBytes"] for one in (await collector.get("/flows?device_id=101")).json] == [3, 1]
    assert [one["inBytes"] for one in (await collector.get("/flows?device_id=101&limit=1")).json] == [3]
    assert (await collector.get("/flows?device_id=4294967295")).json == []


@ensureDeferred
async def test_pretty(collector: Running) -> None:
    """``?pretty`` indents, and says the same."""
    await collector.post_flows(gzipped([flow()]))
    for path in ("/totals", "/flows"):
        compact, pretty = await collector.get(path), await collector.get(f"{path}?pretty")
        assert compact.json == pretty.json
        assert compact.body.count(b"\n") == 1
        assert b"\n  " in pretty.body


@ensureDeferred
async def test_health(collector: Running) -> None:
    """Both probes say ok while flows can be stored."""
    for path in ("/healthz", "/readyz"):
        answer = await collector.get(path)
        assert (answer.status, answer.body) == (200, b"ok\n")


@ensureDeferred
async def test_page_before_and_after_flows(collector: Running) -> None:
    """The page has totals and last flows in words, with no script and no style of its own in it."""
    assert b"Nothing has been received yet" in (await collector.get("/")).body
    await collector.post_flows(gzipped([flow(inBytes=1_500_000, sampleRate=100_000)]))
    answer = await collector.get("/")
    text = answer.body.decode()
    for words in ("edge", "1.5 GB", "10.0.0.1:443", "192.0.2.1:51234", "TCP", "100 %"):
        assert words in text
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in text
    assert 'style="' not in text
    assert (await collector.get("/static/site.css")).status == 200


@ensureDeferred
async def test_device_names_are_escaped(tmp_path: Path) -> None:
    """A name full of markup is shown, not run."""
    name = "<script>alert(1)</script>\"'&"
    devices = device_file(tmp_path, [{"id": 1, "company_id": 1, "device_name": name, "sending_ips": []}])
    running = Running(tmp_path / "data", devices_file=devices)
    running.service.startService()
    await running.post_flows(gzipped([flow()]), "1:x:1")
    page, totals = await running.get("/"), await running.get("/totals")
    await running.service.stopService()
    assert b"<script>" not in page.body + totals.body
    assert totals.json["Devices"][0]["DeviceName"] == name


@pytest.fixture
def reachable(tmp_path: Path) -> Running:
    """A kcollect that others can reach (it listens on all addresses)."""
    return Running(tmp_path, host="0.0.0.0", email=EMAIL, token=TOKEN)  # noqa: S104


@ensureDeferred
async def test_reading_needs_credentials_when_others_can_reach_it(reachable: Running) -> None:
    """Basic or the agents' headers open the pages; probes are open."""
    reachable.service.startService()
    basic = base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
    for path in ("/", "/index.json", "/traffic", "/talkers.json", "/traffic/parts.csv", "/events?page=/", *PROGRAMS):
        refused = await reachable.get(path)
        assert (refused.status, refused.headers["www-authenticate"].split()[0]) == (401, "Basic")
        for headers in ({"Authorization": f"Basic {basic}"}, HEADERS) if "events" not in path else ():
            assert (await reachable.request("GET", path, headers=headers)).status == 200
    assert (await reachable.get("/readyz")).status == 200
    await reachable.service.stopService()


def test_secrets_are_not_shown(reachable: Running) -> None:
    """The token is in no representation."""
    assert TOKEN not in repr(reachable.config)
    assert TOKEN not in json.dumps(str(vars(reachable.service)))
