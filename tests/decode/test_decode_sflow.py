"""sFlow version 5: what is walked, and what stands in the columns."""

from __future__ import annotations

from ipaddress import ip_address

import attrs
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sflow.layout import SFLOW
from kproxy_tw.decode.sflow.samples import BATCH_SAMPLES, MAX_RECORDS
from kproxy_tw.decode.sflow.tops import MAX_SAMPLES
from kproxy_tw.decode.sflow.walk import walk
from kproxy_tw.errors import MalformedInput, UnknownVersion
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import CAPTURES
from tests.decode import sflow_datagrams as sflow
from tests.decode.packet_bytes import DST_MAC, SRC_MAC, ethernet, ipv4, ipv6, tcp, udp
from tests.decode.sflow_datagrams import RECEIVED_NS, datagram, expanded_sample, flow_sample, raw_header

FRAME4 = ethernet(ipv4(tcp(50000, 443, 0x18), 6), 0x0800, tags=[(0x8100, 5)])
FRAME6 = ethernet(ipv6(udp(1000, 53), 17), 0x86DD)
TELEGRAF = CAPTURES / "sflow" / "telegraf_sflow_v5_example.dat"

RICH = datagram(
    flow_sample(
        raw_header(FRAME4, 1518),
        sflow.switch(10, 20),
        sflow.router("203.0.113.1", 24, 16),
        sflow.gateway(
            "203.0.113.2", 64500, 64501, 64502, [(2, [64503, 64504]), (1, [64505, 64506])], [64500 << 16 | 7]
        ),
    ),
    sflow.counter_sample(),
    expanded_sample(raw_header(FRAME6), sflow.router("2001:db8:2::1", 48, 32), sflow.switch(11, 21)),
    agent="2001:db8::9",
)


def decode(*datagrams: bytes, chosen: list[int] | None = None) -> FlowBatch:
    """The columns of the flow samples of some datagrams."""
    sets = [each for data in datagrams for each in walk(data, RECEIVED_NS).sets]
    return SFLOW.columns(sets, None if chosen is None else np.array(chosen, np.intp))


def value(batch: FlowBatch, name: str, row: int = 0) -> object:
    """One value; bytes of an address, text of a text."""
    found = batch.column(name)[row]
    return found.tobytes() if isinstance(found, np.ndarray) else found.item()


def number(address: str) -> int:
    """The address as a number."""
    return int(ip_address(address))


# the walk


def test_walk_counts_flow_samples_and_steps_over_others() -> None:
    """Two flow samples, plain and expanded, become one set; the counter sample between them is left out."""
    walked = walk(RICH, RECEIVED_NS)
    assert (walked.flow_type, walked.agent) == ("sflow", "2001:db8::9")
    assert (walked.records, walked.malformed, walked.no_template) == (2, 0, 0)
    (records,) = walked.sets
    assert (records.layout, records.count, len(records.starts)) == (SFLOW, 2, 2)
    assert np.asarray(records.clock.received_ns).tolist() == [RECEIVED_NS] * 2


def test_a_datagram_without_flow_samples_is_no_error() -> None:
    """Counter samples alone, and no samples at all, give no sets."""
    for data in (datagram(sflow.counter_sample()), datagram()):
        walked = walk(data, RECEIVED_NS)
        assert attrs.evolve(walked, sflow=None) == Walk(flow_type="sflow", agent="192.0.2.9")


def test_other_versions_are_refused_by_name() -> None:
    """sFlow 4 has another layout."""
    with pytest.raises(UnknownVersion, match="version 4"):
        walk(datagram(flow_sample(raw_header(FRAME4)), version=4), RECEIVED_NS)


def test_unknown_agent_address_type_is_refused() -> None:
    """Its length is not known, so nothing behind it can be found."""
    data = datagram(flow_sample(raw_header(FRAME4)))
    with pytest.raises(MalformedInput, match="type 3"):
        walk(data[:4] + sflow.words(3) + data[8:], RECEIVED_NS)


def test_good_samples_before_a_lie_are_kept() -> None:
    """A datagram that announces four billion samples and has two gives those two and one malformed record."""
    sample = flow_sample(raw_header(FRAME4))
    walked = walk(datagram(sample, sample, announced=0xFFFFFFFF), RECEIVED_NS)
    assert (walked.sets[0].count, walked.malformed, walked.records) == (2, 1, 3)


