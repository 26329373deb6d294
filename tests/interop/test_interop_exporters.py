"""More real exporters: over TCP, in both directions, sampled, packet by packet; beside nfcapd or plain arithmetic."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import attrs
import pytest

from kproxy_tw.capture.datagrams import Datagram
from kproxy_tw.capture.understood import CaptureReader
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.processes import free_port, get_json
from tests.captures import write_pcap as write_capture
from tests.interop import peers
from tests.interop.packets import CONVERSATIONS, answered, frame, ip_totals, write_pcap
from tests.interop.pmacct import nfprobe
from tests.interop.switch import exported

RATE = 4


def decoded(datagrams: list[bytes]) -> tuple[peers.Totals, set[object]]:
    """Flows, packets and bytes that we find, none of them in doubt; and the sample rates."""
    reader, everything = CaptureReader(), [Datagram(0, "exporter", 1, "us", 2, data) for data in datagrams]
    for each in everything:
        reader.learn(each)
    found = [reader.read(each) for each in everything]
    assert {problem for each in found for problem in each.problems} == set()
    flows = [flow for each in found for flow in each.flows]
    sums = (sum(int(str(flow.get(name, 0))) for flow in flows) for name in ("in_pkts", "in_bytes"))
    return peers.Totals(len(flows), *sums), {flow.get("sample_rate") for flow in flows}


def test_bidirectional_ipfix_over_tcp(tmp_path: Path) -> None:
    """softflowd connects to kproxy: packets and bytes of both directions are those in the pcap, and nothing is lost.

    nfcapd, which gets the same over UDP, counts as many packets and bytes, and a biflow as one flow.
    """
    peers.need("softflowd", "nfcapd", "nfdump")
    conversations = answered(CONVERSATIONS)
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, conversations)
    nfcapd = peers.nfdump_totals("nfcapd", peers.softflowd(tmp_path / "traffic.pcap", 10, "-b"), tmp_path)
    packets, octets = ip_totals(conversations)
    assert nfcapd == peers.Totals(len(CONVERSATIONS), packets, octets)
    tcp_port = free_port()
    with peers.our_chain(tmp_path, f"-ipfix_tcp_bind=127.0.0.1:{tcp_port}") as (flow_port, collector_port):
        peers.run_softflowd(tmp_path / "traffic.pcap", tcp_port, "-v", "10", "-b", "-P", "tcp")
        ledger = peers.settled_ledger(flow_port + 1, nfcapd.flows)
        assert (ledger["RecordsForwarded"], ledger["SequenceGaps"]) == (nfcapd.flows, 0)
        assert peers.stored_totals(collector_port) == peers.Totals(len(conversations), packets, octets)
        streams = get_json(flow_port + 1, "/admin/status")["Streams"]
        assert (streams["Accepted"], streams["EndedFor"]) == (1, {"exporter": 1})


def test_ipfix_over_tls_with_certificates_on_both_sides(tmp_path: Path) -> None:
    """softflowd through socat, which verifies kproxy and shows a certificate; one without is not let in."""
    peers.need("softflowd", "socat")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    authority = Authority()
    certificate, key = authority.issue(["127.0.0.1"]).write(tmp_path, "kproxy")
    authority.issue(["exporter"]).write(tmp_path, "exporter")
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    tls_port = free_port()
    flags = (
        f"-ipfix_tls_bind=127.0.0.1:{tls_port}",
        f"-tls_cert_file={certificate}",
        f"-tls_key_file={key}",
        f"-ipfix_tls_client_ca={tmp_path / 'ca.pem'}",
    )
    with peers.our_chain(tmp_path, *flags) as (flow_port, collector_port):
        for own in ("", ",cert=exporter.pem,key=exporter.key"):
            with peers.tunnel(f"OPENSSL:127.0.0.1:{tls_port},cafile=ca.pem{own}", tmp_path) as plain_port:
                peers.run_softflowd(tmp_path / "traffic.pcap", plain_port, "-v", "10", "-P", "tcp")
        ledger = peers.settled_ledger(flow_port + 1, len(CONVERSATIONS))
        assert (ledger["RecordsForwarded"], ledger["SequenceGaps"]) == (len(CONVERSATIONS), 0)
        assert peers.stored_totals(collector_port) == peers.Totals(len(CONVERSATIONS), *ip_totals(CONVERSATIONS))
        assert get_json(flow_port + 1, "/admin/status")["Streams"]["EndedFor"] == {"exporter": 1, "handshake": 1}


@pytest.mark.parametrize("version", [5, 9, 10])
def test_sampled_flows_of_softflowd(version: int, tmp_path: Path) -> None:
    """Every fourth packet: the same flows as nfcapd, and the rate is known from the header or the options.

    nfcapd multiplies NetFlow v5 with it, and leaves v9 and IPFIX of softflowd as they come.
    """
    peers.need("softflowd", "nfcapd", "nfdump")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    datagrams = peers.softflowd(tmp_path / "traffic.pcap", version, "-s", str(RATE))
    ours, rates = decoded(datagrams)
    theirs = peers.nfdump_totals("nfcapd", datagrams, tmp_path)
    by = RATE if version == 5 else 1
    assert peers.Totals(ours.flows, ours.packets * by, ours.bytes * by) == theirs
    assert rates == {RATE}
    assert ours.packets < ip_totals(CONVERSATIONS)[0] / 3


def test_psamp_of_softflowd_is_the_packets_of_the_pcap(tmp_path: Path) -> None:
    """Each packet is a record with its first bytes (RFC 5476): as many, and as long, as were captured."""
    peers.need("softflowd")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    ours, _rates = decoded(peers.softflowd(tmp_path / "traffic.pcap", "psamp"))
    packets, octets = ip_totals(CONVERSATIONS)
    assert ours == peers.Totals(packets, packets, octets)


@pytest.mark.parametrize("version", [5, 9, 10])
def test_nfprobe_counts_equal_those_of_nfcapd(version: int, tmp_path: Path) -> None:
    """pmacctd as an exporter of NetFlow v5, v9 and IPFIX."""
    peers.need("pmacctd", "nfcapd", "nfdump")
    write_pcap(tmp_path / "traffic.pcap", time.time(), CONVERSATIONS)
    datagrams = nfprobe(tmp_path / "traffic.pcap", version)
    ours, _rates = decoded(datagrams)
    assert ours == peers.nfdump_totals("nfcapd", datagrams, tmp_path)
    assert ours.flows > 100


FRAMES = 60
"""Packets sent through a switch; each is a command to it."""


def through_switch(kind: str, directory: Path) -> list[bytes]:
    """What Open vSwitch exports of some TCP packets that it floods to two ports."""
    peers.need("ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "nfcapd", "nfdump")
    directory.joinpath("ovs").mkdir()
    return exported(kind, [frame(each) for each in CONVERSATIONS[:FRAMES]], directory / "ovs")


def test_ipfix_of_open_vswitch(tmp_path: Path) -> None:
    """Each packet three times: as it comes in and as it leaves through two ports; as many flows as nfcapd finds.

    nfdump adds up its running totals (packetTotalCount), so packets and bytes are told by arithmetic.
    """
    datagrams = through_switch("ipfix", tmp_path)
    ours, _rates = decoded(datagrams)
    octets = ip_totals([attrs.evolve(each, packets=1) for each in CONVERSATIONS[:FRAMES]])[1]
    assert ours == peers.Totals(3 * FRAMES, 3 * FRAMES, 3 * octets)
    assert peers.nfdump_totals("nfcapd", datagrams, tmp_path).flows == ours.flows


def test_netflow_of_open_vswitch(tmp_path: Path) -> None:
    """NetFlow v5: exactly what nfcapd counts. A flow's first packet is not in the switch's own figures."""
    datagrams = through_switch("netflow", tmp_path)
    ours, _rates = decoded(datagrams)
    assert ours == peers.nfdump_totals("nfcapd", datagrams, tmp_path)
    assert ours.flows > FRAMES / 2


def test_replayed_packets_arrive(tmp_path: Path) -> None:
    """What tcpdump would have captured of softflowd is sent again by ``kproxy replay``, and counted the same."""
    peers.need("softflowd")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    write_capture(tmp_path / "flow.pcap", peers.softflowd(tmp_path / "traffic.pcap", 10), 4739)
    with peers.our_chain(tmp_path) as (flow_port, collector_port):
        command = [peers.ours("kproxy"), "replay", str(tmp_path / "flow.pcap"), "--rewrite-time", "--speed", "max"]
        ended = subprocess.run([*command, "--to", f"127.0.0.1:{flow_port}"], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        assert peers.settled_ledger(flow_port + 1, len(CONVERSATIONS))["RecordsForwarded"] == len(CONVERSATIONS)
        assert peers.stored_totals(collector_port) == peers.Totals(len(CONVERSATIONS), *ip_totals(CONVERSATIONS))
