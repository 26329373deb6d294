"""From the values of single fields to a FlowBatch: what needs more than one field, or a datagram's clock.

Prefixes come from address and prefix length where the exporter sends no prefix; the ICMP type and code stand in the
destination port (type × 256 + code) as NetFlow v5 has it; the time and the sample rate are chosen here.
"""

from __future__ import annotations

import numpy as np

from kproxy_tw.decode.clock import Clocks
from kproxy_tw.decode.plan import Values
from kproxy_tw.decode.sampling import told_rates
from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, RATE_ORIGINS, Column, FlowBatch

ICMP, ICMPV6 = 1, 58
"""Protocol numbers."""

LONGEST_DURATION = 30 * 24 * 3600 * 10**9
"""Nanoseconds; a longer one does not make a time that is believed, but must not overflow either."""

TCP_FLAG_BITS = 0x0FFF
"""The upper 4 bits of 2-byte flags are TCP's data offset and not flags (RFC 7125 section 3)."""

OPTION_KEYS = ("application_id", "ingress_vrf", "egress_vrf")
"""Values that name a row of an option table."""

_MASKS4 = np.array([(0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF for length in range(33)], np.uint32)
_MASKS6 = np.array(
    [list(((2**128 - 1) << (128 - length) & (2**128 - 1)).to_bytes(16, "big")) for length in range(129)], np.uint8
)


def flow_batch(values: Values, clocks: Clocks) -> FlowBatch:
    """The batch for ``values``, which is used up."""
    columns = {name: value for name, value in values.items() if name in NUMBERS or name in ADDRESSES}
    _initiators(columns, values)
    columns["timestamp_nano"] = clocks.believed(_time(values, clocks))
    if "tcp_flags" in columns:
        columns["tcp_flags"] = np.bitwise_and(columns["tcp_flags"], TCP_FLAG_BITS)
    for side in ("src", "dst"):
        _prefix(columns, f"ipv4_{side}_addr", f"{side}_route_length", f"{side}_route_prefix", _MASKS4)
        _prefix(columns, f"ipv6_{side}_addr", f"{side}_route_length", f"ipv6_{side}_route_prefix", _MASKS6)
    _icmp(columns, values)
    batch = FlowBatch(len(clocks), columns)
    _sample_rate(batch, values, clocks)
    return batch


def _time(values: Values, clocks: Clocks) -> Column:
    """When the flow ended, as far as the record tells; else when the datagram was made. Nanoseconds since 1970."""
    time = values.get("time")
    if time is not None:
        return time.astype(np.int64)
    start = values.get("start_time")
    if start is None:
        return clocks.export_ns
    time = start.astype(np.int64)
    for name, unit in (("duration_us", 1000), ("duration_ms", 1_000_000)):
        duration = values.get(name)
        if duration is not None:
            return time + np.minimum(duration, LONGEST_DURATION // unit).astype(np.int64) * unit
    return time


def _initiators(columns: Values, values: Values) -> None:
    """Where a record counts both directions of a connection, the first one's counters are those of the initiator.

    A record may also have plain counters; they stand in where neither side of the connection counted anything.
    """
    for name in ("bytes", "pkts"):
        told = values.get(f"initiator_{name}")
        if told is None:
            continue
        plain = columns.get(f"in_{name}")
        if plain is not None:
            neither = (told == 0) & (values.get(f"responder_{name}", np.zeros_like(told)) == 0)
            told = np.where(neither, plain, told)
        columns[f"in_{name}"] = told


def _prefix(columns: Values, address: str, length: str, prefix: str, masks: Column) -> None:
    """Fill ``prefix`` from ``address`` and ``length`` where the exporter did not."""
    if address not in columns or length not in columns:
        return
    lengths = np.minimum(columns[length], len(masks) - 1)
    computed = np.bitwise_and(columns[address], masks.take(lengths, axis=0))
    sent = columns.get(prefix)
    if sent is not None:
        told = sent != 0 if sent.ndim == 1 else sent.any(axis=1, keepdims=True)
        computed = np.where(told, sent, computed)
    columns[prefix] = computed


def _type_and_code(values: Values, version: str) -> Column | None:
    """``type × 256 + code``, from the combined element or from the single ones."""
    combined = values.get(f"icmp{version}")
    types = values.get(f"icmp{version}_type")
    if combined is not None or types is None:
        return combined
    codes = values.get(f"icmp{version}_code", np.zeros_like(types))
    return np.bitwise_or(np.left_shift(types, 8), codes)


def _icmp(columns: Values, values: Values) -> None:
    """Put the ICMP type and code into the destination port of ICMP flows; exporters without these have it there."""
    of4, of6 = _type_and_code(values, "4"), _type_and_code(values, "6")
    if "protocol" not in columns or (of4 is None and of6 is None):
        return
    ports = columns.get("l4_dst_port", np.zeros(len(columns["protocol"]), np.uint32))
    for protocol, told in ((ICMP, of6 if of4 is None else of4), (ICMPV6, of4 if of6 is None else of6)):
        if told is not None:
            ports = np.where((columns["protocol"] == protocol) & (told != 0), told, ports)
    columns["l4_dst_port"] = ports.astype(np.uint32)


def _sample_rate(batch: FlowBatch, values: Values, clocks: Clocks) -> None:
    """Fill ``sample_rate`` where the exporter tells it, and the side columns that later stages look things up by."""
    told = told_rates(values, clocks)
    if told is not None:
        batch.columns["sample_rate"], origins = told
        batch.side["rate_origin"] = origins
        batch.rate_origin = RATE_ORIGINS[int(origins[np.argmax(origins > 0)])]
    batch.domains, owners = clocks.domains
    if not any(batch.domains):
        return
    if owners is not None:
        batch.side["domain"] = owners
    for name in OPTION_KEYS:
        if name in values:
            batch.side[name] = values[name].astype(np.uint64, copy=False)
