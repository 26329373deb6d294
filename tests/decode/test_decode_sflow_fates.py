"""What became of a sampled packet: interface formats, discarded packets, samples taken at the way out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sflow.agents import agent_or
from kproxy_tw.decode.sflow.counters import CounterSample
from kproxy_tw.decode.sflow.layout import DISCARDS, SFLOW, SFLOW_INNER
from kproxy_tw.decode.sflow.reasons import reason_name
from kproxy_tw.decode.sflow.tops import LEAST
from kproxy_tw.decode.sflow.walk import walk, walk_all
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from tests.decode import sflow_datagrams as sflow
from tests.decode.packet_bytes import ethernet, ipv4, ipv6, tcp, udp
from tests.decode.sflow_datagrams import (
    RECEIVED_NS,
    counter_sample,
    datagram,
    discarded_sample,
    expanded_sample,
    flow_sample,
    raw_header,
)
from tests.decode.tunnel_bytes import TUNNEL_FRAMES

FRAME = ethernet(ipv4(tcp(50000, 443, 0x18), 6), 0x0800)
FATES = frozenset({"forwardingstatus", "discardreason", "outputcount"})
EGRESS = DecodeOptions(drop_egress=True)


def decode(*samples: bytes, wanted: frozenset[str] = FATES) -> FlowBatch:
    """The columns of the flow samples of one datagram."""
    return SFLOW.columns(walk(datagram(*samples), RECEIVED_NS).sets, None, wanted)


COMPACT_OUTPUTS = {
    5: (5, 64, 0, 0),
    0: (0, 0, 0, 0),
    0x3FFFFFFF: (0, 195, 0, 0),
    0x40000000 | 258: (0, 129, 258, 0),
    0x40000000 | 257: (0, 137, 257, 0),
    0x40000000 | 999: (0, 128, 999, 0),
    0x80000007: (0, 64, 0, 7),
    0x80000000: (0, 64, 0, 0),
}
"""Output word of a plain sample: port, forwarding status (RFC 7270), reason, number of outputs."""


@pytest.mark.parametrize("word", COMPACT_OUTPUTS)
def test_formats_of_the_output_interface(word: int) -> None:
    """Plain and expanded samples tell the same in different words; no sample is lost over it."""
    kind, number = word >> 30, word & 0x3FFFFFFF
    batch = decode(
        flow_sample(raw_header(FRAME), interfaces=(1, word)),
        expanded_sample(raw_header(FRAME), interfaces=(0, 1, kind, number)),
    )
    zeros = np.zeros(2, np.uint8)
    columns = [batch.column("output_port"), *(batch.custom.get(name, zeros) for name in NAMES)]
    assert [column.tolist() for column in columns] == [[value] * 2 for value in COMPACT_OUTPUTS[word]]
    assert batch.column("input_port").tolist() == [1, 1]


NAMES = ("forwarding_status", "discard_reason", "output_count")


def test_local_interfaces_expanded_by_their_agent() -> None:
    """0xFFFFFFFF stands for "local" too, at both ends."""
    batch = decode(expanded_sample(raw_header(FRAME), interfaces=(0, 0x3FFFFFFF, 0, 0xFFFFFFFF)))
    assert (batch.column("input_port").tolist(), batch.column("output_port").tolist()) == ([0], [0])
    assert batch.custom["forwarding_status"].tolist() == [195]


def test_fates_are_left_out_when_nobody_asks() -> None:
    """No custom column of the device, no work."""
    assert decode(flow_sample(raw_header(FRAME)), wanted=frozenset()).custom == {}


def test_large_interface_numbers_of_expanded_samples() -> None:
    """All 32 bits."""
    batch = decode(expanded_sample(raw_header(FRAME), interfaces=(0, 0xFFFFFFFE, 0, 0x40000001)))
    assert batch.column("input_port").tolist() == [0xFFFFFFFE]
    assert batch.column("output_port").tolist() == [0x40000001]


# discarded packets


def test_discarded_packets_are_apart_from_flows() -> None:
    """Format 5: no flow samples, but a set of their own with packet, interface and reason."""
    walked = walk(
        datagram(discarded_sample(raw_header(FRAME, 600), reason=258), flow_sample(raw_header(FRAME))), RECEIVED_NS
    )
    assert (walked.records, len(walked.sets), walked.malformed) == (1, 1, 0)
    assert walked.sflow is not None
    discards = walked.sflow.discards
    assert discards is not None
    assert (discards.layout, discards.count) == (DISCARDS, 1)
    batch = DISCARDS.columns([discards], None, FATES)
    expected = {
        "in_pkts": 1,
        "in_bytes": 600,
        "sample_rate": 1.0,
        "input_port": 3,
        "output_port": 0,
        "l4_dst_port": 443,
    }
    assert {name: batch.column(name)[0] for name in expected} == expected
    assert [batch.custom[name][0] for name in ("forwarding_status", "discard_reason")] == [129, 258]


def test_unsound_discarded_packets_are_malformed() -> None:
    """Too short for its header, and more records than there is room for."""
    bad = [sflow.opaque(5, sflow.words(1, 0, 3)), discarded_sample(raw_header(FRAME), announced=1000)]
    walked = walk(datagram(*bad, flow_sample(raw_header(FRAME))), RECEIVED_NS)
    assert (walked.records, walked.malformed) == (3, 2)
    assert walked.sflow is not None
    assert walked.sflow.discards is None


def test_reasons_have_names() -> None:
    """Those of the specifications; unknown ones keep their number."""
    assert [reason_name(code) for code in (0, 13, 256, 258, 280, 323, 335, 900)] == [
        "net unreachable",
        "communication prohibited",
        "unknown",
        "ACL",
        "multicast reverse path forwarding",
        "cannot parse packet",
        "reverse path forwarding",
        "reason 900",
    ]


# samples taken at the way out


def test_samples_taken_at_the_output_are_dropped_when_asked() -> None:
    """The data source (3) is the output and not the input; others stay, plain or expanded."""
    samples = [
        flow_sample(raw_header(FRAME), interfaces=(3, 4)),
        flow_sample(raw_header(FRAME), interfaces=(4, 3)),
        flow_sample(raw_header(FRAME), interfaces=(3, 3)),
        flow_sample(raw_header(FRAME), interfaces=(4, 0x80000003)),
        expanded_sample(raw_header(FRAME), interfaces=(0, 4, 0, 3)),
        expanded_sample(raw_header(FRAME), interfaces=(0, 4, 1, 3)),
        expanded_sample(raw_header(FRAME), interfaces=(0, 3, 0, 5)),
    ]
    dropped, kept = walk(datagram(*samples), RECEIVED_NS, EGRESS), walk(datagram(*samples), RECEIVED_NS, AS_SENT)
    assert dropped.sflow is not None
    assert (dropped.sets[0].count, dropped.records, dropped.sflow.egress) == (5, 5, 2)
    ports = list(zip(*(SFLOW.columns(dropped.sets, None).column(name).tolist() for name in PORTS), strict=True))
    assert ports == [(3, 4), (3, 3), (4, 0), (4, 0), (3, 5)]
    assert kept.sets[0].count == 7
    assert len(dropped.sflow.sequences.sample_numbers) == 7


PORTS = ("input_port", "output_port")


def test_a_datagram_of_egress_samples_alone_has_no_flows() -> None:
    """And is no error."""
    walked = walk(datagram(flow_sample(raw_header(FRAME), interfaces=(4, 3))), RECEIVED_NS, EGRESS)
    assert (walked.sets, walked.records, walked.malformed) == ([], 0, 0)


# tunnels


def test_decap_takes_the_inner_packet() -> None:
    """The option chooses the layout; the frame's length stays that on the wire."""
    frame = TUNNEL_FRAMES["vxlan"][0]
    data = datagram(flow_sample(raw_header(frame, 1400)))
    for options, layout, port in ((AS_SENT, SFLOW, 4789), (DecodeOptions(decap=True), SFLOW_INNER, 2222)):
        (records,) = walk(data, RECEIVED_NS, options).sets
        assert records.layout is layout
        batch = layout.columns([records], None)
        assert (batch.column("l4_dst_port").tolist(), batch.column("in_bytes").tolist()) == ([port], [1400])


