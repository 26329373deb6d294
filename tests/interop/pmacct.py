"""pmacctd's probes as processes: a pcap in; sFlow, NetFlow or IPFIX datagrams out."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from tests.interop.peers import drain, receiver

FIRST_SECONDS = 20.0
STOP_SECONDS = 10.0
AGENT = "192.0.2.99"

CONFIGURATION = """\
daemonize: false
pcap_savefile: {pcap}
pcap_savefile_delay: 1
pcap_savefile_wait: true
plugins: sfprobe[probe]
sfprobe_receiver: 127.0.0.1:{port}
sfprobe_agentip: {agent}
sampling_rate: {rate}
"""
"""It waits a second until its plugin listens, and for a signal when the file is read."""


NFPROBE = """\
daemonize: false
debug: true
pcap_savefile: {pcap}
pcap_savefile_delay: 1
pcap_savefile_wait: true
plugins: nfprobe[probe]
nfprobe_receiver: 127.0.0.1:{port}
nfprobe_version: {version}
nfprobe_timeouts: tcp=1:tcp.rst=1:tcp.fin=1:udp=1:icmp=1:general=1:maxlife=2:expint=1
"""
READ_LINE = b"finished reading PCAP capture file"


def nfprobe(pcap: Path, version: int) -> list[bytes]:
    """What pmacctd exports of the packets in ``pcap`` as NetFlow or IPFIX: all of it when it is told to stop."""
    with receiver() as sock:
        configuration, log = pcap.with_name("pmacctd.conf"), pcap.with_name("pmacctd.log")
        configuration.write_text(NFPROBE.format(pcap=pcap, port=sock.getsockname()[1], version=version))
        with log.open("wb") as output:
            process = subprocess.Popen(["pmacctd", "-f", str(configuration)], stdout=output, stderr=output)
        try:
            until = time.monotonic() + FIRST_SECONDS
            while READ_LINE not in log.read_bytes() and time.monotonic() < until:
                time.sleep(0.2)
            time.sleep(1.0)  # its plugin reads what the core has read
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)
        return drain(sock)


def sfprobe(pcap: Path, rate: int = 1) -> list[bytes]:
    """What pmacctd exports of the packets in ``pcap``, in their order.

    The probe sends a datagram when it is full or when a packet comes in after a second has passed: the samples of
    the last packets, less than two datagrams of them, stay in it.
    """
    with receiver() as sock:
        configuration = pcap.with_name("pmacctd.conf")
        port = sock.getsockname()[1]
        configuration.write_text(CONFIGURATION.format(pcap=pcap, port=port, agent=AGENT, rate=rate))
        with pcap.with_name("pmacctd.log").open("wb") as log:
            process = subprocess.Popen(["pmacctd", "-f", str(configuration)], stdout=log, stderr=log)
        try:
            quiet = sock.gettimeout()
            sock.settimeout(FIRST_SECONDS)
            first = sock.recv(65535)
            sock.settimeout(quiet)
            return [first, *drain(sock)]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)
