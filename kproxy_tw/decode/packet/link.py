"""From what a capture begins with to the IP packet in it: Ethernet, 802.11, VLAN tags, 802.2, PPP, MPLS, backbones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kproxy_tw.decode.packet.front import Front, peek, peek16
from kproxy_tw.decode.packet.layouts import (
    BACKBONE,
    ETHERNET,
    ETHERNET_HEADER,
    IPV4,
    IPV6,
    KIND_BY_PPP,
    KIND_BY_TYPE,
    LLC,
    LLC_HEADER,
    MPLS,
    NOTHING,
    POS,
    PPP,
    PPPOE,
    SNAP_HEADER,
    SUBFRAME,
    TAG,
    TAG_HEADER,
    WIRELESS,
)
from kproxy_tw.decode.packet.mpls import mpls
from kproxy_tw.decode.packet.wireless import subframe, wireless
from kproxy_tw.decode.spans import Octets, Offsets, Spans, cut, put, put_custom
from kproxy_tw.flowbatch import Column, FlowBatch

MAX_TAGS = 4
MAX_LINKS = 8
"""Bounds on what a packet may stack in front of IP: VLAN tags in a row, headers of any kind. More is not read."""

SNAP, NOVELL_IP = 0xAAAA, 0x0606
UNNUMBERED = 3
ADDRESS_AND_CONTROL = 0xFF03
CISCO_UNICAST, CISCO_BROADCAST = 0x0F00, 0x8F00
PPPOE_BYTES = 6
SERVICE_TAG_BYTES = 4

Step = Callable[[FlowBatch, Octets, Spans, bool], tuple[Offsets, Octets]]
"""``(batch, data, spans, outermost)`` to where the next header starts, and its kind. ``outermost``: the first header of
the capture, whose addresses and tags are those of the interface."""


def to_network(batch: FlowBatch, data: Octets, front: Front) -> None:
    """Move every packet to its IP header; where there is none, nothing stands at the front."""
    for depth in range(MAX_LINKS):
        present = [kind for kind in front.present() if kind not in (IPV4, IPV6)]
        if not present:
            return
        for kind in present:
            spans = front.of(kind)
            front.move(spans.rows, *STEPS[kind](batch, data, spans, depth == 0))
    front.kinds[(front.kinds != IPV4) & (front.kinds != IPV6)] = NOTHING


def _ethernet(batch: FlowBatch, data: Octets, spans: Spans, outermost: bool) -> tuple[Offsets, Octets]:
    """Addresses and tags. The outer tag is the VLAN, the one behind it the custom column ``inner_vlan``."""
    kinds = np.zeros(len(spans.rows), np.uint8)
    whole = np.flatnonzero(spans.with_room(ETHERNET_HEADER.itemsize))
    header = cut(data, spans.starts[whole], ETHERNET_HEADER)
    if outermost:
        put(batch, "dst_eth_mac", spans.rows[whole], _mac(header["dst_high"], header["dst_low"]))
        put(batch, "src_eth_mac", spans.rows[whole], _mac(header["src_high"], header["src_low"]))
    kinds[whole] = KIND_BY_TYPE[header["type"]]
    spans = spans.moved(ETHERNET_HEADER.itemsize)
    for depth in range(MAX_TAGS):
        tagged = np.flatnonzero(kinds == TAG)
        if not tagged.size:
            break
        spans, kinds = _tag(batch, data, spans, kinds, tagged, depth if outermost else MAX_TAGS)
    kinds[kinds == TAG] = NOTHING
    return spans.starts, kinds


def _tag(
    batch: FlowBatch, data: Octets, spans: Spans, kinds: Octets, tagged: Offsets, depth: int
) -> tuple[Spans, Octets]:
    whole = spans.with_room(TAG_HEADER.itemsize)[tagged]
    kinds[tagged[~whole]] = NOTHING
    tagged = tagged[whole]
    tag = cut(data, spans.starts[tagged], TAG_HEADER)
    if depth == 0:
        put(batch, "vlan_in", spans.rows[tagged], tag["control"] & 0x0FFF)
    elif depth == 1:
        put_custom(batch, "inner_vlan", spans.rows[tagged], (tag["control"] & 0x0FFF).astype(np.uint16))
    kinds[tagged] = KIND_BY_TYPE[tag["type"]]
    return spans.moved_at(tagged, TAG_HEADER.itemsize), kinds


def _mac(high: Column, low: Column) -> Column:
    return high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)


def _llc(_batch: FlowBatch, data: Octets, spans: Spans, _outermost: bool) -> tuple[Offsets, Octets]:
    """IEEE 802.2, with SNAP behind it when it says so (RFC 1042)."""
    kinds = np.zeros(len(spans.rows), np.uint8)
    whole = np.flatnonzero(spans.with_room(LLC_HEADER.itemsize))
    header = cut(data, spans.starts[whole], LLC_HEADER)
    plain = header["control"] == UNNUMBERED
    kinds[whole[plain & (header["saps"] == NOVELL_IP)]] = IPV4
    spans = spans.moved(LLC_HEADER.itemsize)
    snap = whole[plain & (header["saps"] == SNAP)]
    snap = snap[spans.with_room(SNAP_HEADER.itemsize)[snap]]
    header = cut(data, spans.starts[snap], SNAP_HEADER)
    spans = spans.moved_at(snap, SNAP_HEADER.itemsize)
    is_type = (header["organization"] == 0).all(axis=1) & (header["type"] >= 0x600)
    kinds[snap[is_type]] = KIND_BY_TYPE[header["type"][is_type]]
    kinds[kinds == TAG] = NOTHING
    return spans.starts, kinds


def _ppp(_batch: FlowBatch, data: Octets, spans: Spans, _outermost: bool) -> tuple[Offsets, Octets]:
    """PPP with or without address and control, with a protocol of 1 or 2 bytes; Cisco's HDLC."""
    first = peek16(data, spans, 0)
    cisco = (first == CISCO_UNICAST) | (first == CISCO_BROADCAST)
    spans = spans.moved(np.where(cisco | (first == ADDRESS_AND_CONTROL), 2, 0))
    numbers = peek16(data, spans, 0)
    short = (numbers >> 8) & 1 == 1
    kinds = np.where(short, KIND_BY_PPP[numbers >> 8], KIND_BY_PPP[numbers])
    kinds = np.where(cisco, KIND_BY_TYPE[numbers], kinds)
    kinds[np.isin(kinds, (TAG, LLC))] = NOTHING
    return spans.starts + np.where(short & ~cisco, 1, 2), kinds


def _pppoe(_batch: FlowBatch, data: Octets, spans: Spans, _outermost: bool) -> tuple[Offsets, Octets]:
    """RFC 2516: version and type 1, code 0, then session and length."""
    sound = (peek16(data, spans, 0) == 0x1100) & spans.with_room(PPPOE_BYTES)
    return spans.starts + PPPOE_BYTES, np.where(sound, PPP, NOTHING).astype(np.uint8)


def _backbone(_batch: FlowBatch, data: Octets, spans: Spans, _outermost: bool) -> tuple[Offsets, Octets]:
    """802.1ah: the service tag, and behind it the customer's frame."""
    sound = spans.with_room(SERVICE_TAG_BYTES) & (peek(data, spans, 0) & 0x03 == 0)
    return spans.starts + SERVICE_TAG_BYTES, np.where(sound, ETHERNET, NOTHING).astype(np.uint8)


STEPS: Mapping[int, Step] = {
    ETHERNET: _ethernet,
    LLC: _llc,
    PPP: _ppp,
    POS: _ppp,
    WIRELESS: wireless,
    SUBFRAME: subframe,
    PPPOE: _pppoe,
    BACKBONE: _backbone,
    MPLS: mpls,
}
