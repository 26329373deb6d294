"""The chain of sampling rates, record by record, and names from option data, in columns."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.names import add_names
from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.flowbatch import RATE_ORIGINS, FlowBatch
from tests.decode.netflow_bytes import (
    NOW_NS,
    a_set,
    ipfix,
    ipfix_options,
    number,
    template,
    v5,
    v5_record,
    v9,
    v9_options,
)

SAMPLER_OPTIONS = v9_options(300, [(1, 4)], [(48, 2), (50, 4)])
DOMAIN_OPTIONS = v9_options(301, [(1, 4)], [(34, 4)])


def sampler(sampler_id: int, rate: int) -> bytes:
    """An option record about one sampler."""
    return struct.pack("!IHI", 1, sampler_id, rate)


def batch_of(templates: TemplateCache, *datagrams: bytes) -> FlowBatch:
    """All records of one layout, decoded together."""
    sets: list[RecordSet] = [found for data in datagrams for found in walk(data, templates, NOW_NS).sets]
    assert len({id(found.layout) for found in sets}) == 1
    return sets[0].layout.columns(sets, None)


def told(batch: FlowBatch) -> list[tuple[float, str]]:
    """Rate and who told it, flow by flow."""
    rates = batch.column("sample_rate").tolist()
    codes: Sequence[int] = batch.side.get("rate_origin", np.zeros(batch.length, np.uint8)).tolist()
    return [(rate, RATE_ORIGINS[code]) for rate, code in zip(rates, codes, strict=True)]


def test_each_record_has_the_rate_of_its_sampler() -> None:
    """Two samplers in one domain; the number of one that nobody told of has no rate."""
    templates = TemplateCache()
    walk(v9(a_set(1, SAMPLER_OPTIONS), a_set(300, sampler(1, 100), sampler(2, 3000))), templates, NOW_NS)
    flows = [number(10, 4) + number(sampler_id, 1) for sampler_id in (1, 2, 1, 9)]
    batch = batch_of(templates, v9(a_set(0, template(256, (1, 4), (48, 1))), a_set(256, *flows)))
    assert told(batch) == [(100, "sampler"), (3000, "sampler"), (100, "sampler"), (0, "unknown")]


def psamp(*selections: tuple[int, int, int]) -> bytes:
    """What an exporter says of PSAMP: a filter 5, samplers 10 (1 out of 10) and 11 (5 of 10), and sequences of two."""
    sequence = ipfix_options(260, [(301, 4)], [(10, 4), (302, 4), (302, 4)])
    filtering = ipfix_options(261, [(302, 4)], [(304, 2), (8, 4)])
    choosing = ipfix_options(262, [(302, 4)], [(304, 2), (309, 4), (310, 4)])
    rows = [number(first, 4) + number(5, 4) + number(one, 4) + number(two, 4) for first, one, two in selections]
    return ipfix(
        a_set(3, sequence, filtering, choosing),
        a_set(260, *rows),
        a_set(261, number(5, 4) + number(5, 2) + bytes([192, 0, 2, 1])),
        a_set(262, *(struct.pack("!IHII", selector, 3, size, 10) for selector, size in ((10, 1), (11, 5)))),
    )


def reports(*sequences: int) -> bytes:
    """Packet reports that name their selection sequence."""
    return ipfix(
        a_set(2, template(256, (301, 8), (1, 4))), a_set(256, *(number(one, 8) + number(1, 4) for one in sequences))
    )


def test_a_selection_sequence_multiplies_the_rates_of_its_selectors() -> None:
    """RFC 5476 section 6.5.1: a filter changes no rate, wherever it stands; two samplers multiply."""
    templates = TemplateCache()
    walk(psamp((7, 5, 10), (9, 10, 5), (12, 10, 11), (13, 10, 99)), templates, NOW_NS)
    batch = batch_of(templates, reports(7, 9, 12, 13, 14))
    assert told(batch) == [(10, "sampler"), (10, "sampler"), (20, "sampler"), (0, "unknown"), (0, "unknown")]


def test_a_packet_number_in_place_of_a_sequence_changes_nothing() -> None:
    """softflowd counts packets in selectionSequenceId and tells of no sequence: what the domain tells holds."""
    templates = TemplateCache()
    told_of = ipfix(
        a_set(3, ipfix_options(261, [(149, 4)], [(305, 4), (306, 4)])), a_set(261, struct.pack("!III", 0, 1, 99))
    )
    walk(told_of, templates, NOW_NS)
    assert told(batch_of(templates, reports(1, 2))) == [(100, "domain")] * 2


def test_the_record_itself_goes_first_then_sampler_then_domain() -> None:
    """Where one link is silent the next one speaks, record by record."""
    templates = TemplateCache()
    walk(
        v9(
            a_set(1, SAMPLER_OPTIONS, DOMAIN_OPTIONS),
            a_set(300, sampler(1, 100)),
            a_set(301, number(1, 4), number(50, 4)),
        ),
        templates,
        NOW_NS,
    )
    flows = [number(rate, 4) + number(sampler_id, 2) for rate, sampler_id in ((7, 1), (0, 1), (0, 5), (8, 5))]
    batch = batch_of(templates, v9(a_set(0, template(256, (34, 4), (48, 2))), a_set(256, *flows)))
    assert told(batch) == [(7, "record"), (100, "sampler"), (50, "domain"), (8, "record")]


def test_domains_decoded_together_keep_their_rates() -> None:
    """Equal templates of three domains are one layout; each record has its own domain's rate, or none."""
    templates = TemplateCache()
    for domain, rate in ((1, 10), (2, 20)):
        walk(v9(a_set(1, DOMAIN_OPTIONS), a_set(301, number(1, 4), number(rate, 4)), source=domain), templates, NOW_NS)
    for domain in (1, 2, 3):
        walk(v9(a_set(0, template(256, (1, 4))), source=domain), templates, NOW_NS)
    data = [v9(a_set(256, *[number(domain, 4)] * 2), source=domain) for domain in (2, 1, 3)]
    batch = batch_of(templates, *data)
    assert told(batch) == [(20, "domain")] * 2 + [(10, "domain")] * 2 + [(0, "unknown")] * 2


