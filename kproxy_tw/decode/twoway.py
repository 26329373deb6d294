"""One record, two flows: records that count both directions become a flow for each.

Two forms are known. RFC 5103 biflows tell the other direction in elements of enterprise 29305; Cisco's NSEL (ASA), AVC
and others tell octets and packets of initiator and responder (IANA 231, 232, 298, 299). The second flow has source and
destination exchanged and the other direction's counters. It is left out when it would be empty: most connection events
carry no counters.

The ledger counts records, so both flows of a record are one there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kproxy_tw.decode.derive import ICMP, ICMPV6, TCP_FLAG_BITS
from kproxy_tw.decode.elements import REVERSED
from kproxy_tw.decode.plan import Values
from kproxy_tw.decode.spans import Offsets
from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, Column, FlowBatch

PAIRS = (
    ("ipv4_src_addr", "ipv4_dst_addr"),
    ("ipv6_src_addr", "ipv6_dst_addr"),
    ("l4_src_port", "l4_dst_port"),
    ("src_as", "dst_as"),
    ("src_next_hop_as", "dst_next_hop_as"),
    ("src_route_length", "dst_route_length"),
    ("src_route_prefix", "dst_route_prefix"),
    ("ipv6_src_route_prefix", "ipv6_dst_route_prefix"),
    ("ipv4_src_next_hop", "ipv4_dst_next_hop"),
    ("ipv6_src_next_hop", "ipv6_dst_next_hop"),
    ("src_eth_mac", "dst_eth_mac"),
    ("input_port", "output_port"),
    ("vlan_in", "vlan_out"),
)
"""Columns that are exchanged in the other direction."""

SIDE_PAIRS = (("ingress_vrf", "egress_vrf"),)
CUSTOM_PAIRS = (
    ("postnatsrcaddr", "postnatdstaddr"),
    ("postnatsrcport", "postnatdstport"),
    ("postnatsourceipv4address", "postnatdestinationipv4address"),
    ("postnatsourceipv6address", "postnatdestinationipv6address"),
    ("postnaptsourcetransportport", "postnaptdestinationtransportport"),
    ("ingressvrf", "egressvrf"),
    ("ingressvrfid", "egressvrfid"),
)
"""The same among values that are not sent, and among custom columns (folded names)."""

EMPTIED = ("ipv4_next_hop", "out_bytes", "out_pkts")
"""Columns that speak of the first direction only."""

ECHO = {ICMP: (8 << 8, 0), ICMPV6: (128 << 8, 129 << 8)}
"""Protocol to type × 256 + code of echo requests and replies: each answers the other."""


def both_ways(batch: FlowBatch, values: Values) -> FlowBatch:
    """``batch`` with a second flow for each record that has one; the flows of the other direction stand last.

    :param values: of the same records.
    """
    octets = _other(values, "bytes", batch.length)
    packets = _other(values, "pkts", batch.length)
    rows = np.flatnonzero((octets != 0) | (packets != 0))
    if not rows.size:
        return batch
    columns = _exchanged(batch.columns, PAIRS, rows, batch.length)
    for name in EMPTIED:
        if name in columns:
            columns[name][batch.length :] = 0
    for name, counters in (("in_bytes", octets), ("in_pkts", packets)):
        columns[name] = np.concatenate([batch.column(name), counters[rows].astype(np.uint64)])
    _as_told(columns, values, rows, batch.length)
    _icmp(columns, batch, rows)
    batch.columns = columns
    batch.custom = _exchanged(batch.custom, CUSTOM_PAIRS, rows, batch.length)
    batch.side = _exchanged(batch.side, SIDE_PAIRS, rows, batch.length)
    batch.length += len(rows)
    return batch


def _other(values: Values, what: str, length: int) -> Column:
    """The other direction's counters, by either form."""
    found: Column = np.zeros(length, np.uint64)
    for name in (f"responder_{what}", f"{REVERSED}in_{what}"):
        told = values.get(name)
        if told is not None:
            found = np.where(found == 0, told, found)
    return found


def _exchanged(
    columns: Mapping[str, Column], pairs: tuple[tuple[str, str], ...], rows: Offsets, length: int
) -> dict[str, Column]:
    """Columns longer by ``rows`` in the other direction."""
    partner = {one: other for pair in pairs for one, other in (pair, pair[::-1])}
    names = dict.fromkeys([*columns, *(partner[name] for name in columns if name in partner)])
    longer = {}
    for name in names:
        other = partner.get(name, name)
        example = columns[name if name in columns else other]
        head = columns[name] if name in columns else np.zeros((length, *example.shape[1:]), example.dtype)
        tail = columns[other][rows] if other in columns else np.zeros((len(rows), *example.shape[1:]), example.dtype)
        longer[name] = np.concatenate([head, tail])
    return longer


def _as_told(columns: dict[str, Column], values: Values, rows: Offsets, length: int) -> None:
    """What the record tells of the other direction itself; RFC 5103 elements that are not told are not known."""
    is_biflow = any(name.startswith(REVERSED) for name in values)
    for name in ("tcp_flags", "tos"):
        if is_biflow and name in columns:
            columns[name][length:] = 0
    for name, told in values.items():
        column = name.removeprefix(REVERSED)
        if column == name or column in ("in_bytes", "in_pkts") or column not in {*NUMBERS, *ADDRESSES}:
            continue
        if column not in columns:
            columns[column] = np.zeros(length + len(rows), NUMBERS[column])
        news = told[rows] & TCP_FLAG_BITS if column == "tcp_flags" else told[rows]
        columns[column][length:] = np.where(news != 0, news, columns[column][length:])


def _icmp(columns: dict[str, Column], batch: FlowBatch, rows: Offsets) -> None:
    """ICMP's type and code stand in the destination port both ways."""
    if "protocol" not in columns or "l4_dst_port" not in columns:
        return
    protocols, told = batch.column("protocol")[rows], batch.column("l4_dst_port")[rows]
    for protocol, (request, reply) in ECHO.items():
        of_it = protocols == protocol
        if not of_it.any():
            continue
        answer = np.where(told == request, reply, np.where(told == reply, request, told))
        tail = slice(batch.length, None)
        columns["l4_dst_port"][tail] = np.where(of_it, answer, columns["l4_dst_port"][tail])
        columns["l4_src_port"][tail] = np.where(of_it, 0, columns["l4_src_port"][tail])