def test_announced_samples_that_are_not_there_are_malformed() -> None:
    """Nothing usable: the datagram is refused."""
    with pytest.raises(MalformedInput, match="3 samples announced"):
        walk(datagram(announced=3), RECEIVED_NS)


@pytest.mark.parametrize(
    "bad",
    [
        flow_sample(raw_header(FRAME4), announced=0x40000000),
        sflow.opaque(1, sflow.words(1, 2, 3)),
        sflow.opaque(3, sflow.words(*range(10))),
    ],
    ids=["record count", "short", "short expanded"],
)
def test_unsound_flow_sample_is_counted_and_stepped_over(bad: bytes) -> None:
    """The good ones around it are not lost, also when it is the last."""
    good = flow_sample(raw_header(FRAME4))
    walked = walk(datagram(good, bad, good, bad), RECEIVED_NS)
    assert (walked.sets[0].count, walked.malformed, walked.records) == (2, 2, 4)


def test_lengths_that_are_no_whole_words_are_padded() -> None:
    """A record of 5 bytes stands in 8; the padding of the very last sample may be missing."""
    odd = sflow.padded(sflow.opaque(4413 << 12, b"12345"))
    whole = flow_sample(odd, raw_header(FRAME4))
    cut = sflow.opaque(1, flow_sample(odd, raw_header(FRAME4))[8:] + b"x")
    batch = decode(datagram(whole, sflow.padded(cut), whole, cut))
    assert batch.column("l4_dst_port").tolist() == [443] * 4


def test_samples_of_one_datagram_are_bounded() -> None:
    """Samples behind the bound are not looked at, and say so as one malformed record."""
    flood = [sflow.opaque(99, b"")] * MAX_SAMPLES
    walked = walk(datagram(*flood, flow_sample(raw_header(FRAME4))), RECEIVED_NS)
    assert (walked.sets, walked.malformed) == ([], 1)


# the columns


def test_sample_header_and_raw_header_become_columns() -> None:
    """One packet of the frame's length at the sample's own rate, received when the datagram was."""
    batch = decode(RICH)
    assert (batch.length, batch.rate_origin) == (2, "record")
    expected = {
        "timestamp_nano": [RECEIVED_NS, RECEIVED_NS],
        "sample_rate": [100.0, 100.0],
        "in_pkts": [1, 1],
        "in_bytes": [1518, len(FRAME6) + 4],
        "sampled_packet_size": [1518, len(FRAME6) + 4],
        "header_len": [len(FRAME4), len(FRAME6)],
        "input_port": [3, 3],
        "output_port": [4, 4],
        "src_eth_mac": [SRC_MAC, SRC_MAC],
        "dst_eth_mac": [DST_MAC, DST_MAC],
        "protocol": [6, 17],
        "l4_src_port": [50000, 1000],
        "l4_dst_port": [443, 53],
        "tcp_flags": [0x18, 0],
        "ipv4_src_addr": [number("192.0.2.1"), 0],
        "ipv4_dst_addr": [number("198.51.100.2"), 0],
    }
    assert {name: batch.column(name).tolist() for name in expected} == expected
    assert value(batch, "ipv6_src_addr", 1) == ip_address("2001:db8::1").packed


def test_extended_switch_names_the_vlans() -> None:
    """Its VLANs win over the tag in the frame (5 in the first)."""
    batch = decode(RICH)
    assert batch.column("vlan_in").tolist() == [10, 11]
    assert batch.column("vlan_out").tolist() == [20, 21]


def test_a_tag_is_the_vlan_where_the_switch_tells_none() -> None:
    """No extended switch data, or 0 or an impossible VLAN in it: the frame's tag stands."""
    others: tuple[list[bytes], ...] = ([], [sflow.switch(0, 0)], [sflow.switch(0xFFFFFFFF, 0xFFFFFFFF)])
    batch = decode(datagram(*(flow_sample(raw_header(FRAME4), *other) for other in others)))
    assert batch.column("vlan_in").tolist() == [5, 5, 5]
    assert not batch.column("vlan_out").any()


def test_extended_router_gives_next_hop_and_prefixes() -> None:
    """The prefixes are the packet's addresses under the router's masks, for IPv4 and IPv6."""
    batch = decode(RICH)
    assert value(batch, "ipv4_next_hop") == number("203.0.113.1")
    assert value(batch, "src_route_prefix") == number("192.0.2.0")
    assert value(batch, "dst_route_prefix") == number("198.51.0.0")
    assert value(batch, "ipv6_dst_next_hop", 1) == ip_address("2001:db8:2::1").packed
    assert value(batch, "ipv6_src_route_prefix", 1) == ip_address("2001:db8::").packed
    assert value(batch, "ipv6_dst_route_prefix", 1) == ip_address("2001:db8::").packed
    assert batch.column("src_route_length").tolist() == [24, 48]
    assert batch.column("dst_route_length").tolist() == [16, 32]


