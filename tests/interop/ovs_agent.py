"""Open vSwitch with its userspace datapath in a network namespace of its own, as an sFlow agent.

Run as ``unshare -n python -m tests.interop.ovs_agent DIRECTORY``: one bridge forwards frames between two ports,
another takes them out of a VXLAN tunnel; both sample every packet. Leaves ``datagrams`` (each with its length in front)
and ``report.json`` with what Open vSwitch itself has counted.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import attrs

from tests.decode.packet_bytes import ethernet, ipv4, udp
from tests.decode.tunnel_bytes import check_sum

NO_IPV6 = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
"""Of this namespace: nothing is sent by itself."""

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
TUNNEL_MAC = bytes.fromhex("020000000077")
FRAMES = 60
SECONDS = 4.0
PAYLOAD = 400
TUNNEL_SOURCE, TUNNEL_END, TUNNEL_KEY = "10.9.9.1", "10.9.9.2", 7777
FIRST_PORT, TUNNEL_FIRST_PORT = 2000, 3000
PORTS = (("br0", "a0"), ("br0", "b0"), ("br1", "c0"), ("under", "d0"))
"""Bridges and their ports."""


@attrs.frozen
class Report:
    """What was sent, and what Open vSwitch counted: port to its statistics, and to its ifIndex."""

    sent: int
    statistics: dict[str, dict[str, int]]
    indices: dict[str, int]
    datagrams: list[bytes]


def run(directory: Path) -> Report:
    """Let it run for some seconds."""
    command = ["unshare", "-n", sys.executable, "-m", "tests.interop.ovs_agent", str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=Path(__file__).parents[2])
    raw, datagrams, position = (directory / "datagrams").read_bytes(), [], 0
    while position < len(raw):
        (size,) = struct.unpack_from("!I", raw, position)
        datagrams.append(raw[position + 4 : position + 4 + size])
        position += 4 + size
    return Report(**json.loads((directory / "report.json").read_text()), datagrams=datagrams)


def frame(number: int, first_port: int) -> bytes:
    """The frame that is sent as the ``number``-th; its source port tells which one it is."""
    return ethernet(ipv4(udp(first_port + number, 53, bytes(PAYLOAD)), 17), 0x0800)


def tunneled(inner: bytes) -> bytes:
    """The frame as it comes through the tunnel."""
    header = struct.pack("!II", 0x08000000, TUNNEL_KEY << 8)
    packet = check_sum(ipv4(udp(55555, 4789, header + inner), 17, src=TUNNEL_END, dst=TUNNEL_SOURCE))
    return TUNNEL_MAC + ethernet(packet, 0x0800)[6:]


class _Switch:
    """The two daemons, and what is told to them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._database = f"unix:{directory}/db.sock"
        self._environment = {**os.environ, "OVS_RUNDIR": str(directory), "OVS_LOGDIR": str(directory)}

    def call(self, *command: str) -> str:
        """Run a program."""
        ended = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=20, env=self._environment, cwd=self._directory
        )
        return ended.stdout

    def configure(self, text: str) -> str:
        """``ovs-vsctl``."""
        return self.call("ovs-vsctl", f"--db={self._database}", "--timeout=15", *text.split())

    def start(self) -> None:
        """Start both."""
        here = self._directory
        detached = ("--detach", "--no-chdir", f"--log-file={here}/log")
        self.call("ovsdb-tool", "create", f"{here}/conf.db", str(SCHEMA))
        database = ("ovsdb-server", f"{here}/conf.db", f"--remote=p{self._database}", f"--pidfile={here}/db.pid")
        self.call(*database, *detached)
        self.configure("--no-wait init")
        switch = (
            "ovs-vswitchd",
            self._database,
            "--disable-system",
            f"--pidfile={here}/vs.pid",
            f"--unixctl={here}/ctl",
        )
        self.call(*switch, *detached)

    def stop(self) -> None:
        """Stop both."""
        for name in ("vs.pid", "db.pid"):
            path = self._directory / name
            if path.exists():
                os.kill(int(path.read_text()), 15)

    def build(self) -> None:
        """Bridges, ports, tunnel, sFlow."""
        for _bridge, name in PORTS:
            self.call("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}x")
            self.call("ip", "link", "set", name, "up")
            self.call("ip", "link", "set", f"{name}x", "up")
        for bridge in ("br0", "br1", "under"):
            self.configure(f"add-br {bridge} -- set bridge {bridge} datapath_type=netdev")
        for bridge, port in PORTS:
            self.configure(f"add-port {bridge} {port}")
        self._tunnel()
        settings = 'agent=lo target="127.0.0.1:6343" sampling=1 polling=1 header=128'
        for bridge in ("br0", "br1"):
            self.configure(f"-- --id=@s create sFlow {settings} -- set bridge {bridge} sflow=@s")

    def _tunnel(self) -> None:
        self.configure(f'set bridge under other_config:hwaddr="{TUNNEL_MAC.hex(":")}"')
        self.call("ip", "addr", "add", f"{TUNNEL_SOURCE}/24", "dev", "under")
        self.call("ip", "link", "set", "under", "up")
        settings = f"type=vxlan options:remote_ip={TUNNEL_END} options:key={TUNNEL_KEY}"
        self.configure(f"add-port br1 vx0 -- set interface vx0 {settings}")
        self.call("ovs-appctl", "-t", f"{self._directory}/ctl", "ovs/route/add", f"{TUNNEL_END}/24", "under")

    def statistics(self, bridge: str, port: str) -> dict[str, int]:
        """What it has counted on a port by now: ``rx_bytes``, ``tx_pkts`` and so on."""
        text = self.call("ovs-ofctl", "dump-ports", f"unix:{self._directory}/{bridge}.mgmt", port)
        found: dict[str, int] = {}
        for way, figures in re.findall(r"(rx|tx) (.*)", text):
            found |= {f"{way}_{name}": int(value) for name, value in re.findall(r"(\w+)=(\d+)", figures)}
        return found

    def index(self, port: str) -> int:
        """The port's ifIndex."""
        return int(self.configure(f"get interface {port} ifindex"))


def main(directory: Path) -> None:
    """Start, send, collect, report."""
    switch = _Switch(directory)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        NO_IPV6.write_text("1")
        receiver.bind(("127.0.0.1", 6343))
        switch.start()
        switch.build()
        datagrams = _send_and_collect(receiver)
        report = {
            "sent": FRAMES,
            "statistics": {port: switch.statistics(bridge, port) for bridge, port in PORTS},
            "indices": {port: switch.index(port) for _bridge, port in PORTS},
        }
    finally:
        switch.stop()
    (directory / "datagrams").write_bytes(b"".join(struct.pack("!I", len(data)) + data for data in datagrams))
    (directory / "report.json").write_text(json.dumps(report))


def _send_and_collect(receiver: socket.socket) -> list[bytes]:
    senders = []
    for name in ("a0x", "d0x"):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sender.bind((name, 0))
        senders.append(sender)
    for number in range(FRAMES):
        senders[0].send(frame(number, FIRST_PORT))
        senders[1].send(tunneled(frame(number, TUNNEL_FIRST_PORT)))
        time.sleep(0.02)
    datagrams, until = [], time.monotonic() + SECONDS
    receiver.settimeout(0.2)
    while time.monotonic() < until:
        try:
            datagrams.append(receiver.recv(65535))
        except TimeoutError:
            continue
    return datagrams


if __name__ == "__main__":
    main(Path(sys.argv[1]))
