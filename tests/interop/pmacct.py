"""pmacctd's sFlow probe as a process: a pcap in, sFlow datagrams out."""

from __future__ import annotations

import signal
import subprocess
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
