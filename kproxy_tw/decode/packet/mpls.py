"""MPLS: label stacks, and what stands behind the last label.

The stack does not say what it carries. RFC 4928 and 4385 make the first 4 bits tell: 4 and 6 are IP, 0 is the control
word of a pseudowire, 1 its control channel. An Ethernet pseudowire without control word begins with a MAC address,
which may begin with any of these; so where an Ethernet header would fit as well, the check sum of the IPv4 header
decides, and of the two places for an Ethernet header the one that has a known type with its payload behind it.
"""

from __future__ import annotations

import numpy as np

from kproxy_tw.decode.packet.front import peek, peek16
from kproxy_tw.decode.packet.layouts import (
    ETHERNET,
    ETHERNET_HEADER,
    IPV4,
    IPV6,
    KIND_BY_TYPE,
    LABEL,
    LLC,
    NOTHING,
    TAG,
    TAG_TYPES,
    TYPE_ARP,
    TYPE_IPV4,
    TYPE_IPV6,
)
from kproxy_tw.decode.spans import Mask, Octets, Offsets, Spans, Words, cut, put_custom
from kproxy_tw.flowbatch import FlowBatch

MAX_LABELS = 16
"""Labels read of one stack; a packet with more is not read further."""

KEPT_LABELS = 3
"""Labels that become custom columns."""

EXPLICIT_NULL4, EXPLICIT_NULL6 = 0, 2
"""Labels that say what they carry (RFC 3032)."""

CONTROL_WORD = 4
TYPE_OFFSET = 12
BOTTOM = 0x100
HEADER_WORDS = 30
"""The longest IPv4 header in 16-bit words."""


def mpls(batch: FlowBatch, data: Octets, spans: Spans, _outermost: bool) -> tuple[Offsets, Octets]:
    """Step over the label stacks; gives where the payloads start, and what they are.

    The first ``KEPT_LABELS`` labels of the first stack become the custom columns ``mpls_label_1`` and so on.
    """
    kinds = np.zeros(len(spans.rows), np.uint8)
    labels = np.zeros(len(spans.rows), np.uint32)
    open_ = np.arange(len(spans.rows))
    known = batch.custom.get("mpls_label_1")
    fresh = np.ones(len(open_), np.bool_) if known is None else known[spans.rows] == 0
    for depth in range(MAX_LABELS):
        open_ = open_[spans.with_room(LABEL.itemsize)[open_]]
        if not open_.size:
            break
        words = cut(data, spans.starts[open_], LABEL)["label"].astype(np.uint32)
        if depth < KEPT_LABELS:
            first = fresh[open_]
            put_custom(batch, f"mpls_label_{depth + 1}", spans.rows[open_[first]], words[first] >> 12)
        spans = spans.moved_at(open_, LABEL.itemsize)
        last = words & BOTTOM != 0
        labels[open_[last]] = words[last] >> 12
        kinds[open_[last]] = ETHERNET
        open_ = open_[~last]
    done = np.flatnonzero(kinds)
    inner = Spans(spans.rows[done], spans.starts[done], spans.ends[done])
    starts, found = _payload(data, inner, labels[done])
    spans.starts[done], kinds[done] = starts, found
    return spans.starts, kinds


def _payload(data: Octets, spans: Spans, labels: Words) -> tuple[Offsets, Octets]:
    """What stands behind the bottom of the stack."""
    nibble = peek(data, spans, 0) >> 4
    behind = Spans(spans.rows, spans.starts + CONTROL_WORD, spans.ends)
    here, there = plausible_ethernet(data, spans), plausible_ethernet(data, behind)
    is4 = (nibble == 4) & (~here | (labels == EXPLICIT_NULL4) | _sound(data, spans, (nibble == 4) & here))
    is6 = (nibble == 6) & (~here | (labels == EXPLICIT_NULL6))
    wrapped4 = (nibble == 0) & ~here & ~there & (peek(data, behind, 0) >> 4 == 4)
    wrapped4 &= _sound(data, behind, wrapped4)
    control = (nibble == 0) & (there | ~here)
    channel = (nibble == 1) & ~here
    kinds = np.full(len(nibble), ETHERNET, np.uint8)
    for mask, kind in ((is4 | wrapped4, IPV4), (is6, IPV6), (channel | (spans.starts >= spans.ends), NOTHING)):
        kinds[mask] = kind
    return spans.starts + np.where(control, CONTROL_WORD, 0), kinds


def plausible_ethernet(data: Octets, spans: Spans) -> Mask:
    """Where an Ethernet header fits: its type is known, and the payload looks like that type."""
    types = peek16(data, spans, TYPE_OFFSET)
    nibble = peek(data, spans, ETHERNET_HEADER.itemsize) >> 4
    inner = KIND_BY_TYPE[peek16(data, spans, TYPE_OFFSET + 4)]
    fits: Mask = (types == TYPE_IPV4) & (nibble == 4) | (types == TYPE_IPV6) & (nibble == 6)
    fits |= np.isin(types, TAG_TYPES) & np.isin(inner, (IPV4, IPV6, TAG, LLC))
    fits |= (types == TYPE_ARP) & (peek16(data, spans, ETHERNET_HEADER.itemsize) == 1)
    return fits & spans.with_room(ETHERNET_HEADER.itemsize)


def _sound(data: Octets, spans: Spans, wanted: Mask) -> Mask:
    """Which of the wanted begin with an IPv4 header whose check sum is right."""
    result = np.zeros(len(wanted), np.bool_)
    rows = np.flatnonzero(wanted)
    if not rows.size:
        return result
    words = (data[spans.starts[rows]] & 0x0F).astype(np.intp) * 2
    whole = (words >= 10) & (spans.starts[rows] + 2 * words <= spans.ends[rows])
    rows, words = rows[whole], words[whole]
    inside = np.arange(HEADER_WORDS) < words[:, None]
    places = np.where(inside, spans.starts[rows][:, None] + 2 * np.arange(HEADER_WORDS), 0)
    values = data[places].astype(np.uint32) << 8 | data[places + inside]
    sums = np.where(inside, values, 0).sum(axis=1)
    folded = (sums & 0xFFFF) + (sums >> 16)
    result[rows] = (folded & 0xFFFF) + (folded >> 16) == 0xFFFF
    return result
