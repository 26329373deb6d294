"""Device objects of the API become devices, or are refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.devices.device import canonical_address
from kproxy_tw.devices.parse import (
    MAX_DEVICES,
    MAX_SENDING_ADDRESSES,
    parse_device,
    parse_device_answer,
    parse_device_list,
    printable,
)
from kproxy_tw.errors import MalformedInput
from tests.devices.api_objects import api_object

KEYS = [
    *("id", "company_id", "device_name", "device_type", "device_subtype", "device_status", "device_flow_type"),
    *("device_sample_rate", "ip", "sending_ips", "max_flow_rate", "plan", "max_fps", "custom_columns"),
    *("custom_column_data", "col_name", "field_id", "device_snmp_ip", "device_snmp_community"),
    *("device_snmp_v3_conf", "UserName", "minimize_snmp"),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["1", "10.0.0.1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=20,
)


def test_reads_the_documented_fields() -> None:
    """Every field that kproxy uses is taken from its documented place, texts that hold integers included."""
    device = parse_device(
        {
            "id": "1001",
            "company_id": "77",
            "device_name": "edge",
            "device_type": "router",
            "device_subtype": "cisco",
            "device_status": "V",
            "device_flow_type": "auto",
            "device_sample_rate": "512",
            "ip": "10.0.0.1",
            "sending_ips": ["10.0.0.2", "2001:DB8:0::1"],
            "max_flow_rate": 9000,
            "plan": {"id": 3, "max_fps": 4000},
            "custom_columns": "APP=4,HOST=5",
            "custom_column_data": [{"field_id": "6", "col_name": "c_user", "col_type": "string"}],
            "device_snmp_ip": "10.0.0.9",
            "minimize_snmp": True,
            "unknown_to_us": {"x": [1]},
        }
    )
    assert (device.device_id, device.company_id, device.name, device.subtype) == (1001, 77, "edge", "cisco")
    assert device.sending_addresses == {"10.0.0.1", "10.0.0.2", "2001:db8::1"}
    assert (device.sample_rate, device.max_flow_rate, device.plan_max_fps) == (512, 9000, 4000)
    assert device.custom_columns == {"APP": 4, "HOST": 5, "c_user": 6}
    assert device.column_types == {"c_user": "string"}
    assert (device.flow_type, device.snmp_ip, device.minimize_snmp, device.enabled) == ("auto", "10.0.0.9", True, True)


def test_takes_a_device_with_only_what_is_needed() -> None:
    """Absent and null fields mean unknown, and a device without a status is in service."""
    device = parse_device({"id": 5, "company_id": 0, "device_name": "a", "plan": None, "sending_ips": None})
    assert device.enabled
    assert (device.sample_rate, device.max_flow_rate, device.plan_max_fps) == (0, 0, 0)
    assert device.sending_addresses == frozenset()


@pytest.mark.parametrize(("status", "enabled"), [("V", True), ("", True), (None, True), ("D", False), ("v", False)])
def test_only_status_v_is_in_service(status: str | None, enabled: bool) -> None:
    """A device with any other status than V keeps its place but is out of service."""
    assert parse_device(api_object(1, device_status=status)).enabled is enabled


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "0"),
        ("id", "-1"),
        ("id", True),
        ("id", 1.0),
        ("id", "1e3"),
        ("id", "²"),
        ("id", str(2**32)),
        ("id", "9" * 5000),
        ("company_id", None),
        ("device_name", ""),
        ("device_name", "x" * 256),
        ("device_name", 7),
        ("device_sample_rate", "-5"),
        ("max_flow_rate", 2**32),
        ("sending_ips", "10.0.0.1"),
        ("sending_ips", ["10.0.0.300"]),
        ("sending_ips", [1]),
        ("sending_ips", ["10.0.0.1"] * (MAX_SENDING_ADDRESSES + 1)),
        ("plan", [1]),
        ("custom_columns", "APP"),
        ("custom_columns", "APP=x"),
        ("custom_columns", "=1"),
        ("custom_column_data", [0]),
        ("custom_column_data", {"col_name": "a"}),
        ("minimize_snmp", "yes"),
        ("device_snmp_v3_conf", "text"),
    ],
)
def test_refuses_a_field_out_of_bounds(field: str, value: object) -> None:
    """A wrong type, length or range is refused, and the message names the field."""
    with pytest.raises(MalformedInput, match=field if field != "sending_ips" else "sending"):
        parse_device(api_object(1, **{field: value}))


def test_escapes_what_does_not_print() -> None:
    """A name cannot move a terminal's cursor, end a log line, or turn the reading direction."""
    assert parse_device(api_object(1, device_name="a\x1b[2J\nb\u202e\ud800")).name == "a\\x1b[2J\\nb\\u202e\\ud800"
    assert printable("Zürich, 東京") == "Zürich, 東京"


