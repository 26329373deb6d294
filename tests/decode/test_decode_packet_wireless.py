"""IEEE 802.11 frames: tshark reads the same addresses and packets in them as we do."""

from __future__ import annotations

import struct
import subprocess
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from kproxy_tw.decode.packet.parse import parse_headers
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import needs_tshark
from tests.decode.tunnel_bytes import INNER4, INNER6

WIRELESS, SUBFRAME = 15, 17
DLT_IEEE802_11 = 105
A1, A2, A3, A4 = (bytes([2, 0, 0, 0, 0, number]) for number in (1, 2, 3, 4))
SNAP4, SNAP6 = bytes.fromhex("aaaa030000000800"), bytes.fromhex("aaaa0300000086dd")
SUBFRAME_HEADER = A4 + A2 + struct.pack("!H", 8 + len(INNER4))

NUMBERS = count(1)
"""Of frames, for a program that leaves out what comes twice."""


def frame(
    payload: bytes, *, subtype: int = 0, flags: int = 0, fourth: bytes = b"", qos: bytes = b"", ht: bytes = b""
) -> bytes:
    """A data frame."""
    number = struct.pack("<H", next(NUMBERS) << 4)
    return bytes([0x08 | subtype << 4, flags]) + bytes(2) + A1 + A2 + A3 + number + fourth + qos + ht + payload


IPV4_FRAMES = {
    "in a cell": frame(SNAP4 + INNER4),
    "to the access point": frame(SNAP4 + INNER4, flags=1),
    "from the access point": frame(SNAP4 + INNER4, flags=2),
    "between access points": frame(SNAP4 + INNER4, flags=3, fourth=A4),
    "quality of service": frame(SNAP4 + INNER4, subtype=8, flags=1, qos=bytes(2)),
    "quality of service, four addresses": frame(SNAP4 + INNER4, subtype=8, flags=3, fourth=A4, qos=bytes(2)),
    "high throughput": frame(SNAP4 + INNER4, subtype=8, flags=0x81, qos=bytes(2), ht=bytes(4)),
    "an aggregate": frame(SUBFRAME_HEADER + SNAP4 + INNER4, subtype=8, flags=1, qos=b"\x80\0"),
}
SILENT_FRAMES = {
    "encrypted": frame(SNAP4 + INNER4, flags=0x41),
    "without payload": frame(b"", subtype=4, flags=1),
    "a later fragment": frame(SNAP4 + INNER4)[:22] + b"\x01\x00" + SNAP4 + INNER4,
    "management": b"\x80\x00" + frame(SNAP4 + INNER4)[2:],
    "cut off": frame(SNAP4 + INNER4)[:20],
}


def parsed(frames: list[bytes], link: int = WIRELESS) -> FlowBatch:
    """What we read."""
    lengths = np.array([len(each) for each in frames], np.intp)
    data = np.frombuffer(b"".join(frames), np.uint8)
    return parse_headers(data, np.cumsum(lengths) - lengths, lengths, np.full(len(frames), link, np.uint32))


def mac(value: int) -> str:
    """An address as tshark writes it."""
    return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))


@needs_tshark
def test_tshark_reads_the_same(tmp_path: Path) -> None:
    """Source, destination, IP addresses and port, in every kind of frame; of an aggregate those of its part."""
    frames = list(IPV4_FRAMES.values())
    path = tmp_path / "wireless.pcap"
    packets = (struct.pack("<IIII", 0, 0, len(each), len(each)) + each for each in frames)
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, DLT_IEEE802_11) + b"".join(packets))
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "occurrence=l", "-E", "separator=|"]
    for field in ("wlan.sa", "wlan.da", "ip.src", "ip.dst", "tcp.dstport"):
        command += ["-e", field]
    told = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout.splitlines()
    batch = parsed(frames)
    ours = [
        f"{mac(int(source))}|{mac(int(destination))}|10.1.1.1|10.2.2.2|2222"
        for source, destination in zip(batch.column("src_eth_mac"), batch.column("dst_eth_mac"), strict=True)
    ]
    assert dict(zip(IPV4_FRAMES, ours, strict=True)) == dict(zip(IPV4_FRAMES, told, strict=True))
    assert set(batch.column("ipv4_src_addr").tolist()) == {0x0A010101}
    assert set(batch.column("l4_dst_port").tolist()) == {2222}


@pytest.mark.parametrize("name", SILENT_FRAMES)
def test_frames_without_anything_to_read(name: str) -> None:
    """No packet is made up."""
    batch = parsed([SILENT_FRAMES[name]])
    assert (batch.column("ipv4_src_addr")[0], batch.column("protocol")[0]) == (0, 0)


def test_ipv6_and_a_subframe_alone() -> None:
    """As sFlow agents send them."""
    assert parsed([frame(SNAP6 + INNER6)]).column("l4_dst_port").tolist() == [4444]
    batch = parsed([SUBFRAME_HEADER + SNAP4 + INNER4, SUBFRAME_HEADER[:10]], SUBFRAME)
    assert batch.column("l4_dst_port").tolist() == [2222, 0]
    assert mac(int(batch.column("src_eth_mac")[0])) == "02:00:00:00:00:02"
