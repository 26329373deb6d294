"""sFlow's counters, discards and agents as JSON and on the page."""

from __future__ import annotations

import json

import attrs

from kproxy_tw.status import AgentStatus, DiscardStatus, SflowStatus, SourceStatus
from kproxy_tw.testing import status as made_up
from kproxy_tw.web import documents
from kproxy_tw.web.counters import interfaces_table
from kproxy_tw.web.encoding import encode
from kproxy_tw.web.pages import device as device_page
from kproxy_tw.web.render import Renderer

NOW = 1_790_000_000.0


def source(index: int, bits: float = 0.0, name: str = "", status: int = 3) -> SourceStatus:
    """An interface."""
    return SourceStatus(
        agent="192.0.2.9",
        sub_agent=0,
        source_class=0,
        index=index,
        last_seen=NOW,
        restarts=0,
        records={"Interface": {"Index": index, "Speed": 10**9, "Status": status}, "PortName": {"Name": name}},
        rates={"Interface": {"InBitsPerSecond": bits, "InUtilization": bits / 1e9}} if bits else {},
    )


SFLOW = SflowStatus(
    counter_samples=4,
    agent_drops=4711,
    sources=(
        source(1),
        source(2, 5e8, "<b>eth2\x1b"),
        SourceStatus(
            agent="192.0.2.9",
            sub_agent=0,
            source_class=2,
            index=1,
            last_seen=NOW,
            restarts=1,
            records={"HostCpu": {"LoadOne": 0.5}},
            rates={"HostCpu": {}},
        ),
    ),
    discards=(DiscardStatus(code=258, reason="ACL", packets=12, last_seen=NOW),),
    agents=(
        AgentStatus(source="192.0.2.1", agent="192.0.2.9", sub_agents=(0, 1), datagrams=5, last_seen=NOW),
        AgentStatus(source="192.0.2.1", agent="192.0.2.10", sub_agents=(0,), datagrams=6, last_seen=NOW),
    ),
    several_agents=("192.0.2.1",),
)


def test_json_has_everything() -> None:
    """Interfaces with status, rates and records; the others; discards; agents."""
    document = json.loads(encode(documents.device(attrs.evolve(made_up.sample_device(), sflow=SFLOW))))
    one, two = document["Counters"]["Interfaces"]
    assert (one["IfIndex"], one["Name"], one["AdminUp"], one["OperUp"], one["Rates"]) == (1, "", True, True, {})
    assert (two["Name"], two["Rates"]["Interface"]["InUtilization"]) == ("<b>eth2\\x1b", 0.5)
    assert two["LastSeen"] == "2026-09-21T14:13:20.000Z"
    (other,) = document["Counters"]["Others"]
    assert (other["Class"], other["Restarts"], other["Records"]) == (2, 1, {"HostCpu": {"LoadOne": 0.5}})
    assert document["Counters"]["Discards"][0]["Packets"] == 12
    assert [agent["SeveralBehindSource"] for agent in document["Agents"]] == [True, True]
    assert document["Counters"]["Samples"] == 4


def test_a_device_without_sflow_has_empty_lists() -> None:
    """The keys are there all the same."""
    document = documents.device(made_up.sample_device())
    assert document["Agents"] == []
    lists: dict[str, list[object]] = {"Interfaces": [], "Others": [], "Discards": []}
    assert document["Counters"] == {"Samples": 0, "SkippedSamples": 0, "AgentDrops": 0, "ForgottenSources": 0, **lists}


def test_busiest_interfaces_come_first() -> None:
    """Then those without rates, in their order; a port that is down says so."""
    sflow = SflowStatus(sources=(source(1), source(2, 1e6), source(3, 2e6), source(4, status=1)))
    rows = interfaces_table(sflow, NOW).as_json()
    assert [(row["Index"], row["State"]) for row in rows] == [(3, "up"), (2, "up"), (1, "up"), (4, "down")]


def test_the_page_is_bounded() -> None:
    """It says how many are left out, and where they are."""
    html = page(SflowStatus(sources=tuple(source(index) for index in range(105))))
    assert '5 more rows are not shown here; the <a href="/devices/1001/sflow-interfaces.csv">CSV file</a>' in html


def page(sflow: SflowStatus) -> str:
    """The device's page."""
    device = attrs.evolve(made_up.sample_device(), sflow=sflow)
    shown = device_page.content(made_up.sample_daemon(), device)
    return Renderer().render(shown.template, **shown.for_template("/devices/1001"))


def test_the_page_shows_it_and_escapes_what_devices_say() -> None:
    """Names of ports come from outside."""
    html = page(SFLOW)
    assert "&lt;b&gt;eth2\\x1b" in html
    assert "<b>eth2" not in html
    for expected in (
        "500 Mbit/s",
        "50 %",
        "ACL",
        "LoadOne",
        "192.0.2.10",
        "-sflow_agent_address",
        "Several agents send from 192.0.2.1",
        "want of resources",
    ):
        assert expected in html


def test_a_device_without_sflow_has_no_sections_of_it() -> None:
    """Nothing about counters on a NetFlow exporter's page."""
    html = page(SflowStatus())
    assert "by sFlow" not in html
    assert "agents" not in html
