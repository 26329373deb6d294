"""Option data: rates by the RFCs' arithmetic, names, bounds, changes; and any bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.notices import Notices
from kproxy_tw.decode.optiondata.domain import MAX_SAMPLERS, MAX_SELECTIONS, DomainOptions, OptionRoom
from kproxy_tw.decode.optiondata.queue import RECORDS_AT_ONCE, WAITING_BYTES
from kproxy_tw.decode.optiondata.records import MAX_SELECTORS
from kproxy_tw.decode.optiondata.samplers import Sampler
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.described import describe_options
from kproxy_tw.decode.templates.room import StateRoom
from tests.captures import CAPTURES, needs_tshark, tshark_packets
from tests.decode.netflow_bytes import NOW_NS, a_set, ipfix, ipfix_options, number, template, v9, v9_options

Field = tuple[int, int]


def of_v9(scopes: list[Field], fields: list[Field], *records: bytes) -> DomainOptions:
    """The tables of an exporter that sends these records of options."""
    templates = TemplateCache()
    walk(v9(a_set(1, v9_options(300, scopes, fields)), a_set(300, *records)), templates, NOW_NS)
    return templates.store.domains[9, 1]


def of_ipfix(scopes: list[tuple[int, ...]], fields: list[tuple[int, ...]], *records: bytes) -> DomainOptions:
    """The same in IPFIX."""
    templates = TemplateCache()
    walk(ipfix(a_set(3, ipfix_options(300, scopes, fields)), a_set(300, *records)), templates, NOW_NS)
    return templates.store.domains[10, 1]


@pytest.mark.parametrize(
    ("fields", "rate"),
    [
        ([(34, 1000)], 1000),
        ([(305, 1), (306, 999)], 1000),
        ([(305, 10), (306, 90)], 10),
        ([(305, 1), (306, 0)], 1),
        ([(305, 2000)], 2000),
        ([(307, 100), (308, 900)], 10),
        ([(309, 5), (310, 1000)], 200),
        ([(34, 0), (50, 64)], 64),
        ([(329, 0), (330, 65535), (331, 256), (332, 511)], 256),
        ([(331, 256), (332, 511)], 0),
        ([(305, 0), (306, 100)], 0),
        ([(34, 0)], 0),
    ],
)
def test_rates_of_a_domain(fields: list[tuple[int, int]], rate: float) -> None:
    """Interval, packet interval and space, time interval and space, n out of N, random interval; 0 is no rate."""
    described = [(element, 4) for element, _value in fields]
    options = of_ipfix([(149, 4)], list(described), number(1, 4) + b"".join(number(value, 4) for _, value in fields))
    assert options.sampling.domain_rate == rate


@pytest.mark.parametrize(("layout", "length"), [("!d", 8), ("!f", 4)])
def test_sampling_by_probability(layout: str, length: int) -> None:
    """samplingProbability is the share of packets, a float in 8 or 4 bytes."""
    options = of_ipfix([(302, 2)], [(311, length)], number(9, 2) + struct.pack(layout, 0.125))
    assert options.samplers[9].rate == 8


@pytest.mark.parametrize("raw", [struct.pack("!d", value) for value in (0.0, -1.0, 2.0, float("nan"), float("inf"))])
def test_an_impossible_probability_is_no_rate(raw: bytes) -> None:
    """Neither a division by zero nor a rate below 1."""
    assert not of_ipfix([(302, 2)], [(311, 8)], number(9, 2) + raw).samplers


def test_a_table_of_samplers() -> None:
    """Several samplers of one domain have each its own rate, name and way to choose."""
    row = struct.pack("!IHIB", 0x0A000001, 1, 100, 2) + b"EDGE".ljust(8, b"\0")
    other = struct.pack("!IHIB", 0x0A000001, 2, 2000, 1) + b"CORE".ljust(8, b"\0")
    options = of_v9([(1, 4)], [(48, 2), (50, 4), (49, 1), (84, 8)], row, other)
    assert options.samplers == {
        1: Sampler(100, "EDGE", "random"),
        2: Sampler(2000, "CORE", "deterministic"),
    }
    assert options.sampling.ids.tolist() == [1, 2]
    assert options.sampling.domain_rate == 0  # two rates: nobody knows which one holds for a record that names none
    assert options.exporter == {"System": "10.0.0.1"}


def test_one_sampler_is_the_rate_of_the_domain() -> None:
    """Exporters that tell their only sampler's number in options but not in the records."""
    options = of_ipfix([(302, 8)], [(304, 2), (305, 4), (306, 4)], struct.pack("!QHII", 3, 1, 1, 511))
    assert options.sampling.domain_rate == 512
    assert options.samplers[3].algorithm == "systematic count-based"


