"""The device API over a real connection, errors included."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults

import pytest
from pytest_twisted import ensureDeferred

from tests.collector.running import HEADERS, Answer, Running

API = "/api/internal"


async def get(collector: Running, path: str) -> Answer:
    """GET with credentials."""
    return await collector.request("GET", API + path)


@ensureDeferred
async def test_every_device(collector: Running) -> None:
    """The list has the devices of the file; query parameters of clients are no obstacle."""
    found = (await get(collector, "/devices?augmentWith[]=customColumns&subtypes[]=router")).json["devices"]
    assert [(device["id"], device["company_id"]) for device in found] == [("101", "1"), ("102", "1")]


@pytest.mark.parametrize("key", ["102", "192.0.2.2", "core.two", "core_two"])
@ensureDeferred
async def test_one_device(collector: Running, key: str) -> None:
    """By id, address, and name with dots or underscores."""
    assert (await get(collector, f"/device/{key}")).json["device"]["device_name"] == "core.two"


@pytest.mark.parametrize("key", ["103", "nobody", "%00", "%E2%82%AC", "0.0.0.0", "..", "a%20b", "%2e%2e%2fetc"])  # noqa: S104
@ensureDeferred
async def test_unknown_device(collector: Running, key: str) -> None:
    """404 with an error in JSON."""
    answer = await get(collector, f"/device/{key}")
    assert (answer.status, list(answer.json)) == (404, ["error"])


@ensureDeferred
async def test_unknown_address_is_registered_once(collector: Running) -> None:
    """Many who ask at once get the same device, and its flow is taken."""
    asked = [Deferred.fromCoroutine(get(collector, "/device/198.51.100.7")) for _ in range(8)]
    answers: list[Answer] = await gatherResults(asked)
    assert {answer.json["device"]["id"] for answer in answers} == {"1001"}
    assert answers[0].json["device"]["device_name"] == "auto_198_51_100_7"
    assert len((await get(collector, "/devices")).json["devices"]) == 3


@ensureDeferred
async def test_created_devices_survive_a_restart(tmp_path: Path) -> None:
    """Registered and created devices keep their ids."""
    first = Running(tmp_path, auto_register=True)
    first.service.startService()
    await get(first, "/device/198.51.100.7")
    created = await first.request("POST", API + "/device/", b'{"device": {"device_name": "made", "plan_id": 1}}')
    assert (created.status, created.json["device"]["id"]) == (201, "1002")
    await first.service.stopService()
    second = Running(tmp_path, auto_register=True)
    second.service.startService()
    assert (await get(second, "/device/198.51.100.7")).json["device"]["id"] == "1001"
    assert (await get(second, "/device/made")).json["device"]["id"] == "1002"
    assert (await get(second, "/device/198.51.100.8")).json["device"]["id"] == "1003"
    await second.service.stopService()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"device": []}',
        b'{"device": {}}',
        b'{"device": {"device_name": "edge"}}',
        b'{"device": {"device_name": "new", "sending_ips": ["192.0.2.1"]}}',
        b'{"device": {"device_name": "new", "sending_ips": 1}}',
        b"[" * 100_000,
        b'{"device": {"device_name": "' + b"x" * 300_000 + b'"}}',
    ],
)
@ensureDeferred
async def test_bad_create(collector: Running, body: bytes) -> None:
    """400 with the reason, and no device."""
    answer = await collector.request("POST", API + "/device/", body)
    assert (answer.status, list(answer.json)) == (400, ["error"])
    assert len((await get(collector, "/devices")).json["devices"]) == 2


@ensureDeferred
async def test_interfaces(collector: Running) -> None:
    """An empty list for a known device, 404 for others."""
    assert (await get(collector, "/device/101/interfaces")).json == []
    assert (await get(collector, "/device/9/interfaces")).status == 404
    assert (await get(collector, f"/device/{'9' * 5000}/interfaces")).status in (404, 431)


@ensureDeferred
async def test_snmp_document(collector: Running) -> None:
    """Taken for the right company, refused for another, for an unknown device, and when it is no object."""
    document = json.dumps({"eth0": {"index": "1", "speed": 1000}}).encode()

    async def put(company: int, device: int, body: bytes) -> int:
        path = f"{API}/company/{company}/device/{device}/tags/snmp"
        return (await collector.request("PUT", path, body)).status

    assert await put(1, 101, document) == 200
    assert await put(2, 101, document) == 403
    assert await put(1, 999, document) == 404
    assert await put(1, 101, b"[]") == 400
    assert await put(1, 101, b'{"a":"' + b"x" * (1 << 20) + b'"}') == 400


@ensureDeferred
async def test_wrong_method_and_address(collector: Running) -> None:
    """405 and 404 are JSON too."""
    for method, path, status in (("PUT", "/chf", 405), ("GET", "/nothing", 404), ("POST", "/totals", 405)):
        answer = await collector.request(method, path, None if method == "GET" else b"", HEADERS)
        assert (answer.status, list(answer.json)) == (status, ["error"])
