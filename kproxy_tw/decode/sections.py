"""Records that hold the beginning of a packet instead of its fields: PSAMP, and routers that export sampled frames.

IANA 315 (dataLinkFrameSection) and Cisco's 104 hold a frame, IANA 313 (ipHeaderPacketSection) an IP packet (RFC 5477
section 8.5). They go through the same packet parser as sFlow's headers; what the record itself tells comes first.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from kproxy_tw.decode.packet.parse import ETHERNET, IPV4, IPV6, parse_headers
from kproxy_tw.decode.plan import Plan, Values
from kproxy_tw.decode.rows import Rows, Run
from kproxy_tw.decode.spans import Octets
from kproxy_tw.flowbatch import Column, FlowBatch

IEEE_80211 = 2
"""dataLinkFrameType (IANA 408) of a wireless frame, which the parser does not read; others are Ethernet."""

UNREADABLE = 255
"""A link type that the packet parser does not know."""


def fill_from_packets(
    batch: FlowBatch, values: Values, rows: Rows, plan: Plan, wanted: Collection[str], *, decap: bool = False
) -> None:
    """Fill columns of ``batch`` from the packets in ``rows`` where the records tell nothing else.

    :param wanted: folded names of custom columns that have a use.
    :param decap: of a packet in a tunnel, the inner one counts.
    """
    for target, place in plan.packets:
        run = rows.run(place)
        links = _ip_links(run) if target == "ip_header" else _frame_links(values, len(rows))
        found = parse_headers(run.data, run.starts, run.sizes, links, decap=decap, wanted=wanted)
        for name, column in found.columns.items():
            batch.columns[name] = _spare(batch.columns.get(name), column)
        for name, column in found.custom.items():
            batch.custom.setdefault(name, column)
        _count(batch, values, run)


def _frame_links(values: Values, length: int) -> Octets:
    kinds = values.get("frame_kind")
    if kinds is None:
        return np.full(length, ETHERNET, np.uint8)
    return np.where(kinds == IEEE_80211, UNREADABLE, ETHERNET).astype(np.uint8)


def _ip_links(run: Run) -> Octets:
    """The IP version stands in the first half byte."""
    versions = run.padded(1)[:, 0] >> 4
    return np.select([versions == 4, versions == 6], [IPV4, IPV6], UNREADABLE).astype(np.uint8)


def _count(batch: FlowBatch, values: Values, run: Run) -> None:
    """A record without counters is one packet, as large as the IP packet, else the frame, else what was captured."""
    if "in_bytes" in batch.columns or "out_bytes" in batch.columns:
        return
    sizes: Column = run.sizes
    for told in (values.get("frame_bytes"), values.get("ip_bytes"), batch.columns.get("ip_size")):
        if told is not None:
            sizes = np.where(told != 0, told, sizes)
    batch.columns["in_bytes"] = sizes.astype(np.uint64)
    if "in_pkts" not in batch.columns:
        batch.columns["in_pkts"] = np.ones(batch.length, np.uint64)


def _spare(told: Column | None, found: Column) -> Column:
    """``told``, and ``found`` where it is zero."""
    if told is None:
        return found
    empty = told == 0 if told.ndim == 1 else ~told.any(axis=1, keepdims=True)
    return np.where(empty, found, told)
