"""The records of sFlow flow samples, in columns.

One function per kind of record, each over all samples that carry it. ``decode_samples`` calls them in an order that
lets the better source win: the header of the sampled packet before what the agent says of the packet.

Source: sFlow Version 5, section 5, enterprise 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from kproxy_tw.decode.packet.parse import LINKS, guess_links, parse_headers
from kproxy_tw.decode.sflow.extras import wanted_extras
from kproxy_tw.decode.sflow.gateway import read_gateways
from kproxy_tw.decode.sflow.headers import read_sample_headers
from kproxy_tw.decode.sflow.samples import WORD, Samples, find_records
from kproxy_tw.decode.spans import Mask, Octets, Offsets, Spans, Words, put, put_custom
from kproxy_tw.flowbatch import FlowBatch

RAW_HEADER, ETHERNET_FRAME, IPV4_DATA, IPV6_DATA = 1, 2, 3, 4
SWITCH, ROUTER, GATEWAY = 1001, 1002, 1003
KINDS = (RAW_HEADER, ETHERNET_FRAME, IPV4_DATA, IPV6_DATA, SWITCH, ROUTER, GATEWAY)

DECAPSULATIONS = (1027, 1028)
"""``extended_decapsulate_egress`` and ``_ingress``."""

MAX_VLAN = 4095

ADDRESS_WORDS = {0: 0, 1: 1, 2: 4}
"""Address type (unknown, IPv4, IPv6) to the words behind it."""

MASKS4 = np.array([0xFFFFFFFF << (32 - size) & 0xFFFFFFFF for size in range(33)], np.uint32)
MASKS6 = np.packbits(np.arange(128) < np.arange(129)[:, None], axis=1)
"""By prefix length: the mask as a number, the mask as 16 bytes."""


def decode_samples(samples: Samples, *, decap: bool = False, wanted: Collection[str] = frozenset()) -> FlowBatch:
    """All columns of some samples; damaged records leave zeros.

    :param decap: of a packet in a tunnel, the inner one is the flow.
    :param wanted: folded names of custom columns.
    """
    batch = read_sample_headers(samples, wanted)
    extras = wanted_extras(wanted)
    found = find_records(samples, {*KINDS, *extras, *(DECAPSULATIONS if decap else ())})
    parsed = np.zeros(batch.length, np.bool_)
    if RAW_HEADER in found:
        inner = _inner_offsets(samples, found) if decap else None
        parsed[_read_raw_headers(batch, samples, found[RAW_HEADER], inner, wanted)] = True
    for kind, read in FALLBACKS.items():
        if kind in found:
            read(batch, samples, found[kind].where(~parsed[found[kind].rows]))
    for kind, read in EXTENSIONS.items():
        if kind in found:
            read(batch, samples, found[kind])
    for kind, extra in extras.items():
        if kind in found:
            extra.read(batch, samples, found[kind], wanted)
    return batch


def _fields(samples: Samples, spans: Spans, size: int) -> tuple[Spans, Words]:
    """The first ``size`` words of each record that has as many, shape ``(n, size)``, and which those are."""
    spans = spans.where(spans.with_room(size))
    return spans, samples.words[spans.starts[:, None] + np.arange(size)]


def _address(words: Words) -> Octets:
    """Shape ``(n, 4)`` words to ``(n, 16)`` bytes."""
    return np.ascontiguousarray(words, ">u4").view(np.uint8)


def _put_size(batch: FlowBatch, rows: Offsets, sizes: Words) -> None:
    """The packet's size, where no better source has told it."""
    open_ = batch.columns["in_bytes"][rows] == 0
    put(batch, "in_bytes", rows[open_], sizes[open_])
    put(batch, "sampled_packet_size", rows[open_], sizes[open_])


def _inner_offsets(samples: Samples, found: Mapping[int, Spans]) -> Offsets:
    """``extended_decapsulate``: where in the sampled header the agent says that the inner one begins; 0 for nowhere."""
    offsets = np.zeros(len(samples.starts), np.intp)
    for kind in DECAPSULATIONS:
        if kind in found:
            spans, fields = _fields(samples, found[kind], 1)
            offsets[spans.rows] = fields[:, 0]
    return offsets


def _read_raw_headers(
    batch: FlowBatch, samples: Samples, spans: Spans, inner: Offsets | None, wanted: Collection[str]
) -> Offsets:
    """``sampled_header``: link protocol, frame length, bytes stripped, header; gives the rows that were parsed."""
    spans, fields = _fields(samples, spans, 4)
    links, frame, captured = fields[:, 0], fields[:, 1], fields[:, 3].astype(np.intp)
    captured = np.minimum(captured, (spans.ends - spans.starts - 4) * WORD)
    _put_size(batch, spans.rows, frame)
    put(batch, "header_len", spans.rows, captured)
    octets, starts = samples.octets, (spans.starts + 4) * WORD
    packets = Spans(spans.rows, starts, starts + captured)
    if inner is not None:
        packets, links = _moved_in(octets, packets, links, inner[spans.rows])
    flows = parse_headers(
        octets, packets.starts, packets.ends - packets.starts, links, decap=inner is not None, wanted=wanted
    )
    for name, values in flows.columns.items():
        put(batch, name, spans.rows, values)
    for name, values in flows.custom.items():
        put_custom(batch, name, spans.rows, values)
    return spans.rows[np.isin(links, LINKS)]


