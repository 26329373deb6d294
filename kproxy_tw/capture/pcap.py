"""The pcap format (draft-ietf-opsawg-pcap): a header, and packets with 16 bytes in front of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal

from kproxy_tw.capture.packets import MAX_PACKET, Packet, at_end, read_exactly
from kproxy_tw.errors import MalformedInput

Order = Literal["big", "little"]

MAGICS: dict[bytes, tuple[Order, int]] = {
    b"\xa1\xb2\xc3\xd4": ("big", 1000),
    b"\xd4\xc3\xb2\xa1": ("little", 1000),
    b"\xa1\xb2\x3c\x4d": ("big", 1),
    b"\x4d\x3c\xb2\xa1": ("little", 1),
}
"""First bytes: byte order, and nanoseconds in the smaller unit of its times."""

LINK_BITS = 0x0FFFFFFF
"""Of the link type; the others tell of check sums at the end of frames."""

NANO = 10**9


def pcap_packets(file: BinaryIO, magic: bytes) -> Iterator[Packet]:
    """The packets behind the first four bytes. :raises MalformedInput: no pcap, or a damaged one."""
    if magic not in MAGICS:
        raise MalformedInput(f"no capture file: it begins with {magic.hex(' ')}; pcap, pcapng and .dat are read")
    order, unit = MAGICS[magic]
    link = int.from_bytes(read_exactly(file, 20, "the file's header")[16:20], order) & LINK_BITS
    number = 0
    while not at_end(file):
        number += 1
        head = read_exactly(file, 16, f"the header of packet {number}")
        seconds, fraction, captured, length = (
            int.from_bytes(head[place : place + 4], order) for place in range(0, 16, 4)
        )
        if captured > MAX_PACKET:
            raise MalformedInput(f"packet {number} claims {captured} bytes: the file is damaged there")
        data = read_exactly(file, captured, f"packet {number}")
        yield Packet(seconds * NANO + fraction * unit, link, data, length)
