"""Good inputs for each parser, so that a fuzzer begins behind the version word."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from kproxy_tw.listen.proxyheader import SIGNATURE
from kproxy_tw.testing.exporters import (
    Exporter,
    IpfixExporter,
    NetFlow5Exporter,
    NetFlow9Exporter,
    SflowExporter,
)
from kproxy_tw.testing.traffic import make_flows
from tests.decode.netflow_bytes import a_set, ipfix, ipfix_options, template, v9, v9_options
from tests.decode.sflow_datagrams import (
    counters,
    discarded_sample,
    expanded_sample,
    flow_sample,
    gateway,
    opaque,
    raw_header,
    router,
    switch,
    text,
    words,
)
from tests.decode.sflow_datagrams import datagram as sflow_datagram
from tests.decode.test_decode_legacy import VERSION_1, VERSION_7, v1, v7
from tests.decode.test_decode_packet_wireless import IPV4_FRAMES
from tests.decode.tunnel_bytes import LINK_FRAMES, TUNNEL_FRAMES
from tests.interop.packets import CONVERSATIONS, frames

NOW = 1_790_000_000.0


def exported(exporter: Exporter, prefix: int) -> Iterator[bytes]:
    """Two datagrams without the bytes that the target puts in front."""
    random = np.random.default_rng(3)
    for flows in (1, 3):
        yield exporter.datagram(make_flows(flows, random), NOW)[prefix:]


def v9_seeds() -> Iterator[bytes]:
    """Templates, options, records of them."""
    yield from exported(NetFlow9Exporter(NOW), 2)
    options = a_set(1, v9_options(257, [(1, 4)], [(48, 2), (50, 4)])) + a_set(257, bytes(range(12)))
    yield v9(options, a_set(0, template(256, (8, 4), (12, 4), (48, 2), (1, 8))), a_set(256, bytes(range(36))))[2:]


def ipfix_seeds() -> Iterator[bytes]:
    """Variable lengths, enterprise and reverse elements, packet sections, options, a withdrawal."""
    yield from exported(IpfixExporter(NOW), 2)
    fields = ((8, 4), (12, 4), (96, 65535), (1, 8), (1, 8, 29305), (2, 4), (2, 4, 29305), (100, 65535, 5951))
    record = bytes(range(8)) + b"\3abc" + bytes(range(24)) + b"\xff\0\2xy"
    yield ipfix(a_set(2, template(256, *fields)), a_set(256, record * 2))[2:]
    section = next(frames(CONVERSATIONS))[:60]
    yield ipfix(a_set(2, template(258, (315, 65535))), a_set(258, bytes([len(section)]) + section))[2:]
    described = ipfix_options(300, [(149, 4)], [(302, 8), (305, 4), (306, 4)])
    yield ipfix(a_set(3, described), a_set(300, bytes(range(20))), a_set(2, struct.pack("!HH", 256, 0)))[2:]


def sflow_seeds() -> Iterator[bytes]:
    """What our exporter sends, and a datagram with every kind of sample and most kinds of records."""
    yield from exported(SflowExporter(NOW), 4)
    frame = raw_header(TUNNEL_FRAMES["vxlan"][0])
    routed = flow_sample(
        frame, switch(1, 2), router("192.0.2.7", 24, 16), gateway("192.0.2.8", 1, 2, 3, [(2, [4, 5])], [6])
    )
    extras = expanded_sample(
        frame, *(opaque(kind, words(1, 1, 0x61626364, 1, 1, 1)) for kind in (1004, 1005, 1006, 1007))
    )
    counted = counters(opaque(1, bytes(88)), opaque(1005, text(b"eth1")), opaque(2003, bytes(68)))
    yield sflow_datagram(routed, extras, counted, discarded_sample(frame, reason=258))[4:]


def packet_seeds() -> Iterator[bytes]:
    """Plain packets, links and tunnels of every kind."""
    yield from (frame[:128] for frame in list(frames(CONVERSATIONS))[::40])
    yield from LINK_FRAMES.values()
    yield from IPV4_FRAMES.values()
    yield from (frame for frame, _name, _number in TUNNEL_FRAMES.values())


def framing_seeds() -> Iterator[bytes]:
    """Two messages."""
    message = ipfix(a_set(2, template(256, (8, 4), (12, 4))), a_set(256, bytes(16)))
    yield message * 2


def capture_seeds() -> Iterator[bytes]:
    """A pcap and a pcapng file of one packet."""
    frame = next(frames(CONVERSATIONS))
    packet = struct.pack("<IIII", int(NOW), 5, len(frame), len(frame)) + frame
    yield struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + packet
    body = struct.pack("<IIIII", 0, 0, 5, len(frame), len(frame)) + frame + bytes(-len(frame) % 4)
    size = 12 + len(body)
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    interface = struct.pack("<IIHHIHHBBBBII", 1, 32, 1, 0, 65535, 9, 1, 9, 0, 0, 0, 0, 32)
    yield section + interface + struct.pack("<II", 6, size) + body + struct.pack("<I", size)


def outline_seeds() -> Iterator[bytes]:
    """Whole datagrams of every kind."""
    for prefix, inputs in VERSIONS.items():
        yield from (prefix + data for data in inputs())


def proxied_seeds() -> Iterator[bytes]:
    """Headers with addresses of both kinds, with a type-length-value behind, and of the balancer itself."""
    for command, family, rest in ((1, 0x12, bytes(12)), (1, 0x22, bytes(36)), (1, 0x12, bytes(19)), (0, 0, b"")):
        yield SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(rest)) + rest + b"payload"


VERSIONS: Mapping[bytes, Callable[[], Iterator[bytes]]] = {
    b"\x00\x05": lambda: exported(NetFlow5Exporter(NOW), 2),
    b"\x00\x09": v9_seeds,
    b"\x00\x0a": ipfix_seeds,
    b"\x00\x00\x00\x05": sflow_seeds,
}

SEEDS: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "netflow1": lambda: iter([v1(VERSION_1)[2:], v1(VERSION_1, VERSION_1)[2:]]),
    "netflow7": lambda: iter([v7(VERSION_7)[2:], v7(VERSION_7, VERSION_7)[2:]]),
    "netflow5": lambda: exported(NetFlow5Exporter(NOW), 2),
    "netflow9": v9_seeds,
    "ipfix": ipfix_seeds,
    "sflow": sflow_seeds,
    "packets": packet_seeds,
    "framing": framing_seeds,
    "captures": capture_seeds,
    "outlines": outline_seeds,
    "proxied": proxied_seeds,
}
