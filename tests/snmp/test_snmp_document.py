"""The interface document: its shape, what counts as a change, its bounds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from kproxy_tw.collector.snmp.parse import parse_document
from kproxy_tw.snmp.config import Comparison
from kproxy_tw.snmp.outputs.document import MAX_BODY, Entry, Untold, interface_entry, system_entry
from kproxy_tw.snmp.reading import Interface, SystemGroup, Vrf
from tests.snmp.readings import address, interface

SYSTEM = system_entry(SystemGroup(name="r7", descr="a router", object_id="1.3.6.1.4.1.2636.1", manufacturer="Juniper"))


def entries(*interfaces: Interface) -> dict[int, Entry]:
    """What a reading finds."""
    return {one.index: interface_entry(one) for one in interfaces}


def told(untold: Untold) -> Iterable[dict[str, Any]]:
    """Every document, each taken by the backend."""
    while (body := untold.take()) is not None:
        untold.done()
        yield json.loads(body)


def test_the_shape() -> None:
    """As the agents write it that poll SNMP for the backend (facts, section 3.5)."""
    one = interface(
        12,
        alias="to the lab",
        type=6,
        mtu=9000,
        addresses=(address("192.0.2.1", 24), address("2001:db8::1", 64), address("198.51.100.9")),
        vrf=Vrf(name="red", description="the red one", rd="65000:1", extended_rd=1, route_targets=("t1", "t2")),
    )
    untold = Untold(Comparison.FULL)
    untold.found(entries(one), SYSTEM)
    (document,) = told(untold)
    assert set(document) == {"manufacturer", "interface_data", "device_metrics_metadata"}
    assert document["manufacturer"] == "Juniper"
    assert document["device_metrics_metadata"] == {
        "sys_name": "r7",
        "sys_object_id": "1.3.6.1.4.1.2636.1",
        "sys_descr": "a router",
        "sys_location": "",
        "sys_contact": "",
        "sys_services": 0,
    }
    entry = document["interface_data"]["12"]
    assert entry.pop("extra_info") == {"name": "ge-0/0/12", "mtu": "9000", "oper_status": "1"}
    assert entry == {
        "index": "12",
        "alias": "to the lab",
        "desc": "ge-0/0/12 descr",
        "speed": 10_000,
        "type": 6,
        "address": "192.0.2.1",
        "netmask": "255.255.255.0",
        "alias_address": [
            {"address": "2001:db8::1", "netmask": "ffff:ffff:ffff:ffff::"},
            {"address": "198.51.100.9", "netmask": ""},
        ],
        "vrf_name": "red",
        "vrf_desc": "the red one",
        "vrf_rd": "65000:1",
        "vrf_ext_rd": 1,
        "vrf_rt": "t1,t2",
    }


def test_only_what_changed_is_told_again() -> None:
    """Nothing, when nothing did."""
    untold = Untold(Comparison.FULL)
    untold.found(entries(interface(1), interface(2), interface(3)), SYSTEM)
    assert len(untold) == 3
    assert [set(one["interface_data"]) for one in told(untold)] == [{"1", "2", "3"}]
    untold.found(entries(interface(1), interface(2), interface(3)), SYSTEM)
    assert untold.take() is None
    untold.found(entries(interface(1), interface(2, alias="new"), interface(3)), SYSTEM)
    assert [set(one["interface_data"]) for one in told(untold)] == [{"2"}]


def test_an_interface_that_comes_back_is_told_again() -> None:
    """The backend may have forgotten it."""
    untold = Untold(Comparison.FULL)
    for found, expected in (((1, 2), [{"1", "2"}]), ((1,), []), ((1, 2), [{"2"}])):
        untold.found(entries(*map(interface, found)), SYSTEM)
        assert [set(one["interface_data"]) for one in told(untold)] == expected


def test_a_changed_system_group_is_told_alone() -> None:
    """With no interface in it."""
    untold = Untold(Comparison.FULL)
    untold.found(entries(interface(1)), SYSTEM)
    list(told(untold))
    untold.found(entries(interface(1)), {**SYSTEM, "sys_name": "renamed"})
    (document,) = told(untold)
    assert document["interface_data"] == {}
    assert document["device_metrics_metadata"]["sys_name"] == "renamed"


@pytest.mark.parametrize(
    ("comparison", "change", "again"),
    [
        (Comparison.FULL, {"alias": "x"}, True),
        (Comparison.BASIC, {"alias": "x"}, False),
        (Comparison.BASIC, {"oper_status": 2, "speed_bps": 1}, False),
        (Comparison.BASIC, {"descr": "x"}, True),
        (Comparison.BASIC, {"addresses": (address("192.0.2.9", 31),)}, True),
        (Comparison.ALWAYS, {}, True),
        (Comparison.FULL, {}, False),
    ],
)
def test_what_counts_as_a_change(comparison: Comparison, change: dict[str, Any], again: bool) -> None:
    """``-interface_metadata_comparison``."""
    untold = Untold(comparison)
    untold.found(entries(interface(1)), SYSTEM)
    assert len(list(told(untold))) == 1
    untold.found(entries(interface(1, **change)), SYSTEM)
    assert bool(list(told(untold))) is again


def test_what_was_not_taken_is_told_in_its_latest_form() -> None:
    """A backend that is away for a day costs no memory, and hears nothing outdated."""
    untold = Untold(Comparison.FULL)
    for day in range(1000):
        untold.found(entries(interface(1, alias=f"day {day}")), SYSTEM)
    (document,) = told(untold)
    assert document["interface_data"]["1"]["alias"] == "day 999"


def test_what_changes_while_a_document_is_under_way_is_told_afterwards() -> None:
    """The one under way does not count for it."""
    untold = Untold(Comparison.FULL)
    untold.found(entries(interface(1, alias="old"), interface(2)), SYSTEM)
    assert untold.take() is not None
    untold.found(entries(interface(1, alias="new"), interface(2)), SYSTEM)
    untold.done()
    documents = list(told(untold))
    assert [one["interface_data"]["1"]["alias"] for one in documents] == ["new"]


def test_very_many_interfaces_are_told_in_bounded_bodies_that_kcollect_takes() -> None:
    """16,384 of them with long texts: each once."""
    long = [interface(index, alias="ä" * 255, descr="x" * 255) for index in range(1, 16_385)]
    untold = Untold(Comparison.FULL)
    untold.found(entries(*long), SYSTEM)
    seen: list[str] = []
    bodies = 0
    while (body := untold.take()) is not None:
        assert len(body) <= MAX_BODY
        seen += parse_document(body).interfaces
        bodies += 1
        untold.done()
    assert bodies > 10
    assert sorted(map(int, seen)) == list(range(1, 16_385))
