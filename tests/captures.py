"""Captured datagrams of real exporters, and what tshark reads in them.

The captures are not part of the repository; tests that want them are skipped, loudly, where they are absent.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "captures"

needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None, reason="NOT COMPARED WITH TSHARK: the Debian package tshark is not installed"
)


@attrs.frozen
class Session:
    """The datagrams of one exporter, templates first."""

    name: str
    files: tuple[Path, ...]

    def datagrams(self) -> list[bytes]:
        """Their bytes."""
        return [file.read_bytes() for file in self.files]


def sessions(folder: str) -> list[Session]:
    """The exporters of a folder; none when the captures are absent."""
    found: dict[str, list[Path]] = {}
    for file in sorted((CAPTURES / folder).glob("*.dat")):
        found.setdefault(re.sub(r"_(opt)?tpl.*|_data.*|_example.*", "", file.stem), []).append(file)
    return [
        Session(name, tuple(sorted(files, key=lambda file: (not re.search(r"tpl", file.name), file.name))))
        for name, files in found.items()
    ]


def session_params(*folders: str, vendor: str = "") -> list[object]:
    """Sessions for ``parametrize``; one skipped test with the reason when the captures are absent."""
    found = [
        pytest.param(each, id=f"{folder}-{each.name}")
        for folder in folders
        for each in sessions(folder)
        if each.name.startswith(vendor)
    ]
    absent = pytest.mark.skip(reason=f"CAPTURES NOT TESTED: {' and '.join(folders)} are not at {CAPTURES}")
    return list(found) or [pytest.param(Session("absent", ()), marks=absent)]


def write_pcap(path: Path, datagrams: Sequence[bytes], port: int) -> None:
    """Write a pcap file with one IPv4 UDP packet to ``port`` per datagram, all from one address and port."""
    packets = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for second, data in enumerate(datagrams):
        udp = struct.pack("!HHHH", 50000, port, 8 + len(data), 0) + data
        addresses = bytes([192, 0, 2, 1, 192, 0, 2, 2])
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), second, 0, 64, 17, 0) + addresses + udp
        packets.append(struct.pack("<IIII", second, 0, len(ip), len(ip)) + ip)
    path.write_bytes(b"".join(packets))


@attrs.frozen
class SeenFlow:
    """One flow record in tshark's eyes: the first value of each field by its tshark name."""

    fields: dict[str, str]


def tshark_flows(path: Path, datagrams: Sequence[bytes]) -> list[list[SeenFlow]]:
    """The flow records (no options) that tshark decodes, per datagram of one exporter.

    :param path: where the pcap file may be written.
    """
    packets = tshark_packets(path, datagrams)
    options = {
        number
        for title in _titles(packets)
        if (listed := re.search(r"\(Options Template\): ([\d,]+)", title))
        for number in listed[1].split(",")
    }
    return [_flows(packet, options) for packet in packets]


def tshark_packets(path: Path, datagrams: Sequence[bytes]) -> list[ElementTree.Element]:
    """All that tshark decodes of datagrams of one exporter. ``path``: where the pcap file may be written."""
    write_pcap(path, datagrams, 2055)
    command = ["tshark", "-r", str(path), "-d", "udp.port==2055,cflow", "-T", "pdml"]
    output = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return list(ElementTree.fromstring(output).iter("packet"))  # noqa: S314 - made by our own tshark


def _titles(packets: Sequence[ElementTree.Element]) -> list[str]:
    return [field.get("show", "") for packet in packets for field in packet.iter("field")]


def _flows(packet: ElementTree.Element, options: set[str]) -> list[SeenFlow]:
    found = []
    for field in packet.iter("field"):
        title = field.get("show", "")
        if re.match(r"pdu \d+/", title):
            found.append(_seen(field))
        elif (match := re.match(r"(?:FlowSet|Set) \d+ \[id=(\d+)\]", title)) and match[1] not in options:
            found += [_seen(child) for child in field if re.match(r"Flow \d+( \(.*\))?$", child.get("show", ""))]
    return found


def _seen(record: ElementTree.Element) -> SeenFlow:
    fields: dict[str, str] = {}
    for field in record.iter("field"):
        fields.setdefault(field.get("name", ""), field.get("show", ""))
    return SeenFlow(fields)
