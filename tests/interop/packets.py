"""A pcap of made-up conversations, for exporters that read packets: softflowd and pmacctd."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import attrs

ETHERNET = bytes.fromhex("020000000002020000000001")
PCAP_HEADER = struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
TCP, UDP, ICMP = 6, 17, 1


@attrs.frozen
class Conversation:
    """``packets`` packets of one direction, each with ``payload`` bytes behind its transport header."""

    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int
    packets: int
    payload: int


CONVERSATIONS = [
    *(
        Conversation(f"192.0.2.{n}", "198.51.100.1", TCP, 40000 + n, 443, n % 9 + 1, 37 * n % 1300)
        for n in range(1, 80)
    ),
    *(Conversation(f"192.0.2.{n}", "198.51.100.53", UDP, 50000 + n, 53, n % 4 + 1, 20 + n) for n in range(1, 60)),
    *(Conversation(f"2001:db8::{n:x}", "2001:db8:1::1", TCP, 41000 + n, 443, n % 7 + 1, 90) for n in range(1, 30)),
    Conversation("192.0.2.9", "198.51.100.7", ICMP, 0, 0x0800, 5, 56),
]


def answered(conversations: list[Conversation]) -> list[Conversation]:
    """The conversations, and an answer to every second one that has ports, one packet longer."""
    asked = [each for each in conversations if each.protocol in (TCP, UDP)][::2]
    return conversations + [
        attrs.evolve(
            each,
            source=each.destination,
            destination=each.source,
            source_port=each.destination_port,
            destination_port=each.source_port,
            packets=each.packets + 1,
        )
        for each in asked
    ]


def ip_totals(conversations: list[Conversation]) -> tuple[int, int]:
    """Packets, and octets of them from the IP header on: what NetFlow counts."""
    packets = octets = 0
    for each in conversations:
        packets += each.packets
        octets += each.packets * (len(frame(each)) - len(ETHERNET) - 2)
    return packets, octets


def _transport(conversation: Conversation) -> bytes:
    payload = bytes(conversation.payload)
    ports = struct.pack("!HH", conversation.source_port, conversation.destination_port)
    if conversation.protocol == TCP:
        return ports + struct.pack("!IIBBHHH", 1, 1, 0x50, 0x18, 8192, 0, 0) + payload
    if conversation.protocol == UDP:
        return ports + struct.pack("!HH", 8 + len(payload), 0) + payload
    return struct.pack("!HHI", conversation.destination_port, 0, 0) + payload


def _checksum(header: bytes) -> int:
    total = sum(int.from_bytes(header[offset : offset + 2], "big") for offset in range(0, len(header), 2))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def frame(conversation: Conversation) -> bytes:
    """One Ethernet frame of the conversation."""
    body = _transport(conversation)
    source, destination = ip_address(conversation.source), ip_address(conversation.destination)
    if isinstance(source, IPv6Address):
        header = struct.pack("!IHBB", 0x60000000, len(body), conversation.protocol, 64)
        return ETHERNET + b"\x86\xdd" + header + source.packed + destination.packed + body
    assert isinstance(destination, IPv4Address)
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(body), 1, 0, 64, conversation.protocol)
    addresses = source.packed + destination.packed
    check = struct.pack("!H", _checksum(start + b"\0\0" + addresses))
    return ETHERNET + b"\x08\x00" + start + check + addresses + body


def frames(conversations: list[Conversation]) -> Iterator[bytes]:
    """All frames, the conversations' packets mixed."""
    for turn in range(max(conversation.packets for conversation in conversations)):
        for conversation in conversations:
            if turn < conversation.packets:
                yield frame(conversation)


def write_pcap(path: Path, started: float, conversations: list[Conversation]) -> int:
    """Write all frames, a millisecond apart; their number."""
    count = 0
    with path.open("wb") as pcap:
        pcap.write(PCAP_HEADER)
        for data in frames(conversations):
            at = started + count / 1000
            pcap.write(struct.pack("!IIII", int(at), int(at % 1 * 1e6), len(data), len(data)) + data)
            count += 1
    return count
