"""SNMP on the device page, in JSON and in metrics."""

from __future__ import annotations

import json
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.snmp.reading import ErrorKind, Partial, PollError, V3State
from kproxy_tw.snmp.settings import AuthProtocol, SnmpTarget, V3Credentials, Version
from kproxy_tw.snmp.shown import DeviceSnmp, FlowRates, PollSums, Sending
from kproxy_tw.snmp.status import PollerStatus
from kproxy_tw.testing.status import sample_daemon, sample_device
from kproxy_tw.web import documents
from kproxy_tw.web.encoding import encode
from kproxy_tw.web.metrics import exposition
from kproxy_tw.web.pages import device as device_page
from kproxy_tw.web.ratelines import HEIGHT, WIDTH, rate_lines
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.verdict import verdict
from tests.snmp.readings import HEALTH, START, address, counters, interface, reading

USER = V3Credentials(user="u", auth=AuthProtocol.SHA, auth_pass_phrase="C4NARY-phrase")
TARGET = SnmpTarget(device_id=1001, address="192.0.2.7", version=Version.V3, v3=USER, community="C4NARY-community")
POLLED = DeviceSnmp(
    target=TARGET,
    latest=reading(
        1001,
        v3=V3State(
            engine_id="80", engine_boots=1, engine_time=2, user="u", auth="SHA", priv="NoPriv", level="authNoPriv"
        ),
    ),
    next_poll=START + 300,
    system=reading().system,
    health=HEALTH,
    described=START,
    counted=START,
    sums=PollSums(polls=10, failed=1, partial=2, requests=100, retries=3, timeouts=4, variables=1000, cpu_seconds=0.05),
    sending=Sending(documents=1, metric_records=40, untold=0),
    interfaces={
        1: interface(1, alias="to <b>Bonn</b>", addresses=(address("198.51.100.1", 30),)),
        2: interface(2, name="idle"),
    },
    counters={1: counters(1, 300.0, in_octets=18_750_000_000, out_octets=375_000, in_errors=600)},
    flow_rates={1: FlowRates(480e6, 9_000.0), 99: FlowRates(1.0, 0.0)},
    histories={1: ((1.0, 2.0), (3.0, 4.0))},
)


def page(snmp: DeviceSnmp) -> str:
    """The device's page."""
    device = sample_device(snmp=snmp)
    content = device_page.content(sample_daemon(), device)
    return Renderer().render("device.html", **content.for_template(f"/devices/{device.device_id}"))


def test_the_page_shows_polls_interfaces_and_rates_beside_those_of_flows() -> None:
    """Half of 1 Gbit/s by SNMP, 480 Mbit/s by flow; what the device says is text."""
    html = page(POLLED)
    for text in ("192.0.2.7:161", "version 3, authNoPriv", "500 Mbit/s", "480 Mbit/s", "10 kbit/s", "9 kbit/s"):
        assert text in html, text
    for text in ("50 %", "10 requests", "2 incomplete", "50.0 µs each", "41.5", "°C"):
        assert text in html, text
    assert "to &lt;b&gt;Bonn&lt;/b&gt;" in html
    assert "they go on with their index: 99." in html
    assert 'class="ratelines"' in html
    assert html.index("ge-0/0/1") < html.index("idle")


def test_the_page_says_what_is_wrong() -> None:
    """A refused target, a failed poll, a table that broke off."""
    assert "Not polled: 127.0.0.1 is this machine" in page(DeviceSnmp(problem="127.0.0.1 is this machine itself"))
    failed = reading(error=PollError(kind=ErrorKind.NO_ANSWER, text="no answer to 3 requests"), failures=4)
    html = page(attrs.evolve(POLLED, latest=failed))
    assert "The last poll failed: no answer to 3 requests; 4 times in a row" in html
    short = Partial(table="ifXTable", rows=7, error=PollError(kind=ErrorKind.BROKEN_ANSWER, text="OID not increasing"))
    assert "ifXTable was read to row 7 only: OID not increasing" in page(
        attrs.evolve(POLLED, latest=reading(partial=(short,)))
    )


def test_the_page_of_a_device_without_snmp_says_nothing_of_it() -> None:
    """No empty tables."""
    assert "SNMP" not in page(DeviceSnmp())