def test_selection_sequences_are_bounded() -> None:
    """A record has room for so many selectors; what is behind them is left aside, whatever an exporter sends."""
    fields: list[tuple[int, ...]] = [(302, 2)] * (MAX_SELECTORS + 3)
    selectors = range(1, MAX_SELECTORS + 4)
    options = of_ipfix([(301, 4)], fields, number(7, 4) + b"".join(number(one, 2) for one in selectors))
    assert options.selections == {7: tuple(selectors[:MAX_SELECTORS])}
    for sequence in range(MAX_SELECTIONS + 5):
        options.put_selection(sequence, (1,))
    assert len(options.selections) == MAX_SELECTIONS


def test_rates_by_interface() -> None:
    """NetFlow v9's interface scope: the rate holds for that interface only."""
    options = of_v9([(2, 4)], [(34, 4), (35, 1)], struct.pack("!IIB", 7, 100, 1), struct.pack("!IIB", 9, 400, 1))
    assert dict(options.interface_rates) == {7: 100, 9: 400}
    assert options.sampling.domain_rate == 0


def test_names() -> None:
    """Applications, interfaces and VRFs, with trailing zeros and blanks cut."""
    application = of_v9([(1, 4)], [(95, 4), (96, 8), (94, 8)], bytes(4) + number(0x0D000001, 4) + b"http\0\0xxtext    ")
    assert dict(application.applications) == {0x0D000001: ("http", "text")}
    interface = of_v9([(1, 4)], [(10, 4), (82, 8), (83, 8)], bytes(4) + number(17, 4) + b"Gi0/1\0\0\0uplink\0\0")
    assert dict(interface.interfaces) == {17: ("Gi0/1", "uplink")}
    vrf = of_v9([(1, 4)], [(234, 4), (236, 8)], bytes(4) + number(3, 4) + b"RED\0\0\0\0\0")
    assert dict(vrf.vrfs) == {3: ("RED", "")}


def test_variable_lengths_and_enterprise_scopes() -> None:
    """IPFIX names come with their length; an enterprise's scope keeps the others in step."""
    row = number(5, 4) + number(17, 4) + b"\5Gi0/1" + b"\xff\0\6uplink"
    options = of_ipfix([(99, 4, 6871)], [(10, 4), (82, 65535), (83, 65535)], row)
    assert dict(options.interfaces) == {17: ("Gi0/1", "uplink")}


def test_the_exporter_itself() -> None:
    """Its addresses and process number."""
    row = number(8, 4) + bytes([192, 0, 2, 9]) + bytes(15) + b"\1"
    assert of_ipfix([(144, 4)], [(130, 4), (131, 16)], row).exporter == {
        "IPv4Address": "192.0.2.9",
        "IPv6Address": "::1",
        "ExportingProcess": "8",
    }


def test_a_record_may_be_about_another_domain() -> None:
    """IPFIX's observationDomainId as scope: options sent in domain 1 about domain 2, which has templates."""
    templates = TemplateCache()
    walk(ipfix(a_set(2, template(256, (1, 4))), domain=2), templates, NOW_NS)
    options = ipfix_options(300, [(149, 4)], [(34, 4)])
    rows = number(2, 4) + number(40, 4) + number(1, 4) + number(30, 4)
    walk(ipfix(a_set(3, options), a_set(300, rows)), templates, NOW_NS)
    rates = {domain: options.sampling.domain_rate for (_, domain), options in templates.store.domains.items()}
    assert rates == {1: 30, 2: 40}


