"""The main job against real peers: the same datagrams to nfcapd or sfcapd and through kproxy to kcollect."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.packets import CONVERSATIONS, write_pcap
from tests.interop.pmacct import sfprobe


@pytest.mark.parametrize("version", [5, 9, 10])
def test_softflowd_counts_equal_those_of_nfdump(version: int, tmp_path: Path) -> None:
    """Flows, packets and bytes in kcollect are exactly what nfcapd and nfdump make of the same datagrams."""
    peers.need("softflowd", "nfcapd", "nfdump")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    datagrams = peers.softflowd(tmp_path / "traffic.pcap", version)
    expected = peers.nfdump_totals("nfcapd", datagrams, tmp_path)
    assert expected.flows > 100
    through_our_chain(datagrams, expected, tmp_path)


def test_sfprobe_counts_equal_those_of_sfcapd(tmp_path: Path) -> None:
    """The same for sFlow: pmacctd's probe at a rate of 1, and sfcapd beside us."""
    peers.need("pmacctd", "sfcapd", "nfdump")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    datagrams = sfprobe(tmp_path / "traffic.pcap")
    expected = peers.nfdump_totals("sfcapd", datagrams, tmp_path)
    assert expected.flows > 600
    through_our_chain(datagrams, expected, tmp_path)


def through_our_chain(datagrams: list[bytes], expected: peers.Totals, directory: Path) -> None:
    """Send the datagrams to kproxy and compare what kcollect has stored."""
    with peers.our_chain(directory) as (flow_port, collector_port):
        peers.send(datagrams, flow_port)
        ledger = peers.settled_ledger(flow_port + 1, expected.flows)
        assert ledger["RecordsForwarded"] == expected.flows
        assert peers.stored_totals(collector_port) == expected