@pytest.mark.parametrize("kind", [1027, 1028])
def test_decap_trusts_the_agents_offset(kind: int) -> None:
    """An agent that opens a tunnel we do not know says where the inner header begins."""
    inner = ethernet(ipv6(udp(7, 8), 17), 0x86DD)
    frame = ethernet(ipv4(udp(1, 2, b"\x99" * 5 + inner), 17), 0x0800)
    told = sflow.opaque(kind, sflow.words(14 + 20 + 8 + 5))
    beyond = sflow.opaque(kind, sflow.words(4000))
    data = datagram(*(flow_sample(raw_header(frame), record) for record in (told, beyond)))
    for options, ports in ((AS_SENT, [2, 2]), (DecodeOptions(decap=True), [8, 2])):
        (records,) = walk(data, RECEIVED_NS, options).sets
        assert records.layout.columns([records], None).column("l4_dst_port").tolist() == ports


# many datagrams


COMPARED = ("in_bytes", "l4_dst_port", "timestamp_nano", "input_port")


def flow_rows(walks: list[Walk]) -> list[tuple[int, ...]]:
    """The flows of some walks, in order."""
    batch = SFLOW.columns([records for each in walks for records in each.sets], None)
    return list(zip(*(batch.column(name).tolist() for name in COMPARED), strict=True))