def test_a_rate_that_changes_is_told() -> None:
    """Once, with both rates; the same rate again is no news."""
    notices = Notices()
    options = DomainOptions(OptionRoom(), notices, "domain 1")
    for rate in (100.0, 100.0, 1000.0):
        options.put_sampler(4, Sampler(rate))
    options.put_explicit(Sampler(10.0))
    options.put_explicit(Sampler(20.0))
    first, second = notices.take()
    assert first.text == "the sampling rate of sampler 4 of domain 1 changed from 1:100 to 1:1000"
    assert (second.kind, second.subject) == ("rate_changed", "domain 1")


def test_tables_are_bounded() -> None:
    """The row told longest ago makes room in its table; when all tables together are full, nothing new comes in."""
    room = OptionRoom()
    options = DomainOptions(room, Notices(), "domain 1")
    for sampler_id in range(MAX_SAMPLERS + 5):
        options.put_sampler(sampler_id, Sampler(10.0))
    assert (len(options.samplers), min(options.samplers), options.dropped, room.used) == (MAX_SAMPLERS, 5, 5, 256)
    tight = DomainOptions(OptionRoom(most=2), Notices(), "domain 1")
    for vrf in range(5):
        tight.put_names("vrfs", vrf, ("name", ""))
    assert (sorted(tight.vrfs), tight.dropped) == ([0, 1], 3)


def interfaces_sent(first: int, count: int) -> bytes:
    """An options set that names so many interfaces."""
    rows = [number(1, 4) + number(index, 4) + b"port%04d" % index for index in range(first, first + count)]
    return a_set(300, *rows)


def test_a_flood_of_option_records_is_read_bit_by_bit() -> None:
    """So many at once, the others in their order as time goes on; nothing is left aside."""
    templates = TemplateCache()
    walk(v9(a_set(1, v9_options(300, [(1, 4)], [(10, 4), (82, 8)]))), templates, NOW_NS)
    for first in range(1, 4 * RECORDS_AT_ONCE, 500):
        walk(v9(interfaces_sent(first, 500)), templates, NOW_NS)
    (options,) = templates.store.domains.values()
    assert list(options.interfaces) == list(range(1, RECORDS_AT_ONCE + 1))
    for second in range(1, 4):
        templates.options.read(NOW_NS / 1e9 + second)
        assert list(options.interfaces) == list(range(1, (second + 1) * RECORDS_AT_ONCE + 1))
    assert (len(templates.options), templates.options.left_aside) == (0, 0)
    assert options.interfaces[4000] == ("port4000", "")


def test_option_records_that_wait_are_bounded() -> None:
    """What finds no room is left aside and counted; when the session ends, so is what waits, and the room is free."""
    room = StateRoom()
    templates = TemplateCache(room=room)
    walk(v9(a_set(1, v9_options(300, [(1, 4)], [(10, 4), (82, 8)]))), templates, NOW_NS)
    rows = 4000
    for _turn in range(30):
        walk(v9(interfaces_sent(1, rows)), templates, NOW_NS)
    waiting = room.options.waiting
    assert WAITING_BYTES - rows * 16 < waiting <= WAITING_BYTES
    templates.close()
    assert room.options.waiting == 0
    assert templates.options.left_aside == 30 * rows - RECORDS_AT_ONCE