def test_impossible_prefix_lengths_count_as_none() -> None:
    """33 bits of an IPv4 address, and four billion."""
    batch = decode(datagram(flow_sample(raw_header(FRAME4), sflow.router("203.0.113.1", 33, 0xFFFFFFFF))))
    for name in ("src_route_length", "src_route_prefix", "dst_route_length", "dst_route_prefix"):
        assert value(batch, name) == 0


def test_extended_gateway_gives_the_route() -> None:
    """AS numbers by their place in the path; path and communities as text; BGP's next hop beside the router's."""
    batch = decode(RICH)
    expected = {
        "src_as": 64501,
        "src_next_hop_as": 64502,
        "dst_next_hop_as": 64503,
        "dst_second_asn": 64504,
        "dst_third_asn": 64505,
        "dst_as": 64506,
        "dst_bgp_as_path": b"64503 64504 {64505,64506}",
        "dst_bgp_community": b"64500:7",
        "ipv4_dst_next_hop": number("203.0.113.2"),
        "ipv4_next_hop": number("203.0.113.1"),
    }
    assert {name: value(batch, name) for name in expected} == expected
    assert {name: value(batch, name, 1) or 0 for name in expected} == dict.fromkeys(expected, 0)


def test_empty_path_and_source_0_are_the_routers_own_as() -> None:
    """As goflow2 and akvorado read it; without a router record the BGP next hop is the next hop."""
    batch = decode(datagram(flow_sample(raw_header(FRAME4), sflow.gateway("203.0.113.2", 64500, 0, 0, []))))
    assert (value(batch, "src_as"), value(batch, "dst_as")) == (64500, 64500)
    assert value(batch, "dst_next_hop_as") == 0
    assert value(batch, "ipv4_next_hop") == number("203.0.113.2")


def test_long_paths_are_cut_at_a_whole_number() -> None:
    """The destination AS is still the last of the whole path."""
    path = list(range(4_200_000_000, 4_200_000_100))
    batch = decode(datagram(flow_sample(raw_header(FRAME4), sflow.gateway("2001:db8::7", 1, 2, 3, [(2, path)], path))))
    text = value(batch, "dst_bgp_as_path")
    assert text == " ".join(map(str, path[:35])).encode()  # 35 numbers of 10 digits and 34 blanks: 384 bytes
    assert value(batch, "dst_as") == 4_200_000_099
    assert value(batch, "ipv6_dst_next_hop") == ip_address("2001:db8::7").packed


def test_a_set_that_is_too_long_for_a_text_is_left_out() -> None:
    """It has no beginning that would not mislead."""
    members = list(range(4_200_000_000, 4_200_000_100))
    batch = decode(datagram(flow_sample(raw_header(FRAME4), sflow.gateway("203.0.113.2", 1, 2, 3, [(1, members)]))))
    assert (value(batch, "dst_bgp_as_path"), value(batch, "dst_as")) == (b"", 4_200_000_099)


def test_a_damaged_gateway_record_costs_only_itself() -> None:
    """A path of a billion numbers in a record of a few leaves the routing columns of that sample at 0."""
    bad = sflow.opaque(1003, sflow.address("203.0.113.2") + sflow.words(1, 2, 3, 1, 2, 0x3FFFFFFF, 7))
    good = sflow.gateway("203.0.113.2", 1, 2, 3, [(2, [4])])
    batch = decode(datagram(flow_sample(raw_header(FRAME4), bad), flow_sample(raw_header(FRAME4), good)))
    assert batch.column("src_as").tolist() == [0, 2]
    assert batch.column("in_bytes").tolist() == [len(FRAME4) + 4] * 2


def test_ports_of_special_interfaces_are_0() -> None:
    """Discarded (format 1), many outputs (format 2) and the agent itself have no interface index."""
    samples = [
        flow_sample(interfaces=(0x3FFFFFFF, 1 << 30 | 258)),
        flow_sample(interfaces=(0x00ABCDEF, 2 << 30 | 7)),
        expanded_sample(interfaces=(0, 0x3FFFFFFF, 1, 258)),
        expanded_sample(interfaces=(0, 0x7FABCDEF, 2, 7)),
        expanded_sample(interfaces=(0, 0xFFFFFFFF, 0, 9)),
    ]
    batch = decode(datagram(*samples))
    assert batch.column("input_port").tolist() == [0, 0x00ABCDEF, 0, 0x7FABCDEF, 0]
    assert batch.column("output_port").tolist() == [0, 0, 0, 0, 9]


