"""IPv4, IPv6 and what they carry, of many packets at once, into the columns of flows."""

from __future__ import annotations

import numpy as np

from kproxy_tw.decode.packet.front import Front
from kproxy_tw.decode.packet.layouts import (
    AUTHENTICATION,
    EXTENSION_HEADER,
    FLAGS,
    FRAGMENT,
    HAS_PORTS,
    HAS_TYPE_CODE,
    IPV4,
    IPV4_HEADER,
    IPV6,
    IPV6_HEADER,
    IS_EXTENSION,
    PORTS,
    TCP,
    TYPE_CODE,
)
from kproxy_tw.decode.spans import Mask, Octets, Spans, cut, put
from kproxy_tw.flowbatch import FlowBatch

MAX_EXTENSIONS = 8
"""IPv6 extension headers in a row; a packet with more is not read further."""


def read_network(batch: FlowBatch, data: Octets, front: Front) -> Front:
    """Write the columns of the packets at whose front IPv4 or IPv6 stands, and those of their transports.

    :returns: the payloads of IP with their protocols; 0 for those that are cut off, and for later fragments.
    """
    payloads = Front.blank(front.ends)
    _ipv4(batch, data, front.of(IPV4), payloads)
    _ipv6(batch, data, front.of(IPV6), payloads)
    _transport(batch, data, payloads)
    return payloads


def _ipv4(batch: FlowBatch, data: Octets, spans: Spans, payloads: Front) -> None:
    spans = spans.where(spans.with_room(IPV4_HEADER.itemsize))
    if not spans.rows.size:
        return
    header = cut(data, spans.starts, IPV4_HEADER)
    size = (header["version_size"] & 0x0F).astype(np.intp) * 4
    sound = (header["version_size"] >> 4 == 4) & (size >= IPV4_HEADER.itemsize)
    if not sound.all():
        spans, header, size = spans.where(sound), header[sound], size[sound]
    put(batch, "ipv4_src_addr", spans.rows, header["src"])
    put(batch, "ipv4_dst_addr", spans.rows, header["dst"])
    put(batch, "protocol", spans.rows, header["protocol"])
    put(batch, "tos", spans.rows, header["tos"])
    put(batch, "ip_size", spans.rows, header["size"])
    first = header["fragment"] & 0x1FFF == 0
    payloads.move(spans.rows, spans.starts + size, np.where(first, header["protocol"], np.uint8(0)))


def _ipv6(batch: FlowBatch, data: Octets, spans: Spans, payloads: Front) -> None:
    spans = spans.where(spans.with_room(IPV6_HEADER.itemsize))
    if not spans.rows.size:
        return
    header = cut(data, spans.starts, IPV6_HEADER)
    sound = header["class_flow"] >> 28 == 6
    if not sound.all():
        spans, header = spans.where(sound), header[sound]
    put(batch, "ipv6_src_addr", spans.rows, header["src"])
    put(batch, "ipv6_dst_addr", spans.rows, header["dst"])
    put(batch, "tos", spans.rows, header["class_flow"] >> 20 & 0xFF)
    put(batch, "ip_size", spans.rows, header["payload"].astype(np.uint32) + IPV6_HEADER.itemsize)
    spans, upper, first = _extensions(data, spans.moved(IPV6_HEADER.itemsize), header["next"].copy())
    put(batch, "protocol", spans.rows, upper)
    payloads.move(spans.rows, spans.starts, np.where(first, upper, np.uint8(0)))


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


def _transport(batch: FlowBatch, data: Octets, payloads: Front) -> None:
    """Ports, TCP flags; ICMP type * 256 + code as the destination port."""
    protocol = payloads.kinds
    ported = payloads.at(np.flatnonzero(HAS_PORTS[protocol]))
    ported = ported.where(ported.with_room(PORTS.itemsize))
    ports = cut(data, ported.starts, PORTS)
    put(batch, "l4_src_port", ported.rows, ports["src"])
    put(batch, "l4_dst_port", ported.rows, ports["dst"])
    flagged = payloads.of(TCP)
    flagged = flagged.where(flagged.with_room(FLAGS.itemsize))
    put(batch, "tcp_flags", flagged.rows, cut(data, flagged.starts, FLAGS)["flags"])
    icmp = payloads.at(np.flatnonzero(HAS_TYPE_CODE[protocol]))
    icmp = icmp.where(icmp.with_room(TYPE_CODE.itemsize))
    put(batch, "l4_dst_port", icmp.rows, cut(data, icmp.starts, TYPE_CODE)["type_code"])