def test_a_rate_of_the_input_or_output_interface() -> None:
    """Rates told with interface scope hold for the flows of these interfaces."""
    templates = TemplateCache()
    options = v9_options(300, [(2, 4)], [(34, 4)])
    walk(v9(a_set(1, options), a_set(300, number(7, 4), number(500, 4))), templates, NOW_NS)
    flows = [number(1, 4) + number(source, 2) + number(target, 2) for source, target in ((7, 1), (1, 7), (1, 2))]
    batch = batch_of(templates, v9(a_set(0, template(256, (1, 4), (10, 2), (14, 2))), a_set(256, *flows)))
    assert told(batch) == [(500, "domain"), (500, "domain"), (0, "unknown")]


def test_options_that_come_after_the_records_hold_for_them_too() -> None:
    """Records wait up to a second to be decoded; what is known then counts."""
    templates = TemplateCache()
    found = walk(v9(a_set(0, template(256, (1, 4))), a_set(256, number(9, 4))), templates, NOW_NS).sets
    walk(v9(a_set(1, DOMAIN_OPTIONS), a_set(301, number(1, 4), number(50, 4))), templates, NOW_NS)
    assert told(found[0].layout.columns(found, None)) == [(50, "domain")]


def test_only_chosen_records_are_asked_for() -> None:
    """The rates stay with their records when the cap leaves some out."""
    templates = TemplateCache()
    walk(v9(a_set(1, SAMPLER_OPTIONS), a_set(300, sampler(1, 100), sampler(2, 3000))), templates, NOW_NS)
    flows = [number(sampler_id, 1) for sampler_id in (1, 2, 2, 1)]
    (found,) = walk(v9(a_set(0, template(256, (48, 1))), a_set(256, *flows)), templates, NOW_NS).sets
    batch = found.layout.columns([found], np.array([1, 3], np.intp))
    assert told(batch) == [(3000, "sampler"), (100, "sampler")]


def test_the_header_of_netflow5_is_the_last_that_the_exporter_tells() -> None:
    """14 bits of the sampling word."""
    (found,) = walk(v5(v5_record(), sampling=1 << 14 | 400), TemplateCache(), NOW_NS).sets
    assert told(found.layout.columns([found], None)) == [(400, "header")]


def test_absurd_rates_are_none() -> None:
    """A damaged record must not make a flow of one packet a petabyte."""
    shape = template(256, (305, 8), (306, 8))
    flows = [number(1, 8) + number(2**63, 8), number(1, 8) + number(9, 8)]
    batch = batch_of(TemplateCache(), v9(a_set(0, shape), a_set(256, *flows)))
    assert told(batch) == [(0, "unknown"), (10, "record")]


def named(batch: FlowBatch, *wanted: str) -> dict[str, list[bytes]]:
    """The custom columns that names fill."""
    add_names(batch, set(wanted))
    return {name: column.tolist() for name, column in batch.custom.items()}


def test_names_of_options_stand_beside_the_flows() -> None:
    """Application, VRF and interface, where the device has such columns; empty where nobody told a name."""
    templates = TemplateCache()
    tables = (
        v9_options(300, [(1, 4)], [(95, 4), (96, 8)]),
        v9_options(301, [(1, 4)], [(234, 4), (236, 8)]),
        v9_options(302, [(1, 4)], [(10, 4), (82, 8)]),
    )
    walk(
        v9(
            a_set(1, *tables),
            a_set(300, bytes(4), number(0x03000050, 4), b"http\0\0\0\0"),
            a_set(301, bytes(4), number(5, 4), b"RED\0\0\0\0\0"),
            a_set(302, bytes(4), number(2, 4), b"Gi0/2\0\0\0"),
        ),
        templates,
        NOW_NS,
    )
    shape = template(256, (95, 4), (234, 4), (10, 4))
    flows = [b"".join(number(value, 4) for value in row) for row in ((0x03000050, 5, 2), (1, 6, 3))]
    batch = batch_of(templates, v9(a_set(0, shape), a_set(256, *flows)))
    assert named(batch, "applicationname", "ingressvrfname", "inputinterfacename") == {
        "application_name": [b"http", b""],
        "ingress_vrf_name": [b"RED", b""],
        "input_interface_name": [b"Gi0/2", b""],
    }


def test_names_that_no_column_wants_are_not_worked_out() -> None:
    """No column, no work; an interface that has a description only is called by that."""
    templates = TemplateCache()
    options = v9_options(302, [(1, 4)], [(10, 4), (83, 8)])
    walk(v9(a_set(1, options), a_set(302, bytes(4), number(2, 4), b"uplink\0\0")), templates, NOW_NS)
    batch = batch_of(templates, v9(a_set(0, template(256, (10, 4), (14, 4))), a_set(256, number(2, 4), number(2, 4))))
    assert named(batch) == {}
    assert named(batch, "outputinterfacename") == {"output_interface_name": [b"uplink"]}