def test_records_about_the_packet_stand_in_for_its_header() -> None:
    """IPv4 and IPv6 data fill the flow; of two lengths the Ethernet frame's counts, else the IP packet's."""
    frame = sflow.opaque(2, sflow.words(600, 0x02000000, 0x00010000, 0x02000000, 0x00020000, 0x0800))
    fields4 = sflow.opaque(3, sflow.words(582, 6, number("192.0.2.1"), number("198.51.100.2"), 1, 2, 0x11, 0x20))
    addresses6 = ip_address("2001:db8::1").packed + ip_address("2001:db8::2").packed
    fields6 = sflow.opaque(4, sflow.words(500, 17) + addresses6 + sflow.words(3, 4, 0, 0x30))
    batch = decode(datagram(flow_sample(fields4, frame), flow_sample(fields6)))
    expected = {
        "in_bytes": [600, 500],
        "ip_size": [582, 500],
        "src_eth_mac": [SRC_MAC, 0],
        "dst_eth_mac": [DST_MAC, 0],
        "protocol": [6, 17],
        "l4_src_port": [1, 3],
        "l4_dst_port": [2, 4],
        "tcp_flags": [0x11, 0],
        "tos": [0x20, 0x30],
        "ipv4_src_addr": [number("192.0.2.1"), 0],
    }
    assert {name: batch.column(name).tolist() for name in expected} == expected
    assert value(batch, "ipv6_dst_addr", 1) == ip_address("2001:db8::2").packed


def test_the_header_wins_over_records_about_the_packet() -> None:
    """Whichever comes first in the sample."""
    other = sflow.opaque(3, sflow.words(1, 2, 3, 4, 5, 6, 7, 8))
    batch = decode(datagram(flow_sample(other, raw_header(FRAME4)), flow_sample(raw_header(FRAME4), other)))
    assert batch.column("protocol").tolist() == [6, 6]
    assert batch.column("in_bytes").tolist() == [len(FRAME4) + 4] * 2


def test_a_header_of_an_unknown_link_leaves_room_for_other_records() -> None:
    """The frame's length counts, the addresses come from the IPv4 data."""
    other = sflow.opaque(3, sflow.words(100, 17, 3, 4, 5, 6, 7, 8))
    batch = decode(datagram(flow_sample(raw_header(b"\xff\x03\0\x21" + FRAME4, 150, link=3), other)))
    assert [value(batch, name) for name in ("in_bytes", "protocol", "ipv4_src_addr")] == [150, 17, 3]


def test_headers_may_begin_with_ip() -> None:
    """Header protocols 11 and 12 are IPv4 and IPv6 without a link header."""
    headers = [raw_header(ipv4(udp(1, 2), 17), link=11), raw_header(ipv6(udp(3, 4), 17), link=12)]
    batch = decode(datagram(*map(flow_sample, headers)))
    assert batch.column("l4_dst_port").tolist() == [2, 4]


def test_a_sample_that_says_nothing_is_still_a_packet() -> None:
    """Without a record that we know, the flow has one packet of no known length, as sfcapd counts it."""
    batch = decode(datagram(flow_sample(sflow.opaque(4413 << 12 | 1, b"abcd"), rate=0)))
    assert (value(batch, "in_pkts"), value(batch, "in_bytes"), batch.rate_origin) == (1, 0, "unknown")


def test_records_of_one_sample_are_bounded() -> None:
    """A record behind the bound is not looked at."""
    filler = sflow.opaque(4413 << 12, b"")
    batch = decode(
        datagram(
            flow_sample(*[filler] * (MAX_RECORDS - 1), raw_header(FRAME4)),
            flow_sample(*[filler] * MAX_RECORDS, raw_header(FRAME4)),
        )
    )
    assert batch.column("protocol").tolist() == [6, 0]


def test_records_that_the_sample_does_not_count_are_not_read() -> None:
    """A sample of one record has one, whatever stands behind it."""
    batch = decode(datagram(flow_sample(sflow.switch(1, 2), raw_header(FRAME4), announced=1)))
    assert (value(batch, "vlan_in"), value(batch, "in_bytes")) == (1, 0)