def counters(walks: list[Walk]) -> list[CounterSample]:
    """Their counter samples, in order."""
    return [sample for each in walks if each.sflow is not None for sample in each.sflow.counters]


def numbered(walks: list[Walk]) -> list[tuple[int, ...]]:
    """Source and sequence number of their flow samples, and the sequence number of the datagram of each."""
    rows: list[tuple[int, ...]] = []
    for each in walks:
        assert each.sflow is not None
        told = each.sflow.sequences
        numbers = (told.sample_sources, told.sample_numbers, told.numbers[told.sample_datagrams])
        rows += zip(*(column.tolist() for column in numbers), strict=True)
    return rows


SAMPLES = [
    flow_sample(raw_header(FRAME, 100)),
    expanded_sample(raw_header(FRAME, 200), interfaces=(0, 9, 0, 9)),
    flow_sample(sflow.padded(sflow.opaque(4413 << 12, b"12345")), raw_header(FRAME, 300)),
    counter_sample(),
    discarded_sample(raw_header(FRAME)),
    sflow.opaque(99, b"1234"),
    flow_sample(raw_header(FRAME), announced=0x40000000),
    sflow.opaque(1, b"short..."),
    b"\x00\x00\x00\x01\xff\xff\xff\xff",
    b"\x00\x01",
]

DATAGRAMS = st.builds(
    lambda samples, announced, agent, cut: datagram(*samples, agent=agent, announced=announced)[: 4096 - cut],
    st.lists(st.sampled_from(SAMPLES), max_size=6),
    st.sampled_from([None, None, None, 1, 7, 0xFFFFFFFF]),
    st.sampled_from(["192.0.2.9", "2001:db8::1"]),
    st.sampled_from([0, 0, 4000, 4060]),
)


@given(st.lists(DATAGRAMS, min_size=1, max_size=3 * LEAST))
def test_many_datagrams_give_what_each_gives(datagrams: list[bytes]) -> None:
    """Walked in columns or one by one: the same samples, counters, numbers, problems."""
    times = list(range(RECEIVED_NS, RECEIVED_NS + len(datagrams)))
    walks, problems = walk_all(datagrams, times)
    alone: list[Walk] = []
    refused = []
    for data, received in zip(datagrams, times, strict=True):
        try:
            alone.append(walk(data, received))
        except MalformedInput as problem:
            refused.append(str(problem))
    assert sorted(map(str, problems)) == sorted(refused)
    for total in (flow_rows, counters, numbered):
        assert total(walks) == total(alone)
    for name in ("records", "malformed"):
        assert sum(getattr(each, name) for each in walks) == sum(getattr(each, name) for each in alone)


@given(st.lists(st.binary(max_size=120), max_size=2 * LEAST))
def test_any_bytes_in_many_datagrams(bodies: list[bytes]) -> None:
    """Whatever stands behind good headers: nothing is raised, and all that is counted decodes."""
    datagrams = [datagram(body, announced=3) for body in bodies] + bodies
    walks, problems = walk_all(datagrams, [RECEIVED_NS] * len(datagrams))
    assert len(problems) >= len(bodies)
    for walked in walks:
        assert SFLOW.columns(walked.sets, None).length + walked.malformed == walked.records


def test_one_datagram_with_many_samples_among_small_ones() -> None:
    """The long one is finished by itself."""
    long = datagram(*[flow_sample(raw_header(FRAME, 100))] * 50)
    short = datagram(flow_sample(raw_header(FRAME, 200)))
    walks, problems = walk_all([short] * 10 + [long] + [short] * 10, [RECEIVED_NS] * 21)
    (walked,) = walks
    assert not problems
    assert SFLOW.columns(walked.sets, None).column("in_bytes").tolist() == [200] * 10 + [100] * 50 + [200] * 10


# agents


@pytest.mark.parametrize(
    ("agent", "expected"),
    [("192.0.2.9", "192.0.2.9"), ("2001:db8::9", "2001:db8::9"), ("::ffff:192.0.2.9", "192.0.2.9"), ("0.0.0.0", "s")],  # noqa: S104
)
def test_the_agents_address(agent: str, expected: str) -> None:
    """In the registry's spelling; an agent that does not know its own has that of the sender."""
    assert agent_or(datagram(agent=agent), "s") == expected


def test_damaged_headers_have_the_senders_address() -> None:
    """Nothing is raised."""
    for data in (b"", b"\0\0\0\5", datagram()[:20], sflow.words(5, 3) + bytes(40)):
        assert agent_or(data, "192.0.2.1") == "192.0.2.1"
