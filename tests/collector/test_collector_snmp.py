"""What agents say by SNMP, at kcollect: stored, merged, shown, bounded."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred

from kproxy_tw.collector.snmp.names import DescribedInterfaces
from kproxy_tw.collector.snmp.parse import COUNTERS, MAX_REPORT, parse_document, parse_report
from kproxy_tw.collector.snmp.store import KEEP_SECONDS, SnmpStore
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp.outputs.report import reports
from tests.collector.running import HEADERS, Running
from tests.snmp.readings import HEALTH, counters, reading

START = time.time() - 3600

PUT = "/api/internal/company/1/device/101/tags/snmp"


def document(*indexes: int, **fields: Any) -> bytes:
    """A document of interfaces."""
    entries = {
        str(index): {"index": str(index), "desc": f"ge-{index}", "alias": "", "speed": 1000, "type": 6, **fields}
        for index in indexes
    }
    system = {"sys_name": "r1", "sys_descr": "a router", "sys_services": 6}
    return json.dumps({"manufacturer": "M", "interface_data": entries, "device_metrics_metadata": system}).encode()


def report(at: float = START, device_id: int = 101, **fields: Any) -> bytes:
    """A report as kproxy makes it."""
    (body,) = reports(reading(device_id, at, **fields))
    return body


@ensureDeferred
async def test_documents_are_merged(collector: Running) -> None:
    """An interface that did not change stays; the device API gives all of them."""
    for body in (document(1, 2, 3), document(2, alias="new")):
        assert (await collector.request("PUT", PUT, body)).status == 200
    found = (await collector.request("GET", "/api/internal/device/101/interfaces")).json
    assert [(one["snmp_id"], one["snmp_alias"], one["snmp_speed"]) for one in found] == [
        ("1", "", "1000"),
        ("2", "new", "1000"),
        ("3", "", "1000"),
    ]
    (device,) = await _devices(collector)
    assert (device["DeviceID"], device["DeviceName"], device["Interfaces"]) == (101, "edge", 3)
    assert (device["System"]["sys_name"], device["System"]["manufacturer"]) == ("r1", "M")


async def _devices(collector: Running) -> list[Any]:
    listed: list[Any] = (await collector.request("GET", "/snmp/devices")).json["Devices"]
    return listed


@ensureDeferred
async def test_reports_give_rates(collector: Running) -> None:
    """Growth over the real seconds; a first poll has none; the same report twice counts once."""
    await collector.request("PUT", PUT, document(1))
    bodies = (
        report(counters=(counters(1),)),
        report(
            START + 300, counters=(counters(1, 300.0, in_octets=3_000_000, out_octets=0, in_errors=30),), health=HEALTH
        ),
    )
    for body in (*bodies, bodies[1]):
        answer = await collector.request("POST", "/snmp", body)
        assert (answer.status, answer.json) == (200, {"stored": 1})
    rows = (await collector.request("GET", "/snmp/counters?device_id=101")).json
    assert [(row["Index"], row["Seconds"], row["Deltas"]) for row in rows] == [
        (1, 0.0, {}),
        (1, 300.0, {"InOctets": 3_000_000, "OutOctets": 0, "InErrors": 30}),
    ]
    (interface,) = (await collector.request("GET", "/snmp/interfaces?device_id=101")).json
    assert interface["Rates"] == {"InOctets": 10_000.0, "OutOctets": 0.0, "InErrors": 0.1}
    health = (await collector.request("GET", "/snmp/health?device_id=101")).json
    assert [(one["Kind"], one["Name"], one["Value"], one["Total"]) for one in health] == [
        ("cpu", "RE0", 37.0, 100.0),
        ("memory", "RE0 DRAM", 1e9, 4e9),
        ("temperature", "CPU", 41.5, 0.0),
    ]
    page = (await collector.request("GET", "/snmp/101")).body.decode()
    assert "80 kbit/s" in page
    assert "41.5 °C" in page
    assert "37 %" in page


@ensureDeferred
async def test_an_interface_without_a_description_is_shown(collector: Running) -> None:
    """A report may come before the document; the interface has its name from there."""
    await collector.request("POST", "/snmp", report(counters=(counters(9, in_octets=1),)))
    (interface,) = (await collector.request("GET", "/snmp/interfaces?device_id=101")).json
    assert (interface["Index"], interface["Name"]) == (9, "ge-0/0/9")


@ensureDeferred
async def test_texts_of_devices_cannot_harm_the_page(collector: Running) -> None:
    """Markup in an alias is text."""
    await collector.request("PUT", PUT, document(1, alias="<script>alert(1)</script>"))
    page = (await collector.request("GET", "/snmp/101")).body
    assert b"<script>alert" not in page
    assert b"&lt;script&gt;alert" in page


@ensureDeferred
async def test_who_may_post_and_what(collector: Running) -> None:
    """Credentials, known devices, sane bodies."""
    assert (await collector.request("POST", "/snmp", report(), headers={})).status == 401
    assert (await collector.request("POST", "/snmp", report(device_id=999))).status == 400
    for body in (b"", b"[]", b"{}", b'{"DeviceID": 101, "Time": -1}', b'{"DeviceID": true, "Time": 1}'):
        assert (await collector.request("POST", "/snmp", body)).status == 400
    for path in ("/snmp/interfaces", "/snmp/interfaces?device_id=x", "/snmp/counters?device_id=101&polls=0"):
        assert (await collector.request("GET", path)).status == 400
    assert (await collector.request("GET", "/snmp/999")).status == 404


@ensureDeferred
async def test_what_was_stored_survives_a_restart(collector: Running, tmp_path: Path) -> None:
    """It is in the file of the flows."""
    await collector.request("PUT", PUT, document(1))
    await collector.request("POST", "/snmp", report(counters=(counters(1, in_octets=300),)))
    await collector.service.stopService()
    store = FlowStore(tmp_path / "data")
    store.open()
    assert [row[0] for row in SnmpStore(store).interfaces(101)] == ["1"]
    assert SnmpStore(store).counters(101)[0][7] == 300
    store.close()
    collector.service = type(collector.service)(collector.config, collector.reactor)
    collector.service.startService()
    (device,) = await _devices(collector)
    assert device["System"]["sys_name"] == "r1"


def test_names_of_interfaces_are_read_once_and_of_so_many_devices() -> None:
    """A page of very many devices stays fast: those after the first hundred have no names."""
    asked: list[int] = []

    def described(device_id: int) -> list[tuple[str, float, str]]:
        asked.append(device_id)
        return [("1", START, '{"desc": "one", "extra_info": {"name": "ge-1"}}'), ("2", START, '{"desc": "two"}')]

    names = DescribedInterfaces(described)
    for _again in range(2):
        assert [(names(number, 1), names(number, 2), names(number, 3)) for number in range(100)] == [
            ("ge-1", "two", "")
        ] * 100
        assert names(100, 1) == ""
    assert asked == list(range(100))


def test_old_counters_are_swept(tmp_path: Path) -> None:
    """A month of them is kept."""
    store = FlowStore(tmp_path)
    store.open()
    now = START
    snmp = SnmpStore(store, now=lambda: now)
    snmp.keep_report(parse_report(report(counters=(counters(1, in_octets=1),))))
    now = START + KEEP_SECONDS + 10
    snmp.keep_report(parse_report(report(now, counters=(counters(1, in_octets=2),))))
    assert [row[7] for row in snmp.counters(101)] == [2]
    store.close()


def test_a_file_of_before_gets_the_tables(tmp_path: Path) -> None:
    """kcollect goes on with the data that it has."""
    store = FlowStore(tmp_path)
    store.open()
    for table in ("snmp_devices", "snmp_interfaces", "snmp_counters", "snmp_components"):
        store.read(f"DROP TABLE {table}")
    store.close()
    store.open()
    assert SnmpStore(store).devices() == []
    store.close()


def test_very_many_interfaces(tmp_path: Path) -> None:
    """A poll of 5000 interfaces, in several reports, is stored whole."""
    store = FlowStore(tmp_path)
    store.open()
    snmp = SnmpStore(store)
    many = tuple(counters(index, in_octets=index) for index in range(1, 5001))
    bodies = list(reports(reading(101, START, counters=many)))
    assert all(len(body) < MAX_REPORT for body in bodies)
    for body in bodies:
        snmp.keep_report(parse_report(body))
    assert [row[7] for row in snmp.counters(101)] == list(range(1, 5001))
    store.close()


def test_counters_are_those_of_the_reports() -> None:
    """Both sides have the same names."""
    full = {name: place for place, name in enumerate(COUNTERS)}
    body = json.dumps({"DeviceID": 1, "Time": 1, "Interfaces": [{"Index": 1, "Deltas": full}]}).encode()
    assert parse_report(body).interfaces[0].deltas == tuple(range(12))
    from kproxy_tw.snmp.outputs.report import COUNTERS as SENT
    from kproxy_tw.snmp.outputs.report import camel

    assert tuple(map(camel, SENT)) == COUNTERS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["DeviceID", "Time", "Interfaces", "Index", "Deltas", "InOctets", "CPUs", "Name"])
            | st.sampled_from(["interface_data", "1", "index", "alias_address", "extra_info", "speed", "address"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=50))
def test_any_body_is_taken_or_malformed(body: bytes) -> None:
    """Nothing else comes out of either parser."""
    for parse in (parse_document, parse_report):
        try:
            parse(body)
        except MalformedInput:
            continue


@pytest.mark.parametrize("path", ["/snmp", "/snmp/devices"])
@ensureDeferred
async def test_pages_without_anything(collector: Running, path: str) -> None:
    """They say so."""
    answer = await collector.request("GET", path, headers=HEADERS)
    assert answer.status == 200