def test_secrets_show_neither_in_repr_nor_in_errors() -> None:
    """Communities and passphrases stay out of everything that may be logged."""
    secrets = {"device_snmp_community": "s3cret", "device_snmp_v3_conf": {"AuthenticationPassphrase": "pa55"}}
    device = parse_device(api_object(1, **secrets))
    assert device.snmp_community == "s3cret"
    assert device.snmp_v3 is not None
    assert device.snmp_v3.authentication_passphrase == "pa55"
    assert "s3cret" not in repr(device)
    assert "pa55" not in repr(device) + repr(device.snmp_v3)
    with pytest.raises(MalformedInput) as refused:
        parse_device(api_object(1, device_snmp_community="s3cret" * 100))
    assert "s3cret" not in str(refused.value)


def test_a_bad_device_does_not_cost_the_others() -> None:
    """Bad entries and second ones of an id are skipped and named with id and reason."""
    bad = api_object(2, max_flow_rate=-1)
    found = parse_device_list({"devices": [api_object(1), bad, "x", api_object(1, device_name="twin")]})
    assert [(device.device_id, device.name) for device in found.devices] == [(1, "router_1")]
    assert [skipped.device_id for skipped in found.skipped] == [2, 0, 1]
    assert "max_flow_rate" in found.skipped[0].problem
    assert "twice" in found.skipped[2].problem


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"devices": None}, {"devices": {}}, {"devices": [{}]}, {"devices": [0] * (MAX_DEVICES + 1)}],
    ids=["null", "list", "empty", "none", "object", "all-bad", "too-many"],
)
def test_a_list_that_is_none_is_refused_whole(document: object) -> None:
    """Without one usable device, or beyond the bound, the answer counts as no list at all."""
    with pytest.raises(MalformedInput):
        parse_device_list(document)


def test_an_account_without_devices_is_fine() -> None:
    """An empty list is a good answer."""
    assert parse_device_list({"devices": []}).devices == ()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.1.2.3", "10.1.2.3"),
        (" 10.1.2.3 ", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::FFFF:0A01:0203", "10.1.2.3"),
        ("2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_one_spelling_for_each_address(text: str, canonical: str) -> None:
    """However an address is written, it compares equal to the one that the socket tells."""
    assert canonical_address(text) == canonical


@given(JSON)
def test_any_json_parses_or_is_malformed(document: Any) -> None:
    """Whatever the backend sends, parsing gives devices or MalformedInput, nothing else."""
    for parse in (parse_device, parse_device_answer, parse_device_list):
        problem = ""
        try:
            parse(document)
        except MalformedInput as malformed:
            problem = str(malformed)
        assert problem.isprintable()


@given(st.sampled_from(KEYS), JSON)
def test_any_value_in_any_field(key: str, value: Any) -> None:
    """A good device with any one field replaced parses or is malformed."""
    fields = json.loads(json.dumps(api_object(1, "10.0.0.1")))
    try:
        device = parse_device({**fields, key: value})
    except MalformedInput:
        return
    assert 1 <= device.device_id < 2**32
    assert device.name.isprintable()
