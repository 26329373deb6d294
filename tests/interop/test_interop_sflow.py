"""A real sFlow agent and a real sFlow collector beside our decoder."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import numpy as np
import pytest

from kproxy_tw.decode.sflow.layout import SFLOW
from kproxy_tw.decode.sflow.walk import walk
from kproxy_tw.flowbatch import FlowBatch
from tests.interop import peers
from tests.interop.packets import CONVERSATIONS, ICMP, TCP, Conversation, frames, write_pcap
from tests.interop.pmacct import AGENT, sfprobe

CHECK_SUM = 4
"""What the agent adds to the length of a packet in a pcap file: Ethernet's check sum."""

MOST_IN_PROBE = 30
"""Samples that may stay in the probe."""


def decoded(datagrams: list[bytes]) -> FlowBatch:
    """The columns of all flow samples, none of them malformed."""
    walks = [walk(data, time.time_ns()) for data in datagrams]
    assert {each.agent for each in walks} == {AGENT}
    assert not any(each.malformed for each in walks)
    return SFLOW.columns([records for each in walks for records in each.sets], None)


def address(batch: FlowBatch, side: str, row: int) -> IPv4Address | IPv6Address:
    """The flow's address on one side."""
    found4 = batch.column(f"ipv4_{side}_addr")[row]
    return IPv4Address(int(found4)) if found4 else IPv6Address(batch.column(f"ipv6_{side}_addr")[row].tobytes())


def in_order(conversations: list[Conversation]) -> list[Conversation]:
    """The conversation of each frame, in the order of ``packets.frames``."""
    turns = max(conversation.packets for conversation in conversations)
    return [each for turn in range(turns) for each in conversations if turn < each.packets]


def test_samples_of_pmacctd_are_the_packets_of_the_pcap(tmp_path: Path) -> None:
    """At a rate of 1 each packet is a sample: same order, addresses, ports, protocol, length."""
    peers.need("pmacctd")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    batch = decoded(sfprobe(tmp_path / "traffic.pcap"))
    sent, lengths = in_order(CONVERSATIONS), [len(frame) + CHECK_SUM for frame in frames(CONVERSATIONS)]
    assert len(sent) - MOST_IN_PROBE <= batch.length <= len(sent)
    assert batch.column("in_bytes").tolist() == lengths[: batch.length]
    assert set(batch.column("sample_rate").tolist()) == {1.0}
    for row, each in enumerate(sent[: batch.length]):
        assert address(batch, "src", row) == ip_address(each.source)
        assert address(batch, "dst", row) == ip_address(each.destination)
        ports = 0 if each.protocol == ICMP else each.source_port, each.destination_port
        assert (batch.column("l4_src_port")[row], batch.column("l4_dst_port")[row]) == ports
        flags = 0x18 if each.protocol == TCP else 0
        assert (batch.column("protocol")[row], batch.column("tcp_flags")[row]) == (each.protocol, flags)


@pytest.mark.parametrize("rate", [1, 4])
def test_totals_equal_those_of_sfcapd(rate: int, tmp_path: Path) -> None:
    """Flows, packets * rate and bytes * rate of the same datagrams are exactly what sfcapd and nfdump count."""
    peers.need("pmacctd", "sfcapd", "nfdump")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    datagrams = sfprobe(tmp_path / "traffic.pcap", rate)
    batch = decoded(datagrams)
    rates = batch.column("sample_rate").astype(np.uint64)
    ours = peers.Totals(
        batch.length,
        int((batch.column("in_pkts") * rates).sum()),
        int((batch.column("in_bytes") * rates).sum()),
    )
    assert ours == peers.nfdump_totals("sfcapd", datagrams, tmp_path)
    assert ours.flows > 100
    assert set(rates.tolist()) == {rate}
