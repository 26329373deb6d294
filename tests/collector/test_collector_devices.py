"""The device directory: its file, lookups, and devices made while running."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.collector.devices import MAX_DEVICES, DeviceDirectory, make_device, parse_devices
from kproxy_tw.errors import ConfigError, MalformedInput

FILE = Path("devices.json")


def fields(**more: Any) -> dict[str, Any]:
    """The least that a device needs, with ``more``."""
    return {"id": 5, "company_id": 3, "device_name": "edge.one", "sending_ips": ["192.0.2.1"]} | more


def parse(*devices: object) -> DeviceDirectory:
    """The directory of a file with these devices."""
    return DeviceDirectory(parse_devices(json.dumps({"devices": devices}).encode(), FILE))


def test_document_has_the_shape_of_the_api() -> None:
    """Ids and the sample rate are strings, rates integers; nested objects and unknown fields are there."""
    document = make_device(fields(max_flow_rate=4000, device_sample_rate=100, vendor_field=[1])).document
    assert (document["id"], document["company_id"], document["device_sample_rate"]) == ("5", "3", "100")
    assert (document["max_flow_rate"], document["plan"]["id"], document["site"]["id"]) == (4000, 1, 1)
    assert document["custom_columns"] == ""
    assert document["vendor_field"] == [1]


@pytest.mark.parametrize("key", ["5", "192.0.2.1", "::ffff:192.0.2.1", "edge.one", "edge_one"])
def test_found_by_id_address_and_name(key: str) -> None:
    """A device answers to its id, each address and its name with dots or underscores."""
    found = parse(fields()).find(key)
    assert found is not None
    assert found.id == 5


@pytest.mark.parametrize("key", ["", "6", "192.0.2.2", "edge", "EDGE.ONE", "5 ", "\u0665", "99999999999999999999"])
def test_not_found(key: str) -> None:
    """Anything else is nobody."""
    assert parse(fields()).find(key) is None


def test_name_with_underscores_is_found_by_dots() -> None:
    """Clients turn dots into underscores; the other way round works too."""
    assert parse(fields(device_name="edge_one")).find("edge.one")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"id": 0}, "id"),
        ({"id": "x"}, "id"),
        ({"id": True}, "id"),
        ({"id": 2**32}, "id"),
        ({"company_id": -1}, "company_id"),
        ({"device_name": ""}, "device_name"),
        ({"device_name": "a\nb"}, "device_name"),
        ({"sending_ips": "192.0.2.1"}, "sending_ips"),
        ({"sending_ips": ["nowhere"]}, "nowhere"),
        ({"max_flow_rate": 1.5}, "max_flow_rate"),
    ],
)
def test_bad_device_is_named(bad: dict[str, Any], words: str) -> None:
    """The error names the file, the device by number and name, and the field."""
    with pytest.raises(ConfigError, match=words) as caught:
        parse(fields(id=1, device_name="fine", sending_ips=[]), fields(**bad))
    assert str(caught.value).startswith("-devices: devices.json: device 2 (")


@pytest.mark.parametrize("again", [{"id": 6}, {"device_name": "b"}, {"id": 6, "device_name": "b"}])
def test_duplicates_are_refused(again: dict[str, Any]) -> None:
    """Two devices share neither id, name nor address."""
    with pytest.raises(ConfigError, match=r"has .* too"):
        parse(fields(), fields(**again))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"devices": {}}', b"\xff", b"[" * 100_000, b'{"devices": [NaN]}'])
def test_broken_file(body: bytes) -> None:
    """A file that is something else gives one line with its name."""
    with pytest.raises(ConfigError, match=r"devices\.json"):
        parse_devices(body, FILE)


@given(st.binary(max_size=200))
def test_any_file(body: bytes) -> None:
    """Any bytes parse or are a ConfigError."""
    try:
        assert isinstance(parse_devices(body, FILE), list)
    except ConfigError:
        return


def test_registering_an_unknown_address() -> None:
    """It becomes a device with the next free id, company of the others, a name made of the address."""
    directory = DeviceDirectory([make_device(fields(id=2000))], auto_register=True)
    device = directory.draft_for("10.0.0.1")
    assert device is not None
    directory.add(device)
    assert (device.id, device.company_id, device.name) == (2001, 3, "auto_10_0_0_1")
    assert device.document["sending_ips"] == ["10.0.0.1"]
    assert directory.find("10.0.0.1") is device


def test_first_registered_id() -> None:
    """An empty directory starts at 1001."""
    device = DeviceDirectory(auto_register=True).draft_for("2001:db8::1")
    assert device is not None
    assert (device.id, device.company_id, device.sending_ips) == (1001, 1, (ip_address("2001:db8::1"),))


@pytest.mark.parametrize("key", ["edge7", "0.0.0.0", "::", "224.0.0.1", "7"])  # noqa: S104
def test_what_is_not_registered(key: str) -> None:
    """Names, ids and addresses that no exporter has are not registered."""
    assert DeviceDirectory(auto_register=True).draft_for(key) is None


def test_no_registering_unless_asked_for() -> None:
    """Without the switch an unknown address stays unknown."""
    assert DeviceDirectory().draft_for("10.0.0.1") is None


def test_full_directory() -> None:
    """Beyond the bound nothing is created, and the reason is said."""
    devices = [make_device(fields(id=i + 1, device_name=f"d{i}", sending_ips=[])) for i in range(MAX_DEVICES)]
    with pytest.raises(MalformedInput, match="full"):
        DeviceDirectory(devices, auto_register=True).draft_for("10.0.0.1")


@pytest.mark.parametrize("taken", [{"device_name": "edge_one"}, {"device_name": "new", "sending_ips": ["192.0.2.1"]}])
def test_draft_of_something_taken(taken: dict[str, Any]) -> None:
    """A created device takes neither a name nor an address of another."""
    with pytest.raises(MalformedInput, match="already"):
        parse(fields()).draft(taken)


def test_file_takes_precedence_over_created() -> None:
    """A later device with an id that is there already is not added."""
    directory = parse(fields())
    directory.add(make_device(fields(device_name="other", sending_ips=["192.0.2.9"])))
    assert directory.find("192.0.2.9") is None
    assert len(directory.all()) == 1
