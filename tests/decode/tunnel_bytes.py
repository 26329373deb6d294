"""Headers between Ethernet and IP, and tunnels, put together byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.decode.packet_bytes import ethernet, icmp, ipv4, ipv6, tcp, udp

OUTER4, OUTER6 = ("203.0.113.1", "203.0.113.2"), ("2001:db8:ffff::1", "2001:db8:ffff::2")


def check_sum(packet: bytes) -> bytes:
    """An IPv4 packet with its header's check sum filled in."""
    size = (packet[0] & 0x0F) * 4
    total = sum(struct.unpack(f"!{size // 2}H", packet[:size]))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return packet[:10] + struct.pack("!H", ~total & 0xFFFF) + packet[12:]


INNER4 = check_sum(ipv4(tcp(1111, 2222, 0x18), 6, src="10.1.1.1", dst="10.2.2.2", tos=0x20))
INNER6 = ipv6(udp(3333, 4444, b"x"), 17, src="fd00::1", dst="fd00::2", traffic_class=0x48)
INNER_FRAME = ethernet(INNER4, 0x0800)
INNER_FRAME6 = ethernet(INNER6, 0x86DD, tags=[(0x8100, 77)])


def outer4(payload: bytes, protocol: int) -> bytes:
    """An Ethernet frame with an IPv4 packet of a tunnel."""
    return ethernet(check_sum(ipv4(payload, protocol, src=OUTER4[0], dst=OUTER4[1], tos=0xB8)), 0x0800)


def outer6(payload: bytes, protocol: int) -> bytes:
    """The same in IPv6."""
    return ethernet(ipv6(payload, protocol, src=OUTER6[0], dst=OUTER6[1], traffic_class=0xB8), 0x86DD)


def label_stack(labels: Sequence[int], payload: bytes) -> bytes:
    """MPLS labels; the last one has the bottom bit."""
    words = [label << 12 | 64 | (0x100 if index == len(labels) - 1 else 0) for index, label in enumerate(labels)]
    return struct.pack(f"!{len(words)}I", *words) + payload


def gre(payload: bytes, kind: int, *, key: int | None = None, checksum: bool = False, sequence: bool = False) -> bytes:
    """A GRE header, version 0."""
    flags = (0x8000 if checksum else 0) | (0x2000 if key is not None else 0) | (0x1000 if sequence else 0)
    options = (bytes(4) if checksum else b"") + (struct.pack("!I", key) if key is not None else b"")
    return struct.pack("!HH", flags, kind) + options + (struct.pack("!I", 9) if sequence else b"") + payload


def pptp(payload: bytes, call: int) -> bytes:
    """A GRE header of PPTP, with sequence and acknowledgement numbers, and PPP behind it."""
    packet = b"\xff\x03\x00\x21" + payload
    return struct.pack("!HHHHII", 0x3081, 0x880B, len(packet), call, 1, 2) + packet


def vxlan(payload: bytes, vni: int, port: int = 4789) -> bytes:
    """UDP and VXLAN."""
    return udp(50505, port, struct.pack("!II", 0x08000000, vni << 8) + payload)


def vxlan_gpe(payload: bytes, vni: int, following: int) -> bytes:
    """UDP and VXLAN-GPE."""
    return udp(50505, 4790, struct.pack("!II", 0x0C000000 | following, vni << 8) + payload)


