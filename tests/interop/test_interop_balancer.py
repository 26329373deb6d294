"""A real HAProxy in front of kproxy: IPFIX over TCP and TLS counts as its exporter's."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.processes import Daemon, free_port, get_json
from tests.interop import peers
from tests.interop.packets import CONVERSATIONS, ip_totals, write_pcap

BALANCER = "127.0.9.9"
"""Where HAProxy's connections come from; softflowd's come from 127.0.0.1."""

CONFIGURATION = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen ipfix
    bind 127.0.0.1:{port}
    source {balancer}
    server kproxy 127.0.0.1:{kproxy} {how}
"""


@contextmanager
def haproxy(directory: Path, kproxy_port: int, how: str) -> Iterator[int]:
    """HAProxy, and its port."""
    port = free_port()
    text = CONFIGURATION.format(port=port, kproxy=kproxy_port, how=how, balancer=BALANCER)
    (directory / "haproxy.cfg").write_text(text)
    command = [shutil.which("haproxy") or "haproxy", "-db", "-f", str(directory / "haproxy.cfg")]
    with Daemon(command, log=directory / "haproxy.log"):
        peers.wait_until(lambda: _listens(port))
        yield port


def _listens(port: int) -> bool:
    """Tried without a connection, which HAProxy would pass on."""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    ("transport", "how"),
    [("tcp", "send-proxy"), ("tcp", "send-proxy-v2 check inter 200"), ("tls", "send-proxy-v2 check inter 200")],
)
def test_ipfix_through_haproxy(transport: str, how: str, tmp_path: Path) -> None:
    """softflowd's flows arrive as those of 127.0.0.1, and nothing comes from the balancer, its checks neither."""
    peers.need("haproxy", "softflowd", "socat")
    write_pcap(tmp_path / "traffic.pcap", time.time() - 60, CONVERSATIONS)
    authority = Authority()
    certificate, key = authority.issue(["127.0.0.1"]).write(tmp_path, "kproxy")
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    stream_port = free_port()
    flags = (
        f"-ipfix_{transport}_bind=127.0.0.1:{stream_port}",
        f"-tls_cert_file={certificate}",
        f"-tls_key_file={key}",
        f"-proxy_protocol={BALANCER}",
    )
    with (
        peers.our_chain(tmp_path, *flags) as (flow_port, collector_port),
        haproxy(tmp_path, stream_port, how) as port,
    ):
        kind = "TCP:127.0.0.1" if transport == "tcp" else "OPENSSL:127.0.0.1"
        trust = "" if transport == "tcp" else ",cafile=ca.pem"
        with peers.tunnel(f"{kind}:{port}{trust}", tmp_path) as plain_port:
            peers.run_softflowd(tmp_path / "traffic.pcap", plain_port, "-v", "10", "-P", "tcp")
        ledger = peers.settled_ledger(flow_port + 1, len(CONVERSATIONS))
        assert (ledger["RecordsForwarded"], ledger["SequenceGaps"]) == (len(CONVERSATIONS), 0)
        assert peers.stored_totals(collector_port) == peers.Totals(len(CONVERSATIONS), *ip_totals(CONVERSATIONS))
        (device,) = get_json(flow_port + 1, "/admin/devices")["Devices"]
        assert device["DeviceName"] == "auto_127_0_0_1"
        assert get_json(flow_port + 1, "/admin/status")["Streams"]["EndedFor"].get("no_proxy_header", 0) == 0
