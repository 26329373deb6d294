"""What went over a TCP connection, put together from captured packets by their sequence numbers, and hashed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import attrs

from kproxy_tw.testing.processes import Daemon
from tests.interop.bgp_lab import wait
from tests.interop.namespaces import Namespace, executable

PCAP_HEADER, PACKET_HEADER = 24, 16
LINK_ETHERNET, LINK_COOKED, LINK_COOKED_2 = 1, 113, 276
SYN, TCP = 0x02, 6


@contextmanager
def captured(space: Namespace, interface: str, expression: str, path: Path) -> Iterator[Path]:
    """Capture packets in a namespace while the block runs. :raises AssertionError: tcpdump lost some."""
    tcpdump = executable("tcpdump", "/usr/sbin/tcpdump")
    command = [tcpdump, "-i", interface, "-w", str(path), "-B", "65536", "-s", "0", "-U", "-Z", "root", "-n"]
    with Daemon(space.prefix(*command, expression), log=path.with_suffix(".log")) as daemon:
        wait(lambda: "listening on" in daemon.log.read_text(), "tcpdump does not listen", daemon)
        yield path
    assert "\n0 packets dropped by kernel" in daemon.log.read_text()


@attrs.define
class Stream:
    """One direction of one connection. ``source`` and ``target``: address and port."""

    source: tuple[str, int]
    target: tuple[str, int]
    start: int
    parts: dict[int, bytes] = attrs.field(factory=dict, repr=False)

    def data(self) -> bytes:
        """Its bytes from the first on. :raises AssertionError: some in between were not captured."""
        whole = bytearray()
        for offset in sorted(self.parts):
            part = self.parts[offset]
            assert offset <= len(whole), f"bytes {len(whole)} to {offset} were not captured"
            whole += part[len(whole) - offset :]
        return bytes(whole)

    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.data()).hexdigest()


def streams(path: Path) -> list[Stream]:
    """All directions of all connections whose SYN was captured, in the order of their SYNs."""
    found: list[Stream] = []
    latest: dict[tuple[tuple[str, int], tuple[str, int]], Stream] = {}
    for packet in _ip_packets(path.read_bytes()):
        source, target, tcp = _tcp(packet)
        ports = struct.unpack_from("!HHI", tcp)
        ends = (source, ports[0]), (target, ports[1])
        if tcp[13] & SYN:
            if ends not in latest or latest[ends].start != ports[2]:
                latest[ends] = Stream(*ends, ports[2])
                found.append(latest[ends])
        elif ends in latest and len(tcp) > (tcp[12] >> 4) * 4:
            stream = latest[ends]
            offset = (ports[2] - stream.start - 1) % 2**32
            data = tcp[(tcp[12] >> 4) * 4 :]
            if len(data) > len(stream.parts.get(offset, b"")):
                stream.parts[offset] = data
    return found


def _ip_packets(data: bytes) -> Iterator[bytes]:
    (link,) = struct.unpack_from("<I", data, 20)
    skipped = {LINK_ETHERNET: 14, LINK_COOKED: 16, LINK_COOKED_2: 20}[link]
    place = PCAP_HEADER
    while place + PACKET_HEADER <= len(data):
        (size,) = struct.unpack_from("<I", data, place + 8)
        place += PACKET_HEADER
        yield data[place + skipped : place + size]
        place += size


def _tcp(packet: bytes) -> tuple[str, str, bytes]:
    if packet[0] >> 4 == 4:
        total, header = struct.unpack_from("!H", packet, 2)[0], (packet[0] & 15) * 4
        return str(ip_address(packet[12:16])), str(ip_address(packet[16:20])), packet[header : total or len(packet)]
    total = 40 + struct.unpack_from("!H", packet, 4)[0]
    return str(ip_address(packet[8:24])), str(ip_address(packet[24:40])), packet[40:total]
