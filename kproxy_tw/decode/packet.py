"""Headers of sampled packets, many at once: Ethernet, 802.1Q, IPv4, IPv6, TCP, UDP, ICMP into columns.

Nothing here loops over packets. Each layer looks at the packets that carry it, checks that its header was captured in
full, copies the headers into one structured array and writes their fields; what was cut off stays zero.

Sources: IEEE 802.3 and 802.1Q; RFC 791, 8200 (extension headers), 4302 (authentication header), 9293, 768, 792, 4443.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.spans import Mask, Octets, Offsets, Spans, cut, put
from kproxy_tw.flowbatch import Column, FlowBatch

ETHERNET = 1
IPV4 = 11
IPV6 = 12
"""What a capture begins with, numbered as sFlow version 5 does (``header_protocol``)."""

MAX_TAGS = 2
MAX_EXTENSIONS = 8
"""Bounds on what a packet may stack: VLAN tags, IPv6 extension headers. A packet with more is not read further."""

TAG_TYPES = (0x8100, 0x88A8, 0x9100, 0x9200)
"""Ethernet types of a VLAN tag: 802.1Q, 802.1ad, and two that were in use before 802.1ad."""

TYPE_IPV4 = 0x0800
TYPE_IPV6 = 0x86DD

ICMP, TCP, UDP, DCCP, FRAGMENT, AUTHENTICATION, ICMPV6, SCTP, UDP_LITE = 1, 6, 17, 33, 44, 51, 58, 132, 136
"""IANA protocol numbers."""

EXTENSIONS = (0, 43, FRAGMENT, AUTHENTICATION, 60, 135)
"""IPv6 extension headers that can be stepped over: hop by hop, routing, these two, destination, mobility."""

ETHERNET_HEADER = np.dtype(
    [("dst_high", ">u2"), ("dst_low", ">u4"), ("src_high", ">u2"), ("src_low", ">u4"), ("type", ">u2")]
)
TAG_HEADER = np.dtype([("control", ">u2"), ("type", ">u2")])
IPV4_HEADER = np.dtype(
    [
        ("version_size", "u1"),
        ("tos", "u1"),
        ("size", ">u2"),
        ("id", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("src", ">u4"),
        ("dst", ">u4"),
    ]
)
IPV6_HEADER = np.dtype(
    [("class_flow", ">u4"), ("payload", ">u2"), ("next", "u1"), ("hops", "u1"), ("src", "u1", 16), ("dst", "u1", 16)]
)
EXTENSION_HEADER = np.dtype([("next", "u1"), ("size", "u1"), ("fragment", ">u2"), ("rest", "u4")])
PORTS = np.dtype([("src", ">u2"), ("dst", ">u2")])
TYPE_CODE = np.dtype([("type_code", ">u2")])
FLAGS = np.dtype([("before", "V13"), ("flags", "u1")])


def _table(numbers: tuple[int, ...]) -> Mask:
    found = np.zeros(256, np.bool_)
    found[list(numbers)] = True
    return found


IS_EXTENSION = _table(EXTENSIONS)
HAS_PORTS = _table((TCP, UDP, DCCP, SCTP, UDP_LITE))
HAS_TYPE_CODE = _table((ICMP, ICMPV6))
"""By protocol number."""


def parse_headers(data: Octets, starts: Offsets, lengths: Offsets, links: npt.NDArray[np.integer]) -> FlowBatch:
    """Parse the captured beginnings of packets; the outermost IP header is the flow.

    Columns: ``src_eth_mac``, ``dst_eth_mac``, ``vlan_in`` (outer tag), addresses, ``protocol``, ``tos``, ``ip_size``
    (octets of the IP packet by its header), ports, ``tcp_flags``; ICMP type * 256 + code is the destination port.
    Only first fragments have ports. Any bytes are taken; there is nothing to raise.

    :param data: contiguous; each packet's capture is ``data[start : start + length]``, and nothing else is read.
    :param starts, lengths: shape ``(n,)``, in bytes.
    :param links: shape ``(n,)``: ``ETHERNET``, ``IPV4`` or ``IPV6``; a packet of another kind gives zeros.
    :returns: a batch of length ``n``.
    """
    batch = FlowBatch(len(starts))
    packets = Spans(np.arange(len(starts)), starts, starts + lengths)
    frames, types = _ethernet(batch, data, packets.where(links == ETHERNET))
    for spans in (frames.where(types == TYPE_IPV4), packets.where(links == IPV4)):
        _ipv4(batch, data, spans)
    for spans in (frames.where(types == TYPE_IPV6), packets.where(links == IPV6)):
        _ipv6(batch, data, spans)
    return batch


def _ethernet(batch: FlowBatch, data: Octets, spans: Spans) -> tuple[Spans, Offsets]:
    """Addresses and tags; gives the payloads and their Ethernet types."""
    spans = spans.where(spans.with_room(ETHERNET_HEADER.itemsize))
    header = cut(data, spans.starts, ETHERNET_HEADER)
    put(batch, "dst_eth_mac", spans.rows, _mac(header["dst_high"], header["dst_low"]))
    put(batch, "src_eth_mac", spans.rows, _mac(header["src_high"], header["src_low"]))
    types = header["type"].astype(np.intp)
    spans = spans.moved(ETHERNET_HEADER.itemsize)
    for depth in range(MAX_TAGS):
        tagged = np.flatnonzero(_is_tag(types) & spans.with_room(TAG_HEADER.itemsize))
        if not tagged.size:
            break
        tag = cut(data, spans.starts[tagged], TAG_HEADER)
        if depth == 0:
            put(batch, "vlan_in", spans.rows[tagged], tag["control"] & 0x0FFF)
        types[tagged] = tag["type"]
        spans = spans.moved_at(tagged, TAG_HEADER.itemsize)
    return spans, types


def _mac(high: Column, low: Column) -> Column:
    return high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)


def _is_tag(types: Offsets) -> Mask:
    found = np.zeros(types.shape, np.bool_)
    for tag in TAG_TYPES:
        found |= types == tag
    return found


def _ipv4(batch: FlowBatch, data: Octets, spans: Spans) -> None:
    spans = spans.where(spans.with_room(IPV4_HEADER.itemsize))
    header = cut(data, spans.starts, IPV4_HEADER)
    size = (header["version_size"] & 0x0F).astype(np.intp) * 4
    sound = (header["version_size"] >> 4 == 4) & (size >= IPV4_HEADER.itemsize)
    spans, header, size = spans.where(sound), header[sound], size[sound]
    put(batch, "ipv4_src_addr", spans.rows, header["src"])
    put(batch, "ipv4_dst_addr", spans.rows, header["dst"])
    put(batch, "protocol", spans.rows, header["protocol"])
    put(batch, "tos", spans.rows, header["tos"])
    put(batch, "ip_size", spans.rows, header["size"])
    first = header["fragment"] & 0x1FFF == 0
    _transport(batch, data, spans.moved(size).where(first), header["protocol"][first])


def _ipv6(batch: FlowBatch, data: Octets, spans: Spans) -> None:
    spans = spans.where(spans.with_room(IPV6_HEADER.itemsize))
    header = cut(data, spans.starts, IPV6_HEADER)
    sound = header["class_flow"] >> 28 == 6
    spans, header = spans.where(sound), header[sound]
    put(batch, "ipv6_src_addr", spans.rows, header["src"])
    put(batch, "ipv6_dst_addr", spans.rows, header["dst"])
    put(batch, "tos", spans.rows, header["class_flow"] >> 20 & 0xFF)
    put(batch, "ip_size", spans.rows, header["payload"].astype(np.uint32) + IPV6_HEADER.itemsize)
    spans, upper, first = _extensions(data, spans.moved(IPV6_HEADER.itemsize), header["next"].copy())
    put(batch, "protocol", spans.rows, upper)
    _transport(batch, data, spans.where(first), upper[first])


def _extensions(data: Octets, spans: Spans, upper: Octets) -> tuple[Spans, Octets, Mask]:
    """Step over IPv6 extension headers.

    :param upper: what stands at ``spans.starts``; changed in place.
    :returns: the upper layers, their protocols (0 where the capture ends before them), and which are not the later
        fragments of a packet.
    """
    first = np.ones(upper.size, np.bool_)
    for _ in range(MAX_EXTENSIONS):
        here = np.flatnonzero(IS_EXTENSION[upper] & first & spans.with_room(EXTENSION_HEADER.itemsize))
        if not here.size:
            break
        header = cut(data, spans.starts[here], EXTENSION_HEADER)
        kind, units = upper[here], header["size"].astype(np.intp)
        size = np.where(kind == AUTHENTICATION, units * 4 + 8, units * 8 + 8)
        spans = spans.moved_at(here, np.where(kind == FRAGMENT, 8, size))
        first[here] = (kind != FRAGMENT) | (header["fragment"] >> 3 == 0)
        upper[here] = header["next"]
    upper[IS_EXTENSION[upper]] = 0
    return spans, upper, first


def _transport(batch: FlowBatch, data: Octets, spans: Spans, protocol: Octets) -> None:
    ported = spans.where(HAS_PORTS[protocol] & spans.with_room(PORTS.itemsize))
    ports = cut(data, ported.starts, PORTS)
    put(batch, "l4_src_port", ported.rows, ports["src"])
    put(batch, "l4_dst_port", ported.rows, ports["dst"])
    flagged = spans.where((protocol == TCP) & spans.with_room(FLAGS.itemsize))
    put(batch, "tcp_flags", flagged.rows, cut(data, flagged.starts, FLAGS)["flags"])
    icmp = spans.where(HAS_TYPE_CODE[protocol] & spans.with_room(TYPE_CODE.itemsize))
    put(batch, "l4_dst_port", icmp.rows, cut(data, icmp.starts, TYPE_CODE)["type_code"])
