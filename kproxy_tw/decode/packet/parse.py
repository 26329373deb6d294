"""Headers of sampled packets, many at once, into the columns of flows.

Nothing here loops over packets. ``link`` brings every packet to its IP header, ``ip`` reads that and the
transport behind it, ``tunnel`` finds the packets that carry another one. Each layer looks at the packets that
have it, checks that its header was captured in full, copies the headers into one structured array and writes their
fields; what was cut off stays zero.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.packet.front import Front, peek
from kproxy_tw.decode.packet.ip import read_network
from kproxy_tw.decode.packet.layouts import ETHERNET, IPV4, IPV6, KIND_BY_LINK, KIND_BY_NIBBLE, LINKS, MPLS, POS, PPP
from kproxy_tw.decode.packet.link import to_network
from kproxy_tw.decode.packet.mpls import plausible_ethernet
from kproxy_tw.decode.packet.tunnel import Tunnels, find_tunnels
from kproxy_tw.decode.spans import Octets, Offsets, Spans, put, put_custom
from kproxy_tw.flowbatch import FlowBatch

__all__ = ["ETHERNET", "IPV4", "IPV6", "LINKS", "MPLS", "POS", "PPP", "guess_links", "parse_headers"]

MAX_TUNNELS = 4
"""Tunnels in one another that are opened."""

TUNNEL_COLUMNS = frozenset({"tunneltype", "tunnelid"})
"""Custom columns that tell of the outermost tunnel, as ``custom.folded`` spells them."""

INNER_COLUMNS = (
    "ipv4_src_addr",
    "ipv4_dst_addr",
    "ipv6_src_addr",
    "ipv6_dst_addr",
    "protocol",
    "tos",
    "ip_size",
    "l4_src_port",
    "l4_dst_port",
    "tcp_flags",
)
"""What an inner packet replaces, absent values too; MAC addresses only where it has some."""


def parse_headers(
    data: Octets,
    starts: Offsets,
    lengths: Offsets,
    links: npt.NDArray[np.integer],
    *,
    decap: bool = False,
    wanted: Collection[str] = frozenset(),
) -> FlowBatch:
    """Parse the captured beginnings of packets; the outermost IP header is the flow.

    Columns: ``src_eth_mac``, ``dst_eth_mac``, ``vlan_in`` (outer tag), addresses, ``protocol``, ``tos``, ``ip_size``
    (octets of the IP packet by its header), ports, ``tcp_flags``; ICMP type * 256 + code is the destination port.
    Only first fragments have ports. Custom columns: ``inner_vlan``, ``mpls_label_1`` to ``3``, and ``tunnel_type`` and
    ``tunnel_id`` where ``wanted``. Any bytes are taken; there is nothing to raise.

    :param data: contiguous; each packet's capture is ``data[start : start + length]``, and nothing else is read.
    :param starts, lengths: shape ``(n,)``, in bytes.
    :param links: shape ``(n,)``: one of ``LINKS``; a packet of another kind gives zeros.
    :param decap: the innermost IP packet of a tunnel is the flow. VLAN and labels stay those of the interface.
    :param wanted: folded names of custom columns that have a use.
    :returns: a batch of length ``n``.
    """
    batch = FlowBatch(len(starts))
    kinds = KIND_BY_LINK[np.minimum(links, 255)]
    payloads = _parse(batch, data, Front(np.array(starts, np.intp), starts + lengths, kinds))
    if decap or not TUNNEL_COLUMNS.isdisjoint(wanted):
        tunnels = find_tunnels(data, payloads)
        put_custom(batch, "tunnel_type", tunnels.rows, tunnels.names)
        put_custom(batch, "tunnel_id", tunnels.rows, tunnels.ids)
        if decap:
            _take_inner(batch, data, payloads.ends, tunnels)
    return batch


def guess_links(data: Octets, spans: Spans) -> Octets:
    """Whether an inner header of which only the place is known is Ethernet or IP."""
    kinds = KIND_BY_NIBBLE[peek(data, spans, 0) >> 4]
    return np.where((kinds == 0) | plausible_ethernet(data, spans), np.uint8(ETHERNET), kinds)


def _parse(batch: FlowBatch, data: Octets, front: Front) -> Front:
    to_network(batch, data, front)
    return read_network(batch, data, front)


def _take_inner(batch: FlowBatch, data: Octets, ends: Offsets, tunnels: Tunnels) -> None:
    """Go inwards, one tunnel at a time; an inner packet that is not IP leaves the outer one as the flow."""
    for _depth in range(MAX_TUNNELS):
        if not tunnels.rows.size:
            return
        front = Front.blank(ends)
        front.move(tunnels.rows, tunnels.starts, tunnels.kinds)
        inner = FlowBatch(batch.length)
        payloads = _parse(inner, data, front)
        _replace(batch, inner, np.flatnonzero(_has_address(inner)))
        tunnels = find_tunnels(data, payloads)


def _has_address(batch: FlowBatch) -> npt.NDArray[np.bool_]:
    found = np.zeros(batch.length, np.bool_)
    for side in ("src", "dst"):
        found |= batch.column(f"ipv4_{side}_addr") != 0
        found |= batch.column(f"ipv6_{side}_addr").any(axis=1)
    return found


def _replace(batch: FlowBatch, inner: FlowBatch, rows: Offsets) -> None:
    for name in INNER_COLUMNS:
        if name in inner.columns or name in batch.columns:
            put(batch, name, rows, inner.column(name)[rows])
    macs = rows[inner.column("dst_eth_mac")[rows] != 0]
    for name in ("src_eth_mac", "dst_eth_mac"):
        put(batch, name, macs, inner.column(name)[macs])