def test_a_record_longer_than_its_sample_is_not_read() -> None:
    """It would reach into the next sample, which is not harmed either."""
    long = sflow.words(1, 200) + raw_header(FRAME4)[8:]
    batch = decode(datagram(flow_sample(sflow.switch(1, 2), long), flow_sample(raw_header(FRAME4))))
    assert batch.column("vlan_in").tolist() == [1, 5]
    assert batch.column("protocol").tolist() == [0, 6]


def test_a_header_longer_than_its_record_ends_with_the_record() -> None:
    """The ports would be read from the next record."""
    packet = ipv4(udp(1, 2), 17)[:20]
    header = sflow.opaque(1, sflow.words(11, 500, 0, 400) + packet)
    batch = decode(datagram(flow_sample(header, sflow.switch(6, 7))))
    assert [value(batch, name) for name in ("protocol", "header_len", "l4_src_port", "l4_dst_port")] == [17, 20, 0, 0]


def test_chosen_samples_are_decoded_in_order() -> None:
    """Indices count over all sets; some thousand samples and more go through in several parts."""
    count = BATCH_SAMPLES // 4 + 50
    datagrams = [
        datagram(
            *(flow_sample(raw_header(FRAME4, 100 + 5 * n + k)) for k in range(5)),
            agent="2001:db8::1" if n % 2 else "192.0.2.1",
        )
        for n in range(count)
    ]
    assert decode(*datagrams).column("in_bytes").tolist() == list(range(100, 100 + 5 * count))
    chosen = [0, 4, 5, 11, 5 * count - 6, 5 * count - 1]
    assert decode(*datagrams, chosen=chosen).column("in_bytes").tolist() == [100 + index for index in chosen]
    assert decode(*datagrams, chosen=[]).length == 0


# damage


def test_each_truncation_is_refused_or_gives_the_whole_samples() -> None:
    """At every length, walked samples decode to the same values as in the whole datagram."""
    whole = decode(RICH)
    for length in range(len(RICH)):
        try:
            walked = walk(RICH[:length], RECEIVED_NS)
        except MalformedInput:
            continue
        assert walked.malformed == 1, length
        batch = SFLOW.columns(walked.sets, None)
        assert batch.column("in_bytes").tolist() == whole.column("in_bytes").tolist()[: batch.length]


def survives(data: bytes) -> None:
    """Either refused as malformed, or all counted samples decode."""
    try:
        walked = walk(data, RECEIVED_NS)
    except MalformedInput:
        return
    batch = SFLOW.columns(walked.sets, None)
    assert batch.length + walked.malformed == walked.records
    assert all(len(column) == batch.length for column in batch.columns.values())


@given(st.binary(max_size=400))
@example(b"")
def test_any_bytes_behind_a_good_beginning_raise_only_malformed_input(data: bytes) -> None:
    """The version and address type are given, so that the bytes get as far as possible."""
    survives(data)
    survives(sflow.words(5, 1) + data)
    survives(datagram(data, announced=3))
    survives(datagram(flow_sample(data, announced=2)))


@given(
    st.lists(
        st.tuples(st.integers(0, len(RICH) // 4 - 1), st.sampled_from([0, 1, 2, 3, 0x7FFFFFFF, 0xFFFFFFFF, 64])),
        max_size=4,
    ),
    st.lists(st.tuples(st.integers(0, len(RICH) - 1), st.integers(0, 255)), max_size=4),
)
def test_damaged_datagrams_raise_only_malformed_input(
    words: list[tuple[int, int]], octets: list[tuple[int, int]]
) -> None:
    """Words become lengths, counts and kinds that lie; bytes anything."""
    data = bytearray(RICH)
    for index, word in words:
        data[4 * index : 4 * index + 4] = sflow.words(word)
    for index, octet in octets:
        data[index] = octet
    survives(bytes(data))


# a real agent


@pytest.mark.skipif(not TELEGRAF.exists(), reason=f"CAPTURE NOT TESTED: {TELEGRAF} is absent")
def test_captured_counter_sample_is_taken() -> None:
    """The agent's address is that of the .expected.txt, and there is no flow in it."""
    data = TELEGRAF.read_bytes()
    walked = walk(data, RECEIVED_NS)
    expected = TELEGRAF.with_suffix(".expected.txt").read_text()
    assert f'agent_ip="{walked.agent}"' in expected
    assert (walked.records, walked.sets, walked.malformed) == (0, [], 0)
    for length in range(len(data)):
        survives(data[:length])
