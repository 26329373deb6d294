"""Copies for other collectors: nfcapd gets them as the exporter's, a second kproxy behind a PROXY protocol header."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from kproxy_tw.testing.processes import get_json
from tests.interop import peers
from tests.interop.packets import CONVERSATIONS, write_pcap

EXPORTER = "127.0.7.7"


@pytest.mark.skipif(os.geteuid() != 0, reason="copies as the exporter's need CAP_NET_RAW")
def test_three_collectors_count_the_same(tmp_path: Path) -> None:
    """softflowd's flows, in kproxy, in nfcapd and in another kproxy, all as flows of one exporter."""
    peers.need("softflowd", "nfcapd", "nfdump")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    datagrams = peers.softflowd(tmp_path / "traffic.pcap", 9)
    (tmp_path / "second").mkdir()
    with (
        peers.capturing("nfcapd", tmp_path) as nfcapd_port,
        peers.our_chain(tmp_path / "second", "-proxy_protocol=127.0.0.1") as (second_port, second_collector),
        peers.our_chain(tmp_path, f"-tee_kproxy=exporter:127.0.0.1:{nfcapd_port},proxy:127.0.0.1:{second_port}") as (
            flow_port,
            collector_port,
        ),
    ):
        peers.send(datagrams, flow_port, EXPORTER)
        for port in (flow_port, second_port):
            ledger = peers.settled_ledger(port + 1, len(CONVERSATIONS))
            assert (ledger["RecordsForwarded"], ledger["SequenceGaps"]) == (len(CONVERSATIONS), 0)
            (device,) = get_json(port + 1, "/admin/devices")["Devices"]
            assert device["DeviceName"] == "auto_127_0_7_7"
        tee = get_json(flow_port + 1, "/admin/status")["Tee"]
        assert [(one["Sent"], one["Lost"]) for one in tee] == [(len(datagrams), 0)] * 2
        totals = [peers.stored_totals(port) for port in (collector_port, second_collector)]
    assert totals == [peers.captured(tmp_path / "nfcapd")] * 2
    command = ["nfdump", "-R", str(tmp_path / "nfcapd"), "-o", "fmt:%ra", "-q", "-c", "1"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == [EXPORTER]
