"""``-sample_rate_file``: what it may say, what is wrong with others, and which rule holds for whom."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.device import Device
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reload.listfile import BadFile
from kproxy_tw.sample.overrides.file import MAX_BYTES, MAX_RULES, parse_rate_file
from kproxy_tw.sample.overrides.rules import RateOverrides, RateRule
from tests.decode.netflow_bytes import a_set, ipfix, number, template, v9
from tests.decode.sflow_datagrams import datagram, discarded_sample, flow_sample
from tests.test_intake import Bench

FIELDS = [(8, 4), (12, 4), (2, 4), (1, 4)]
FLOW = number(1, 4) + number(2, 4) + number(3, 4) + number(400, 4)


def rules(*entries: dict[str, object]) -> RateOverrides:
    """What a file with these entries says."""
    return RateOverrides(parse_rate_file(json.dumps({"rates": entries}).encode()))


def test_the_smallest_network_decides_and_in_it_the_domain() -> None:
    """Whatever their order in the file."""
    found = rules(
        {"exporter": "192.0.2.1", "rate": 10},
        {"exporter": "192.0.2.0/24", "rate": 20},
        {"exporter": "192.0.2.0/24", "domain": 7, "rate": 70},
        {"exporter": "192.0.2.9", "domain": 8, "rate": 80},
        {"exporter": "2001:db8::/32", "rate": 60},
        {"exporter": "0.0.0.0/0", "domain": 1, "rate": 99},
    )
    assert len(found) == 6
    assert dict(found.of("192.0.2.1")) == {None: 10}
    assert dict(found.of("192.0.2.2")) == {None: 20, 7: 70}
    assert dict(found.of("192.0.2.9")) == {None: 20, 7: 70, 8: 80}
    assert dict(found.of("198.51.100.1")) == {1: 99}
    assert dict(found.of("2001:db8::5")) == {None: 60}
    assert dict(found.of("fe80::1%eth0")) == {}


def test_an_ipv4_address_written_as_ipv6_is_the_ipv4_one() -> None:
    """As the sender of a datagram is written, too."""
    assert dict(rules({"exporter": "::ffff:192.0.2.1", "rate": 10}).of("192.0.2.1")) == {None: 10}
    assert dict(rules({"exporter": "::ffff:192.0.2.0/120", "rate": 10}).of("192.0.2.77")) == {None: 10}


def test_rules_can_be_replaced() -> None:
    """Also for exporters that were looked up before."""
    found = rules({"exporter": "192.0.2.1", "rate": 10})
    assert dict(found.of("192.0.2.1")) == {None: 10}
    found.replace([RateRule(exporters=ip_network("192.0.2.1"), rate=30.0, domain=2)])
    assert dict(found.of("192.0.2.1")) == {2: 30}


@pytest.mark.parametrize("version", [9, 10])
def test_sets_get_the_rate_of_their_domain(version: int) -> None:
    """Of source 7 and source 8 of one exporter; a set of another exporter keeps none."""
    overrides = rules({"exporter": "192.0.2.1", "domain": 7, "rate": 70}, {"exporter": "192.0.2.1", "rate": 10})
    templates = TemplateCache()
    for domain, rate in ((7, 70.0), (8, 10.0), (0, 10.0)):
        sets = (a_set(0 if version == 9 else 2, template(256, *FIELDS)), a_set(256, FLOW))
        data = v9(*sets, count=2, source=domain) if version == 9 else ipfix(*sets, domain=domain)
        found = walk(data, templates, 0)
        overrides.apply(found.sets, "192.0.2.1")
        assert [records.forced_rate for records in found.sets] == [rate]
        overrides.apply(found.sets, "192.0.2.2")
        assert [records.forced_rate for records in found.sets] == [0.0]


def test_at_the_intake() -> None:
    """Samples have the file's rate, discarded packets their own; records for another exporter have that one's."""
    leaf = Device(device_id=8, company_id=1, name="leaf", sending_addresses=frozenset({"192.0.2.9"}))
    edge = Device(
        device_id=7,
        company_id=1,
        name="edge",
        sending_addresses=frozenset({"192.0.2.1"}),
        custom_columns={"discard_reason": 1},
    )
    overrides = rules({"exporter": "192.0.2.1", "rate": 10}, {"exporter": "192.0.2.9", "rate": 90})
    bench = Bench(edge, leaf, overrides=overrides)
    bench.datagram(datagram(flow_sample(), discarded_sample()), "192.0.2.1", 6343)
    for_leaf = FLOW + bytes((192, 0, 2, 9))
    bench.datagram(ipfix(a_set(2, template(256, *FIELDS, (130, 4))), a_set(256, for_leaf)), "192.0.2.1", 6343)
    bench.intake.gather(bench.intake.devices[7].pipeline)
    waiting = {
        device.pipeline.device.name: sorted(rate for _layout, rate in device.pipeline.pending.take())
        for device in bench.intake.devices.values()
    }
    assert waiting == {"edge": [0.0, 10.0], "leaf": [90.0]}


BAD = {
    "no JSON": ("{", "line 1: no valid JSON"),
    "no rates": ("{}", 'line 1: there is no "rates"'),
    "another key": ('{"rates": [],\n "x": []}', "line 2: 'x' is no key of the file; only rates is"),
    "no object": ('{"rates": [\n7]}', "line 2: a rate must be an object"),
    "no exporter": ('{"rates": [{"rate": 7}]}', "line 1: exporter is missing"),
    "no address": (
        '{"rates": [{"rate": 7,\n"exporter": "edge1"}]}',
        "line 2: exporter must be an address or a network",
    ),
    "host bits": ('{"rates": [{"exporter": "192.0.2.1/24", "rate": 7}]}', "line 1: exporter must be an address"),
    "no rate": ('{"rates": [{"exporter": "192.0.2.1"}]}', "line 1, exporter 192.0.2.1: rate is missing"),
    "rate 0": (
        '{"rates": [{"exporter": "192.0.2.1",\n"rate": 0}]}',
        "line 2, exporter 192.0.2.1: rate must be a whole number from 1 to 16777216",
    ),
    "rate true": ('{"rates": [{"exporter": "192.0.2.1", "rate": true}]}', "rate must be a whole number"),
    "rate null": ('{"rates": [{"exporter": "192.0.2.1", "rate": null}]}', "rate must be a whole number"),
    "domain null": ('{"rates": [{"exporter": "192.0.2.1", "rate": 1, "domain": null}]}', "domain must be a whole"),
    "domain": (
        '{"rates": [{"exporter": "192.0.2.1", "rate": 7, "domain": 4294967296}]}',
        "line 1, exporter 192.0.2.1: domain must be a whole number from 0 to 4294967295",
    ),
    "unknown key": ('{"rates": [{"exporter": "192.0.2.1", "rates": 7}]}', "'rates' is no key of a rate; there are"),
    "key twice": ('{"rates": [{"rate": 7, "rate": 7}]}', "'rate' is there twice"),
    "entry twice": (
        '{"rates": [{"exporter": "192.0.2.1", "rate": 7},\n{"exporter": "::ffff:192.0.2.1", "rate": 8}]}',
        "line 2, exporter ::ffff:192.0.2.1 is there twice",
    ),
    "domain twice": (
        '{"rates": [{"exporter": "::1", "domain": 3, "rate": 7}, {"exporter": "::1", "domain": 3, "rate": 8}]}',
        "line 1, exporter ::1, domain 3, is there twice",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_with_line_and_exporter(case: str) -> None:
    """Each rule of the format."""
    text, problem = BAD[case]
    with pytest.raises(BadFile) as told:
        parse_rate_file(text.encode())
    assert problem in str(told.value)


def test_the_file_is_bounded() -> None:
    """In bytes and in entries."""
    with pytest.raises(BadFile, match=f"at most {MAX_BYTES} are taken"):
        parse_rate_file(bytes(MAX_BYTES + 1))
    entries = [{"exporter": str(ip_network(index)), "rate": 1} for index in range(MAX_RULES + 1)]
    assert len(parse_rate_file(json.dumps({"rates": entries[1:]}).encode())) == MAX_RULES
    with pytest.raises(BadFile, match=f"more than {MAX_RULES} rates"):
        parse_rate_file(json.dumps({"rates": entries}).encode())


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("192.0.2.1"))
ENTRIES = st.dictionaries(st.sampled_from(["exporter", "domain", "rate", "x"]), VALUES)


@given(st.one_of(st.binary(), st.builds(lambda rates: json.dumps({"rates": rates}).encode(), st.lists(ENTRIES))))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    """Nothing else happens."""
    try:
        found = parse_rate_file(content)
    except MalformedInput:
        return
    assert all(rule.rate >= 1 for rule in found)
