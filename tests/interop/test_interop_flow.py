"""The main job against real peers: the same datagrams to nfcapd or sfcapd and through kproxy to kcollect."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.packets import CONVERSATIONS, write_pcap


@pytest.mark.parametrize("version", [5, 9, 10])
def test_softflowd_counts_equal_those_of_nfdump(version: int, tmp_path: Path) -> None:
    """Flows, packets and bytes in kcollect are exactly what nfcapd and nfdump make of the same datagrams."""
    peers.need("softflowd", "nfcapd", "nfdump")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    datagrams = peers.softflowd(tmp_path / "traffic.pcap", version)
    expected = peers.nfdump_totals("nfcapd", datagrams, tmp_path)
    assert expected.flows > 100
    with peers.our_chain(tmp_path) as (flow_port, collector_port):
        peers.send(datagrams, flow_port)
        ledger = peers.settled_ledger(flow_port + 1, expected.flows)
        assert ledger["RecordsForwarded"] == expected.flows
        assert peers.stored_totals(collector_port) == expected
