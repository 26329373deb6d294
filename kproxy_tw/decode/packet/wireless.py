"""IEEE 802.11 data frames: addresses, and the way to what they carry, which begins with 802.2.

What is encrypted, has no payload, or is a fragment behind the first has nothing to read.

Source: IEEE 802.11-2020, sections 9.2 (frame format) and 9.3.2 (data frames).
"""

from __future__ import annotations

import numpy as np

from kproxy_tw.decode.packet.front import peek
from kproxy_tw.decode.packet.layouts import LLC, NOTHING
from kproxy_tw.decode.spans import Octets, Offsets, Spans, cut, put
from kproxy_tw.flowbatch import Column, FlowBatch

HEADER_BYTES = 24
FOURTH_BYTES, QOS_BYTES, HT_BYTES = 6, 2, 4
SUBFRAME_BYTES = 14
"""Of an aggregate (A-MSDU): destination, source, length."""

TYPE, DATA = 0x0C, 0x08
QOS, WITHOUT_DATA = 0x80, 0x40
"""Of the first byte: type, and two bits of the subtype."""

TO_DS, FROM_DS, PROTECTED, ORDER = 0x01, 0x02, 0x40, 0x80
"""Of the second byte."""

AGGREGATE = 0x80
FRAGMENT_NUMBER = 0x0F

ADDRESS = np.dtype([("high", ">u2"), ("low", ">u4")])
FIRST, SECOND, THIRD, FOURTH = 4, 10, 16, 24
"""Where the addresses stand."""


def wireless(batch: FlowBatch, data: Octets, spans: Spans, outermost: bool) -> tuple[Offsets, Octets]:
    """A frame with its header (``header_protocol`` 15)."""
    control, flags = peek(data, spans, 0), peek(data, spans, 1)
    to_ds, from_ds, qos = (flags & TO_DS) > 0, (flags & FROM_DS) > 0, (control & QOS) > 0
    sizes = HEADER_BYTES + FOURTH_BYTES * (to_ds & from_ds) + QOS_BYTES * qos
    aggregate = qos & (_at(data, spans, sizes - QOS_BYTES) & AGGREGATE > 0)
    sizes = sizes + HT_BYTES * (qos & (flags & ORDER > 0))
    is_data = (control & TYPE == DATA) & spans.with_room(sizes + SUBFRAME_BYTES * aggregate)
    if outermost:
        plain, parts = np.flatnonzero(is_data & ~aggregate), np.flatnonzero(is_data & aggregate)
        destinations = np.where(to_ds, THIRD, FIRST)
        sources = np.where(from_ds, np.where(to_ds, FOURTH, THIRD), SECOND)  # table 9-30
        _put_addresses(batch, data, spans, plain, destinations, sources)
        _put_addresses(batch, data, spans, parts, sizes, sizes + ADDRESS.itemsize)
    readable = is_data & (control & WITHOUT_DATA == 0) & (flags & PROTECTED == 0)
    readable &= peek(data, spans, 22) & FRAGMENT_NUMBER == 0
    sizes = sizes + SUBFRAME_BYTES * aggregate
    return spans.starts + sizes, np.where(readable, LLC, NOTHING).astype(np.uint8)


def subframe(batch: FlowBatch, data: Octets, spans: Spans, outermost: bool) -> tuple[Offsets, Octets]:
    """One part of an aggregate (``header_protocol`` 17)."""
    whole = spans.with_room(SUBFRAME_BYTES)
    if outermost:
        offsets = np.zeros(len(spans.rows), np.intp)
        _put_addresses(batch, data, spans, np.flatnonzero(whole), offsets, offsets + ADDRESS.itemsize)
    return spans.starts + SUBFRAME_BYTES, np.where(whole, LLC, NOTHING).astype(np.uint8)


def _put_addresses(
    batch: FlowBatch, data: Octets, spans: Spans, which: Offsets, destinations: Offsets, sources: Offsets
) -> None:
    """Those of some packets, each at an offset of its own."""
    for name, offsets in (("dst_eth_mac", destinations), ("src_eth_mac", sources)):
        put(batch, name, spans.rows[which], _address(data, spans.starts[which] + offsets[which]))


def _address(data: Octets, starts: Offsets) -> Column:
    found = cut(data, starts, ADDRESS)
    return found["high"].astype(np.uint64) << np.uint64(32) | found["low"].astype(np.uint64)


def _at(data: Octets, spans: Spans, offsets: Offsets) -> Octets:
    """The byte at an offset of each packet's own, 0 behind its end."""
    return peek(data, spans.moved(offsets), 0)
