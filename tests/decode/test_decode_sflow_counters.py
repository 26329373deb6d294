"""sFlow counter samples: what is read in them."""

from __future__ import annotations

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.sflow.counters import COUNTER_RECORDS, MAX_RECORDS, CounterSample, Record, read_counters
from kproxy_tw.decode.sflow.walk import walk
from tests.captures import CAPTURES
from tests.decode.sflow_datagrams import RECEIVED_NS, counters, datagram, opaque, padded, text, words

TELEGRAF = CAPTURES / "sflow" / "telegraf_sflow_v5_example.dat"
INTERFACE = struct.pack("!IIQIIQ6IQ6I", 3, 6, 10**10, 1, 3, 2**40, *range(10, 16), 2**41, *range(20, 25), 0)


def samples(data: bytes) -> tuple[CounterSample, ...]:
    """The counter samples of a datagram."""
    found = walk(data, RECEIVED_NS).sflow
    assert found is not None
    return found.counters


def read(*records: bytes) -> dict[str, Record]:
    """What is read in the records of a sample."""
    (sample,) = samples(datagram(counters(*records)))
    return read_counters(sample)


def test_headers_of_plain_and_expanded_samples() -> None:
    """Both name source, number, agent and its uptime."""
    data = datagram(counters(opaque(1, INTERFACE), number=9, source=5), counters(number=10, source=77, expanded=True))
    first, second = samples(data)
    assert (first.agent, first.sub_agent, first.uptime_ms, first.received_ns) == ("192.0.2.9", 7, 99_000, RECEIVED_NS)
    assert (first.source_class, first.source_index, first.number) == (0, 5, 9)
    assert (second.source_class, second.source_index, second.number) == (0, 77, 10)
    (vlan,) = samples(datagram(counters(source=1 << 24 | 100)))
    assert (vlan.source_class, vlan.source_index) == (1, 100)


def test_interface_counters() -> None:
    """All fields of RFC 2863 in their places."""
    assert read(opaque(1, INTERFACE))["Interface"] == {
        "Index": 3,
        "Type": 6,
        "Speed": 10**10,
        "Direction": 1,
        "Status": 3,
        "InOctets": 2**40,
        "InUcastPkts": 10,
        "InMulticastPkts": 11,
        "InBroadcastPkts": 12,
        "InDiscards": 13,
        "InErrors": 14,
        "InUnknownProtos": 15,
        "OutOctets": 2**41,
        "OutUcastPkts": 20,
        "OutMulticastPkts": 21,
        "OutBroadcastPkts": 22,
        "OutDiscards": 23,
        "OutErrors": 24,
        "PromiscuousMode": 0,
    }


def test_unknown_counters_are_left_out() -> None:
    """All bits set means that the agent has no such counter."""
    found = read(opaque(5, struct.pack("!IQIIII", 100, 2**64 - 1, 1, 0xFFFFFFFF, 3, 4)))["Vlan"]
    assert found == {"VlanID": 100, "UcastPkts": 1, "BroadcastPkts": 3, "Discards": 4}


def test_texts_floats_and_addresses() -> None:
    """Host description, load, port names, link aggregation."""
    host = text(b"leaf-1") + bytes(range(16)) + words(3, 2) + text(b"6.1.0")
    load = struct.pack("!3f", 0.5, 1.25, float("nan")) + words(*range(3, 16))
    lag = bytes.fromhex("0200000000010000020000000002000000000007") + b"\x3d\x3d\0\0" + words(*range(8))
    found = read(opaque(2000, host), opaque(2003, load), opaque(1005, text(b"eth1\0")), opaque(7, lag))
    assert (found["HostDescription"]["Hostname"], found["HostDescription"]["OSRelease"]) == ("leaf-1", "6.1.0")
    assert [found["HostCpu"][name] for name in ("LoadOne", "LoadFive", "LoadFifteen", "CpuNum")] == [0.5, 1.25, 0.0, 5]
    assert "CpuSteal" not in found["HostCpu"]
    assert found["PortName"] == {"Name": "eth1"}
    assert (found["LagPort"]["ActorSystemID"], found["LagPort"]["AttachedAggID"]) == ("02:00:00:00:00:01", 7)


def test_processor_counters() -> None:
    """Percents are in hundredths as the agent sends them."""
    found = read(opaque(1001, struct.pack("!IIIQQ", 1250, 1000, 900, 2**33, 2**32)))["Processor"]
    assert found == {"Cpu5s": 1250, "Cpu1m": 1000, "Cpu5m": 900, "TotalMemory": 2**33, "FreeMemory": 2**32}


def test_unknown_records_are_stepped_over_and_lies_end_the_sample() -> None:
    """Another vendor's record of odd length; one that says to be longer than the sample."""
    odd = padded(opaque(4413 << 12 | 9, b"12345"))
    assert read(odd, opaque(1, INTERFACE)).keys() == {"Interface"}
    assert read(opaque(1, INTERFACE), words(2, 4000)).keys() == {"Interface"}
    assert read(*[opaque(9999, b"")] * MAX_RECORDS, opaque(1, INTERFACE)) == {}


def test_shorter_records_give_what_they_have() -> None:
    """An older agent's record ends earlier."""
    assert read(opaque(2, words(1, 2, 3)))["Ethernet"] == {
        "AlignmentErrors": 1,
        "FCSErrors": 2,
        "SingleCollisionFrames": 3,
    }


@pytest.mark.parametrize("kind", sorted(COUNTER_RECORDS))
def test_every_kind_takes_any_bytes(kind: int) -> None:
    """Of every length."""
    for size in range(0, 140, 4):
        for octet in (b"\0", b"\1", b"\xff"):
            assert isinstance(read(opaque(kind, octet * size)), dict)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Nothing is raised, in the walk or in the reading."""
    for sample in (opaque(2, data), opaque(4, data), counters(data)):
        for each in samples(datagram(padded(sample))):
            assert isinstance(read_counters(each), dict)


@pytest.mark.skipif(not TELEGRAF.exists(), reason=f"CAPTURE NOT TESTED: {TELEGRAF} is absent")
def test_a_captured_sample_has_the_values_that_telegraf_reads() -> None:
    """Each counter of the .expected.txt."""
    (sample,) = samples(TELEGRAF.read_bytes())
    found = read_counters(sample)
    line = TELEGRAF.with_suffix(".expected.txt").read_text()
    theirs = {name: value.strip('"u') for name, value in re.findall(r"(\w+)=(\"[^\"]*\"|\d+u)", line)}
    ours = found["Interface"]
    pairs = {
        "InOctets": "in_bytes",
        "OutOctets": "out_bytes",
        "InUcastPkts": "in_unicast_packets_total",
        "OutUcastPkts": "out_unicast_packets_total",
        "Speed": "speed",
        "Index": "interface",
        "InErrors": "in_errors",
        "OutDiscards": "out_dropped_packets",
    }
    assert {name: ours[name] for name in pairs} == {name: int(theirs[other]) for name, other in pairs.items()}
    assert (found["PortName"]["Name"], sample.agent) == (theirs["port_name"], theirs["agent_ip"])
    assert (sample.sub_agent, sample.number, sample.uptime_ms) == (
        int(theirs["agent_subid"]),
        int(theirs["seq_number"]),
        int(theirs["sys_uptime"]),
    )
    assert "InBroadcastPkts" not in ours