def test_the_first_page_names_the_device() -> None:
    """Among what is to be looked at."""
    failed = reading(error=PollError(kind=ErrorKind.NO_ANSWER, text="no answer"))
    device = sample_device(snmp=DeviceSnmp(target=TARGET, latest=failed))
    snapshot = Snapshot(sample_daemon(), [device], [], [])
    assert any("edge_fra1_r1 is not polled well by SNMP: no answer" in point.text for point in verdict(snapshot).points)


def test_json_of_a_device() -> None:
    """Everything that the page shows, for programs; no secret."""
    document: Any = json.loads(encode(documents.device(sample_device(snmp=POLLED))))
    snmp = document["SNMP"]
    assert snmp["Target"] == {
        "Address": "192.0.2.7",
        "Port": 161,
        "Version": "3",
        "Level": "authNoPriv",
        "Source": "",
        "Minimized": False,
    }
    one, other = snmp["Interfaces"]
    assert one["SNMPRates"]["InBitsPerSecond"] == 500e6
    assert one["SNMPRates"]["InUtilization"] == 0.5
    assert one["FlowRates"] == {"InBitsPerSecond": 480e6, "OutBitsPerSecond": 9_000.0}
    assert one["Addresses"] == [{"Address": "198.51.100.1", "PrefixLength": 30}]
    assert one["Counters"]["Deltas"]["InOctets"] == 18_750_000_000
    assert (other["Name"], other["FlowRates"]) == ("idle", None)
    assert (snmp["Sums"]["Polls"], snmp["Latest"]["Effort"]["Repetitions"]) == (10, 25)
    assert snmp["Health"]["Temperatures"] == [{"Name": "CPU", "Celsius": 41.5}]
    everything = json.dumps(document) + page(POLLED) + repr(POLLED)
    assert "C4NARY" not in everything


def test_json_of_the_process() -> None:
    """What polling costs."""
    polling = PollerStatus(pid=7, restarts=1, client="pysnmp", cpu_seconds=1.5, cpu_percent=2.25, targets=3)
    document = documents.status(sample_daemon(polling=polling))
    assert document["Polling"] == {
        "PID": 7,
        "Client": "pysnmp",
        "Targets": 3,
        "CPUSeconds": 1.5,
        "CPUPercent": 2.25,
        "Restarts": 1,
        "Problem": "",
    }


def test_metrics() -> None:
    """Polls by outcome, effort, cost; nothing of devices that are not polled."""
    devices = [sample_device(snmp=POLLED), sample_device(device_name="quiet", device_id=2)]
    text = exposition(
        Snapshot(sample_daemon(polling=PollerStatus(targets=1, cpu_seconds=2.5)), devices, [], [])
    ).decode()
    lines = text.splitlines()
    for outcome, count in (("ok", 7), ("partial", 2), ("failed", 1)):
        assert f'kproxy_snmp_polls_total{{device="edge_fra1_r1",outcome="{outcome}"}} {count}.0' in lines
    for line in ("kproxy_snmp_targets 1.0", "kproxy_snmp_cpu_seconds_total 2.5"):
        assert line in lines
    assert 'kproxy_snmp_timeouts_total{device="edge_fra1_r1"} 4.0' in lines
    assert not [line for line in lines if "snmp" in line and "quiet" in line]


def test_rate_lines_have_gaps_where_nothing_is_known() -> None:
    """The highest rate touches the top; a stretch of its own for each side of a gap."""
    picture = rate_lines([(0.0, None), (10.0, None), (None, None), (5.0, None)])
    assert picture.count('class="rate-in"') == 2
    assert picture.count('class="rate-out"') == 0
    assert "4 polls, at most 10 bit/s" in picture
    first = picture.split('points="')[1].split('"')[0].split()
    assert [point.split(",")[1] for point in first] == [f"{HEIGHT - 1:.1f}", "1.0"]
    assert rate_lines([]) == rate_lines([(1.0, 1.0)]) == rate_lines([(None, None)] * 3) == ""


@given(st.lists(st.tuples(*[st.none() | st.floats(0, 1e15)] * 2), max_size=60))
def test_every_point_is_inside_of_the_picture(points: list[tuple[float | None, float | None]]) -> None:
    """Whatever the rates are."""
    for line in rate_lines(points).split('points="')[1:]:
        for point in line.split('"')[0].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
