"""tshark reads the same packets in crafted frames as we do: the outermost by default, the innermost with ``decap``."""

from __future__ import annotations

import struct
import subprocess
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest

from kproxy_tw.decode.packet.parse import ETHERNET, parse_headers
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import needs_tshark
from tests.decode.tunnel_bytes import LINK_FRAMES, NESTED_FRAMES, TUNNEL_FRAMES, WITH_CONTROL_WORD, WITHOUT_CONTROL_WORD

pytestmark = needs_tshark

FRAMES = {**LINK_FRAMES, **{name: frame for name, (frame, _, _) in TUNNEL_FRAMES.items()}, **NESTED_FRAMES}
FIELDS: tuple[str, ...] = (
    "frame.number",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "udp.srcport",
    "tcp.dstport",
)
FIELDS += (
    "udp.dstport",
    "ip.proto",
    "eth.src",
    "vlan.id",
    "ieee8021ad.id",
    "mpls.label",
    "frame.protocols",
    "ip.dsfield",
    "ipv6.tclass",
)


def shown(path: Path, frames: list[bytes]) -> list[dict[str, list[str]]]:
    """The fields of each frame in tshark's eyes, all occurrences in order."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    data += b"".join(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames)
    path.write_bytes(data)
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-E", "separator=|"]
    command += ["-d", "udp.port==6635,mpls"]
    command += ["-d", f"mpls.label=={WITH_CONTROL_WORD},pwethcw", "-d", f"mpls.label=={WITHOUT_CONTROL_WORD},pwethnocw"]
    for field in FIELDS:
        command += ["-e", field]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout.splitlines()
    return [
        {name: [each for each in text.split(",") if each] for name, text in zip(FIELDS, line.split("|"), strict=True)}
        for line in lines
    ]


def parsed(frames: list[bytes], *, decap: bool) -> FlowBatch:
    """What we read."""
    lengths = np.array([len(frame) for frame in frames], np.intp)
    starts = np.cumsum(lengths) - lengths
    links = np.full(len(frames), ETHERNET, np.uint32)
    data = np.frombuffer(b"".join(frames), np.uint8)
    return parse_headers(data, starts, lengths, links, decap=decap, wanted=frozenset({"tunnelid", "tunneltype"}))


def address(batch: FlowBatch, side: str, row: int) -> str:
    """The flow's address on one side."""
    found = batch.column(f"ipv4_{side}_addr")[row]
    return str(ip_address(int(found)) if found else ip_address(batch.column(f"ipv6_{side}_addr")[row].tobytes()))


def ip_layers(fields: dict[str, list[str]], side: str) -> list[str]:
    """The addresses on one side, from the outside in: tshark lists IPv4 and IPv6 apart, its protocols in order."""
    left = {"ip": list(fields[f"ip.{side}"]), "ipv6": list(fields[f"ipv6.{side}"])}
    protocols = fields["frame.protocols"][0].split(":")
    return [left[name].pop(0) for name in protocols if left.get(name)]


@pytest.mark.parametrize("decap", [False, True], ids=["outer", "inner"])
def test_addresses_and_ports_equal_what_tshark_shows(tmp_path: Path, decap: bool) -> None:
    """Of every kind of frame: addresses, ports, source MAC."""
    names, frames = list(FRAMES), list(FRAMES.values())
    batch = parsed(frames, decap=decap)
    for row, (name, fields) in enumerate(zip(names, shown(tmp_path / "frames.pcap", frames), strict=True)):
        layers = [ip_layers(fields, side) for side in ("src", "dst")]
        at = -1 if decap else 0
        assert [address(batch, side, row) for side in ("src", "dst")] == [found[at] for found in layers], name
        if decap or len(layers[0]) == 1:
            for side in ("src", "dst"):
                ports = fields[f"tcp.{side}port"][-1:] or fields[f"udp.{side}port"][-1:] or ["0"]
                expected = 8 * 256 if (name, side) == ("icmp", "dst") else int(ports[0])
                assert batch.column(f"l4_{side}_port")[row] == expected, name


def test_tags_and_labels_equal_what_tshark_shows(tmp_path: Path) -> None:
    """The outer tag, the tag behind it, and up to three labels."""
    names, frames = list(LINK_FRAMES), list(LINK_FRAMES.values())
    batch = parsed(frames, decap=False)
    zeros = np.zeros(len(frames), np.uint32)
    seen = shown(tmp_path / "frames.pcap", frames)
    for row, (name, fields) in enumerate(zip(names, seen, strict=True)):
        tags = [] if name.startswith("eompls") else [int(text) for text in fields["ieee8021ad.id"] + fields["vlan.id"]]
        found = [int(batch.column("vlan_in")[row]), int(batch.custom["inner_vlan"][row])]
        assert found == [*tags, 0, 0][:2], name
        labels = [int(text) for text in fields["mpls.label"]]
        found = [int(batch.custom.get(f"mpls_label_{depth}", zeros)[row]) for depth in (1, 2, 3)]
        assert found == [*labels, 0, 0, 0][:3], name
    assert sum(len(fields["mpls.label"]) > 2 for fields in seen) == 1
