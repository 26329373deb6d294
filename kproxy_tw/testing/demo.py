"""``make demo``: the whole chain on one machine, with four exporters that send real packets.

Starts kcollect and kproxy, sends NetFlow v5, NetFlow v9, IPFIX and sFlow from four loopback addresses, and at the
end compares what was sent with what the collector stored. ``DEMO_SECONDS=n`` ends it by itself.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import attrs
import numpy as np

from kproxy_tw.testing.exporters import Exporter, IpfixExporter, NetFlow5Exporter, NetFlow9Exporter, SflowExporter
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json
from kproxy_tw.testing.traffic import make_flows

FLOWS_PER_SECOND = 400
"""Of each exporter; well below the cap, so that nothing is thinned and totals are equal."""

SETTLE_SECONDS = 5.0
"""How long the last flows may take to the collector."""


@attrs.define
class Source:
    """One exporter of the demo and what it has sent."""

    device_id: int
    name: str
    address: str
    exporter: Exporter
    flows: int = 0
    packets: int = 0
    bytes: int = 0


def sources(now: float) -> list[Source]:
    """The four exporters."""
    kinds: list[tuple[str, Exporter]] = [
        ("netflow5", NetFlow5Exporter(now)),
        ("netflow9", NetFlow9Exporter(now)),
        ("ipfix", IpfixExporter(now)),
        ("sflow", SflowExporter(now)),
    ]
    return [
        Source(101 + index, f"demo_{kind}", f"127.0.0.{11 + index}", exporter)
        for index, (kind, exporter) in enumerate(kinds)
    ]


def device_file(directory: Path, all_sources: list[Source]) -> Path:
    """What kcollect is to know: one device for each exporter."""
    path = directory / "devices.json"
    devices = [
        {
            "id": str(source.device_id),
            "company_id": "1",
            "device_name": source.name,
            "device_type": "router",
            "device_sample_rate": "1",
            "sending_ips": [source.address],
        }
        for source in all_sources
    ]
    path.write_text(json.dumps({"devices": devices}))
    return path


def send_second(all_sources: list[Source], sockets: list[socket.socket], random: np.random.Generator) -> None:
    """One second of traffic of every exporter."""
    for source, sock in zip(all_sources, sockets, strict=True):
        size = source.exporter.flows_per_datagram
        flows = make_flows(FLOWS_PER_SECOND // size * size, random)
        for first in range(0, len(flows), size):
            part = flows[first : first + size]
            sock.send(source.exporter.datagram(part, time.time()))
            count_sent(source, part["packets"], part["bytes"])


def count_sent(source: Source, packets: np.ndarray, octets: np.ndarray) -> None:
    """Keep the books of what went out; an sFlow sample stands for one packet."""
    source.flows += len(packets)
    if isinstance(source.exporter, SflowExporter):
        source.packets += len(packets)
        source.bytes += int((octets // packets).sum())
    else:
        source.packets += int(packets.sum())
        source.bytes += int(octets.sum())


def stored(collector_port: int) -> dict[int, tuple[int, int, int]]:
    """Device id to flows, packets and bytes in the collector."""
    rows = get_json(collector_port, "/totals")["Devices"]
    return {int(row["DeviceID"]): (row["Flows"], row["InPkts"], row["InBytes"]) for row in rows}


def summary(all_sources: list[Source], collector_port: int) -> bool:
    """Print sent against stored; whether they are equal."""
    until = time.monotonic() + SETTLE_SECONDS
    expected = {source.device_id: (source.flows, source.packets, source.bytes) for source in all_sources}
    while (found := stored(collector_port)) != expected and time.monotonic() < until:
        time.sleep(0.2)
    print(f"\n{'device':<16}{'':>8}{'flows':>12}{'packets':>14}{'bytes':>18}")
    for source in all_sources:
        for label, row in (("sent", expected[source.device_id]), ("stored", found.get(source.device_id, (0, 0, 0)))):
            print(f"{source.name if label == 'sent' else '':<16}{label:>8}{row[0]:>12,}{row[1]:>14,}{row[2]:>18,}")
    print("\nEverything that was sent is in the store." if found == expected else "\nSent and stored differ.")
    return found == expected and sum(flows for flows, _packets, _bytes in found.values()) > 0


def traffic(all_sources: list[Source], flow_port: int, seconds: float) -> None:
    """Send until the time is over or Ctrl-C, with a line of progress."""
    random = np.random.default_rng()
    sockets = []
    for source in all_sources:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((source.address, 0))
        sock.connect(("127.0.0.1", flow_port))
        sockets.append(sock)
    started = time.monotonic()
    try:
        while time.monotonic() - started < seconds:
            send_second(all_sources, sockets, random)
            sent = sum(source.flows for source in all_sources)
            print(f"\r{time.monotonic() - started:6.0f} s  {sent:>10,} flows sent ", end="", flush=True)
            time.sleep(1.0)
    except KeyboardInterrupt:
        pass
    finally:
        for sock in sockets:
            sock.close()


def run(directory: Path, seconds: float) -> bool:
    """The demo; whether all flows arrived."""
    all_sources = sources(time.time())
    credentials = {"KENTIK_API_EMAIL": "demo@example.com", "KENTIK_API_TOKEN": secrets.token_hex(16)}
    flow_port, collector_port = free_port_pair(), free_port()
    collector = Daemon(
        [
            "kcollect",
            f"-listen=127.0.0.1:{collector_port}",
            f"-data={directory / 'collector'}",
            f"-devices={device_file(directory, all_sources)}",
        ],
        log=directory / "kcollect.log",
        apart=True,
    )
    proxy = Daemon(
        [
            "kproxy",
            "-host=127.0.0.1",
            f"-port={flow_port}",
            f"-api=http://127.0.0.1:{collector_port}/api/internal",
            f"-state_dir={directory / 'state'}",
        ],
        log=directory / "kproxy.log",
        environment=credentials,
        apart=True,
    )
    with collector:
        collector.wait_until_ready(collector_port)
        with proxy:
            proxy.wait_until_ready(flow_port + 1)
            print(f"kproxy    http://127.0.0.1:{flow_port + 1}/    flow on udp 127.0.0.1:{flow_port}")
            print(f"kcollect  http://127.0.0.1:{collector_port}/")
            print(f"logs      {directory}\n" + ("" if seconds < float("inf") else "Ctrl-C ends the demo.\n"))
            traffic(all_sources, flow_port, seconds)
            return summary(all_sources, collector_port)


def main() -> int:
    """Run the demo; 0 when all flows arrived."""
    # The daemons do not hear what ends the demo; the demo ends them.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    seconds = float(os.environ.get("DEMO_SECONDS") or "inf")
    with tempfile.TemporaryDirectory(prefix="kproxy-demo-") as directory:
        return 0 if run(Path(directory), seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
