"""Capture files: what other programs write is read, anything else is an error in words."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.capture.datagrams import Datagram, datagram
from kproxy_tw.capture.files import packets
from kproxy_tw.capture.packets import Packet
from kproxy_tw.capture.plausible import is_flow
from kproxy_tw.errors import MalformedInput
from tests.captures import write_pcap
from tests.decode.netflow_bytes import v9

PAYLOADS = [v9(count=1), b"second", b"x" * 1400]
UDP = struct.pack("!HHHH", 50000, 2055, 8 + 5, 0) + b"hello"
IPV4 = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(UDP), 0, 0, 64, 17, 0) + bytes([192, 0, 2, 1, 192, 0, 2, 2])
IPV6 = struct.pack("!IHBB", 0x60000000, 8 + len(UDP), 0, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
HOP_BY_HOP = bytes([17, 0, 1, 4, 0, 0, 0, 0])
FOUND4 = Datagram(7, "192.0.2.1", 50000, "192.0.2.2", 2055, b"hello")
FOUND6 = Datagram(7, "::1", 50000, "::2", 2055, b"hello")


def read(data: bytes) -> list[Packet]:
    """All packets of a file."""
    return list(packets(io.BufferedReader(io.BytesIO(data))))


def payloads(data: bytes) -> list[bytes]:
    """The UDP payloads of a file."""
    found = [datagram(packet) for packet in read(data)]
    return [each.payload for each in found if isinstance(each, Datagram)]


@pytest.mark.parametrize("form", ["pcap", "nsecpcap", "pcapng"])
def test_files_of_editcap_are_read(form: str, tmp_path: Path) -> None:
    """pcap in micro- and nanoseconds and pcapng, as Wireshark's own program writes them."""
    if shutil.which("editcap") is None:
        pytest.skip("NOT TESTED with Wireshark's files: the Debian package tshark is not installed")
    write_pcap(tmp_path / "in.pcap", PAYLOADS, 2055)
    subprocess.run(["editcap", "-F", form, str(tmp_path / "in.pcap"), str(tmp_path / "out")], check=True)
    data = (tmp_path / "out").read_bytes()
    assert payloads(data) == PAYLOADS
    assert [packet.time_ns for packet in read(data)] == [0, 10**9, 2 * 10**9]
    assert payloads(gzip.compress(data, mtime=0)) == PAYLOADS


def test_both_byte_orders() -> None:
    """A capture of a big-endian machine is the same."""
    for order in "<>":
        head = struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        data = head + struct.pack(f"{order}IIII", 5, 250_000, 3, 9) + b"abc"
        assert read(data) == [Packet(5_250_000_000, 101, b"abc", 9)]


@pytest.mark.parametrize(
    ("link", "data", "expected"),
    [
        (101, IPV4 + UDP, FOUND4),
        (1, bytes(12) + b"\x08\x00" + IPV4 + UDP + bytes(6), FOUND4),
        (1, bytes(12) + b"\x81\x00\x00\x05\x08\x00" + IPV4 + UDP, FOUND4),
        (1, bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x86\xdd" + IPV6 + HOP_BY_HOP + UDP, FOUND6),
        (0, b"\2\0\0\0" + IPV4 + UDP, FOUND4),
        (113, bytes(14) + b"\x08\x00" + IPV4 + UDP, FOUND4),
        (276, b"\x08\x00" + bytes(18) + IPV4 + UDP, FOUND4),
        (1, bytes(12) + b"\x08\x06" + bytes(28), "not IP"),
        (101, IPV4[:6] + b"\x20\x00" + IPV4[8:] + UDP, "IP fragment: not put together"),
        (101, IPV4[:6] + b"\x00\x10" + IPV4[8:] + UDP, "IP fragment: not put together"),
        (101, IPV4[:9] + b"\x06" + IPV4[10:] + UDP, "TCP: not put together"),
        (101, IPV4 + UDP[:-2], "cut off: captured with too small a snapshot length"),
        (105, b"", "link type 105 is not read"),
    ],
)
def test_datagrams_of_every_link_type(link: int, data: bytes, expected: Datagram | str) -> None:
    """Ethernet with tags, raw IP, BSD loopback, both kinds of Linux cooked capture; the rest says why not."""
    assert datagram(Packet(7, link, data, len(data))) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"\xd4\xc3\xb2", "ends in the middle of its first four bytes"),
        (b"GIF89a", "no capture file"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)[:10], "file's header"),
        (
            struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1, 0, 0, 2**31, 0),
            "packet 1 claims 2147483648 bytes",
        ),
        (struct.pack("<III", 0x0A0D0D0A, 2**31, 0x1A2B3C4D), "section's header of 2147483648 bytes"),
        (gzip.compress(b"\xd4\xc3\xb2\xa1" + bytes(40), mtime=0)[:-12], "gzip"),
    ],
)
def test_damaged_files_say_what_is_wrong(data: bytes, words: str) -> None:
    """Sizes are not believed, so nothing large is read."""
    with pytest.raises(MalformedInput, match=words):
        read(data)


@settings(deadline=None)
@given(
    st.sampled_from([b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a", b"\x1f\x8b"]),
    st.binary(max_size=300),
)
def test_any_file_is_read_or_damaged(magic: bytes, rest: bytes) -> None:
    """Nothing else happens."""
    try:
        for packet in read(magic + rest):
            datagram(packet)
    except MalformedInput:
        return


def test_flow_is_known_by_its_header() -> None:
    """Other protocols on any port are not taken for flow."""
    assert all(is_flow(data) for data in (v9(count=1), struct.pack("!HHIIII", 5, 1, 0, 0, 0, 0) + bytes(52)))
    assert not any(is_flow(data) for data in (b"", b"\0\5", b"\0\x0a\0\x10" + bytes(12), b"GET / HTTP/1.1", bytes(60)))