def geneve(payload: bytes, vni: int, kind: int = 0x6558, options: bytes = b"") -> bytes:
    """UDP and Geneve."""
    return udp(50505, 6081, struct.pack("!BBHI", len(options) // 4, 0, kind, vni << 8) + options + payload)


def gtp(payload: bytes, endpoint: int, *, extension: bool = False) -> bytes:
    """UDP and GTP-U; the extension header is a PDU session container."""
    more = struct.pack("!HBB", 7, 0, 0x85) + bytes([1, 0x10, 9, 0]) if extension else b""
    flags = 0x34 if extension else 0x30
    return udp(2152, 2152, struct.pack("!BBHI", flags, 0xFF, len(more) + len(payload), endpoint) + more + payload)


def segment_routing(upper: int, payload: bytes) -> bytes:
    """An SRv6 routing header with two segments, one of them left (RFC 8754)."""
    segments = bytes.fromhex("20010db8000a0000000000000000000120010db8000b00000000000000000001")
    return struct.pack("!BBBBBBH", upper, 4, 4, 1, 1, 0, 0) + segments + payload


def pseudowire(payload: bytes, label: int) -> bytes:
    """Ethernet over MPLS; the label tells tshark whether there is a control word."""
    return ethernet(label_stack([16, label], payload), 0x8847)


WITH_CONTROL_WORD, WITHOUT_CONTROL_WORD = 20, 21

ERSPAN2 = struct.pack("!HHI", 0x1000 | 100, 0x0007, 5)
ERSPAN3 = struct.pack("!HHIHH", 0x2000 | 100, 0x0009, 1, 0, 0)

LINK_FRAMES: dict[str, bytes] = {
    "plain": ethernet(INNER4, 0x0800),
    "tag": ethernet(INNER4, 0x0800, tags=[(0x8100, 100)]),
    "qinq": ethernet(INNER4, 0x0800, tags=[(0x88A8, 200), (0x8100, 100)]),
    "qinq ipv6": ethernet(INNER6, 0x86DD, tags=[(0x88A8, 200), (0x8100, 100)]),
    "three tags": ethernet(INNER4, 0x0800, tags=[(0x88A8, 200), (0x8100, 100), (0x8100, 50)]),
    "snap": ethernet(b"\xaa\xaa\x03\0\0\0\x08\x00" + INNER4, 8 + len(INNER4)),
    "snap ipv6 in a tag": ethernet(b"\xaa\xaa\x03\0\0\0\x86\xdd" + INNER6, 8 + len(INNER6), tags=[(0x8100, 9)]),
    "mpls": ethernet(label_stack([16], INNER4), 0x8847),
    "mpls 3 labels ipv6": ethernet(label_stack([16, 17, 18], INNER6), 0x8847),
    "mpls explicit null": ethernet(label_stack([300, 0], INNER4), 0x8847),
    "mpls in a tag": ethernet(label_stack([16, 1048575], INNER4), 0x8847, tags=[(0x8100, 5)]),
    "eompls with control word": pseudowire(bytes(4) + INNER_FRAME, WITH_CONTROL_WORD),
    "eompls with sequence numbers": pseudowire(b"\0\0\x45\x11" + INNER_FRAME, WITH_CONTROL_WORD),
    "eompls tagged": pseudowire(bytes(4) + INNER_FRAME6, WITH_CONTROL_WORD),
    "eompls without control word": pseudowire(INNER_FRAME, WITHOUT_CONTROL_WORD),
    "eompls to a MAC like IPv4": pseudowire(b"\x45" + INNER_FRAME[1:], WITHOUT_CONTROL_WORD),
    "eompls to a MAC like IPv6": pseudowire(b"\x60" + INNER_FRAME6[1:], WITHOUT_CONTROL_WORD),
    "eompls to a MAC like a channel": pseudowire(b"\x10" + INNER_FRAME6[1:], WITHOUT_CONTROL_WORD),
    "pppoe": ethernet(b"\x11\0\0\x07" + struct.pack("!H", 2 + len(INNER4)) + b"\0\x21" + INNER4, 0x8864),
    "pppoe ipv6": ethernet(b"\x11\0\0\x07" + struct.pack("!H", 2 + len(INNER6)) + b"\0\x57" + INNER6, 0x8864),
    "backbone": ethernet(b"\0\0\x12\x34" + INNER_FRAME, 0x88E7),
    "options": ethernet(check_sum(ipv4(tcp(7, 9), 6, options=bytes([1] * 40))), 0x0800),
    "extensions": ethernet(ipv6(bytes([60, 0]) + bytes(6) + bytes([17, 1]) + bytes(14) + udp(5, 6), 0), 0x86DD),
    "segment routing": outer6(segment_routing(17, udp(5, 6)), 43),
    "icmp": ethernet(check_sum(ipv4(icmp(8, 0), 1)), 0x0800),
}
"""Frames with one IP packet each."""

TUNNEL_FRAMES: dict[str, tuple[bytes, str, int]] = {
    "ipip": (outer4(INNER4, 4), "ipip", 0),
    "6in4": (outer4(INNER6, 41), "ipip", 0),
    "4in6": (outer6(INNER4, 4), "ipip", 0),
    "6in6": (outer6(INNER6, 41), "ipip", 0),
    "srv6 4": (outer6(segment_routing(4, INNER4), 43), "ipip", 0),
    "srv6 6": (outer6(segment_routing(41, INNER6), 43), "ipip", 0),
    "srv6 ethernet": (outer6(segment_routing(143, INNER_FRAME), 43), "ethernet", 0),
    "gre": (outer4(gre(INNER4, 0x0800), 47), "gre", 0),
    "gre key": (outer4(gre(INNER6, 0x86DD, key=0x01020304), 47), "gre", 0x01020304),
    "gre all": (outer6(gre(INNER4, 0x0800, key=77, checksum=True, sequence=True), 47), "gre", 77),
    "gre ethernet": (outer4(gre(INNER_FRAME, 0x6558, key=0x123400), 47), "gre", 0x123400),
    "gre mpls": (outer4(gre(label_stack([33], INNER4), 0x8847), 47), "gre", 0),
    "pptp": (outer4(pptp(INNER4, 0x55), 47), "gre", 0x55),
    "erspan 2": (outer4(gre(ERSPAN2 + INNER_FRAME, 0x88BE, sequence=True), 47), "gre", 7),
    "erspan 3": (outer4(gre(ERSPAN3 + INNER_FRAME, 0x22EB, sequence=True), 47), "gre", 9),
    "etherip": (outer4(b"\x30\0" + INNER_FRAME, 97), "etherip", 0),
    "mpls in ip": (outer4(label_stack([40], INNER4), 137), "mpls", 0),
    "mpls in udp": (outer4(udp(50505, 6635, label_stack([40], INNER4)), 17), "mpls", 0),
    "vxlan": (outer4(vxlan(INNER_FRAME, 0x123456), 17), "vxlan", 0x123456),
    "vxlan in ipv6": (outer6(vxlan(INNER_FRAME6, 5), 17), "vxlan", 5),
    "vxlan gpe": (outer4(vxlan_gpe(INNER4, 6, 1), 17), "vxlan-gpe", 6),
    "vxlan gpe ethernet": (outer4(vxlan_gpe(INNER_FRAME, 6, 3), 17), "vxlan-gpe", 6),
    "geneve": (outer4(geneve(INNER_FRAME, 8), 17), "geneve", 8),
    "geneve options": (outer4(geneve(INNER_FRAME6, 8, options=bytes([1, 2, 3, 1, 0, 0, 0, 0])), 17), "geneve", 8),
    "geneve ip": (outer6(geneve(INNER4, 8, 0x0800), 17), "geneve", 8),
    "gtp": (outer4(gtp(INNER4, 0xDEADBEEF), 17), "gtp-u", 0xDEADBEEF),
    "gtp extension": (outer4(gtp(INNER6, 3, extension=True), 17), "gtp-u", 3),
    "lisp": (outer4(udp(50505, 4341, struct.pack("!II", 0x08000000, 9 << 8) + INNER4), 17), "lisp", 9),
}
"""Frames with a packet in another: the frame, the tunnel's name, its number."""

NESTED_FRAMES: dict[str, bytes] = {
    "gtp in vxlan": outer4(vxlan(ethernet(check_sum(ipv4(gtp(INNER4, 3), 17)), 0x0800), 5), 17),
    "ipip in gre in ipip": outer4(check_sum(ipv4(gre(check_sum(ipv4(INNER4, 4)), 0x0800), 47)), 4),
}