def _moved_in(octets: Octets, packets: Spans, links: Words, inner: Offsets) -> tuple[Spans, Words]:
    """Begin at the inner header where the agent says where it is."""
    rows = np.flatnonzero((inner > 0) & (packets.starts + inner < packets.ends))
    if not rows.size:
        return packets, links
    packets = packets.moved_at(rows, inner[rows])
    links = links.copy()
    links[rows] = guess_links(octets, Spans(rows, packets.starts[rows], packets.ends[rows]))
    return packets, links


def _read_ethernet_frames(batch: FlowBatch, samples: Samples, spans: Spans) -> None:
    """``sampled_ethernet``: length, source and destination address (6 bytes and 2 of padding), type."""
    spans, fields = _fields(samples, spans, 6)
    wide = fields.astype(np.uint64)
    _put_size(batch, spans.rows, fields[:, 0])
    put(batch, "src_eth_mac", spans.rows, wide[:, 1] << 16 | wide[:, 2] >> 16)
    put(batch, "dst_eth_mac", spans.rows, wide[:, 3] << 16 | wide[:, 4] >> 16)


def _read_ipv4(batch: FlowBatch, samples: Samples, spans: Spans) -> None:
    """``sampled_ipv4``: length, protocol, addresses, ports, TCP flags, TOS."""
    spans, fields = _fields(samples, spans, 8)
    put(batch, "ipv4_src_addr", spans.rows, fields[:, 2])
    put(batch, "ipv4_dst_addr", spans.rows, fields[:, 3])
    _put_ip(batch, spans.rows, fields[:, [0, 1, 4, 5, 6, 7]])


def _read_ipv6(batch: FlowBatch, samples: Samples, spans: Spans) -> None:
    """``sampled_ipv6``: as for IPv4, with wider addresses and the traffic class."""
    spans, fields = _fields(samples, spans, 14)
    put(batch, "ipv6_src_addr", spans.rows, _address(fields[:, 2:6]))
    put(batch, "ipv6_dst_addr", spans.rows, _address(fields[:, 6:10]))
    _put_ip(batch, spans.rows, fields[:, [0, 1, 10, 11, 12, 13]])


def _put_ip(batch: FlowBatch, rows: Offsets, fields: Words) -> None:
    _put_size(batch, rows, fields[:, 0])
    for name, values in zip(
        ("ip_size", "protocol", "l4_src_port", "l4_dst_port", "tcp_flags", "tos"), fields.T, strict=True
    ):
        put(batch, name, rows, values)


def _read_switch(batch: FlowBatch, samples: Samples, spans: Spans) -> None:
    """``extended_switch``: VLAN and priority, in and out; better than the frame's tag, which may be rewritten."""
    spans, fields = _fields(samples, spans, 4)
    for name, vlan in (("vlan_in", fields[:, 0]), ("vlan_out", fields[:, 2])):
        told = (vlan > 0) & (vlan <= MAX_VLAN)
        put(batch, name, spans.rows[told], vlan[told])


def _read_router(batch: FlowBatch, samples: Samples, spans: Spans) -> None:
    """``extended_router``: next hop, prefix lengths of source and destination."""
    spans = spans.where(spans.with_room(1))
    kinds = samples.words[spans.starts]
    for kind, size in ADDRESS_WORDS.items():
        part, fields = _fields(samples, spans.where(kinds == kind), 1 + size + 2)
        if kind == 1:
            put(batch, "ipv4_next_hop", part.rows, fields[:, 1])
        elif kind == 2:
            put(batch, "ipv6_dst_next_hop", part.rows, _address(fields[:, 1:5]))
        for side, sizes in (("src", fields[:, -2]), ("dst", fields[:, -1])):
            _put_prefix(batch, side, part.rows, sizes)


def _put_prefix(batch: FlowBatch, side: str, rows: Offsets, sizes: Words) -> None:
    """Prefix length and prefix of the flow's address on one side; impossible lengths count as 0."""
    address6 = batch.column(f"ipv6_{side}_addr")[rows]
    is6: Mask = np.any(address6, axis=1)
    lengths = np.where(sizes <= np.where(is6, 128, 32), sizes, 0)
    put(batch, f"{side}_route_length", rows, lengths)
    prefix4 = batch.column(f"ipv4_{side}_addr")[rows] & MASKS4[np.minimum(lengths, 32)]
    put(batch, f"{side}_route_prefix", rows[~is6], prefix4[~is6])
    put(batch, f"ipv6_{side}_route_prefix", rows[is6], (address6 & MASKS6[lengths])[is6])


FALLBACKS = {ETHERNET_FRAME: _read_ethernet_frames, IPV4_DATA: _read_ipv4, IPV6_DATA: _read_ipv6}
"""What the agent says of the packet; read where no header was parsed."""

EXTENSIONS = {SWITCH: _read_switch, ROUTER: _read_router, GATEWAY: read_gateways}
"""What the agent adds from its tables; the gateway after the router, whose next hop is the nearer one."""