def test_domain_0_holds_for_the_whole_exporter() -> None:
    """Its rate and its names count in domains that have none themselves (RFC 7011 section 3.1)."""
    templates = TemplateCache()
    shape = a_set(3, ipfix_options(300, [(149, 4)], [(34, 4)]), ipfix_options(301, [(10, 4)], [(82, 4)]))
    whole = (shape, a_set(300, number(0, 4), number(500, 4)), a_set(301, number(7, 4), b"ge-7"))
    walk(ipfix(*whole, domain=0), templates, NOW_NS)
    walk(ipfix(a_set(2, template(256, (8, 4)))), templates, NOW_NS)
    options = templates.store.domains[10, 1]
    assert (options.sampling.domain_rate, options.names("interfaces")) == (500, {7: ("ge-7", "")})
    walk(ipfix(shape, a_set(300, number(1, 4), number(20, 4)), a_set(301, number(7, 4), b"xe-7")), templates, NOW_NS)
    assert (options.sampling.domain_rate, options.names("interfaces")) == (20, {7: ("xe-7", "")})


NBAR = "cisco_nbar_opttpl260.dat"
ASR9000 = "cisco_asr9k_opttpl256.dat cisco_asr9k_data256.dat"


def captured(files: str) -> list[bytes]:
    """Datagrams of one exporter."""
    return [(CAPTURES / "netflow9" / name).read_bytes() for name in files.split()]


def learned(files: str) -> DomainOptions:
    """The tables after these."""
    templates = TemplateCache()
    for data in captured(files):
        walk(data, templates, NOW_NS)
    (options,) = templates.store.domains.values()
    return options


@needs_tshark
@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"CAPTURES NOT TESTED: not at {CAPTURES}")
def test_interface_names_are_those_that_tshark_shows(tmp_path: Path) -> None:
    """Of an ASR 9000."""
    packets = tshark_packets(tmp_path / "asr9000.pcap", captured(ASR9000))
    numbers = [field.get("show", "") for packet in packets for field in packet.iterfind(".//*[@name='cflow.inputint']")]
    texts = [field.get("show", "") for packet in packets for field in packet.iterfind(".//*[@name='cflow.if_descr']")]
    seen = {int(index): ("", text) for index, text in zip(numbers, texts, strict=True)}
    assert len(seen) == 19
    assert learned(ASR9000).interfaces == seen


@needs_tshark
@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"CAPTURES NOT TESTED: not at {CAPTURES}")
def test_application_names_are_those_that_tshark_shows(tmp_path: Path) -> None:
    """Of NBAR."""
    (packet,) = tshark_packets(tmp_path / "nbar.pcap", captured(NBAR))

    def told(name: str, attribute: str = "show") -> list[str]:
        return [field.get(attribute, "").strip() for field in packet.iterfind(f".//*[@name='cflow.appl_{name}']")]

    engines, selectors = (told(f"id.{part}", "value") for part in ("classification_engine_id", "selector_id"))
    ids = [int(engine + selector, 16) for engine, selector in zip(engines, selectors, strict=True)]
    seen = dict(zip(ids, zip(told("name"), told("desc"), strict=True), strict=True))
    assert len(seen) == 15
    assert learned(NBAR).applications == seen


ELEMENTS = [1, 2, 10, 34, 48, 49, 50, 82, 84, 94, 95, 96, 130, 131, 149, 234, 236, 302, 305, 311]
field = st.tuples(st.sampled_from(ELEMENTS), st.one_of(st.integers(0, 20), st.just(65535)))


@settings(max_examples=300, deadline=None)
@given(st.lists(field, min_size=1, max_size=6), st.lists(field, max_size=6), st.binary(max_size=200), st.booleans())
def test_any_bytes(scopes: list[Field], fields: list[Field], body: bytes, newer: bool) -> None:
    """Any options template with any records: tables that can be shown, rates that are rates, nothing raised."""
    templates = TemplateCache()
    if newer:
        walk(ipfix(a_set(3, ipfix_options(300, scopes, fields)), a_set(300, body)), templates, NOW_NS)
    else:
        walk(v9(a_set(1, v9_options(300, scopes, fields)), a_set(300, body)), templates, NOW_NS)
    for (version, domain), options in templates.store.domains.items():
        assert describe_options(version, domain, options.held())["domain"] == 1
        assert all(rate >= 1 for rate in options.sampling.rates)
