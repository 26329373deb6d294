"""The sFlow extended gateway record: what BGP knows of a sampled packet's route.

Packets of one route carry equal records. Where the router's own AS is concerned, this follows goflow2 and akvorado: an
empty destination path is a destination in the router's own AS, a source AS of 0 a source in it (sfcapd, sflowtool and
pmacct leave 0 in both).

Source: sFlow Version 5, ``extended_gateway`` (enterprise 0, format 1003).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import attrs
import numpy as np

from kproxy_tw.decode.sflow.distinct import read_distinct
from kproxy_tw.decode.sflow.samples import WORD, Samples
from kproxy_tw.decode.spans import Offsets, Spans, put
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.reader import Reader

MAX_TEXT = 384
"""Bytes of an AS path or of a list of communities; what goes beyond is left out at a whole number."""

KNOWN_ROUTES = 4096
KNOWN_BYTES = 1024
"""Records that are kept with what was read in them, for routes come again; longer ones are not kept."""

AS_SET = 1
"""A path segment without order; the other kind, 2, is a sequence."""

NUMBERS = ("src_as", "dst_as", "src_next_hop_as", "dst_next_hop_as", "dst_second_asn", "dst_third_asn")
TEXTS = ("dst_bgp_as_path", "dst_bgp_community")


@attrs.frozen(slots=True)
class Gateway:
    """One record. Those fields that are columns of the batch have their names; absent is zero or empty."""

    src_as: int = 0
    dst_as: int = 0
    src_next_hop_as: int = 0
    dst_next_hop_as: int = 0
    dst_second_asn: int = 0
    dst_third_asn: int = 0
    dst_bgp_as_path: bytes = b""
    dst_bgp_community: bytes = b""
    next_hop4: int = 0
    next_hop6: bytes = bytes(16)


def read_gateways(batch: FlowBatch, samples: Samples, spans: Spans) -> None:
    """Fill the routing columns of the samples that carry the record; a damaged record leaves zeros."""
    gateways, which = read_distinct(samples, spans, _gateway, Gateway())
    for name in NUMBERS:
        values = np.array([getattr(gateway, name) for gateway in gateways], np.uint32)
        put(batch, name, spans.rows, values[which])
    for name in TEXTS:
        texts = np.array([getattr(gateway, name) for gateway in gateways])
        batch.columns[name] = np.zeros(batch.length, texts.dtype)
        put(batch, name, spans.rows, texts[which])
    _put_next_hops(batch, gateways, which, spans.rows)


def _put_next_hops(batch: FlowBatch, gateways: Sequence[Gateway], which: Offsets, rows: Offsets) -> None:
    """BGP's next hop; it stands in for the router's own where that told none."""
    hops = np.array([gateway.next_hop4 for gateway in gateways], np.uint32)[which]
    told = hops != 0
    put(batch, "ipv4_dst_next_hop", rows[told], hops[told])
    missing = told & (batch.column("ipv4_next_hop")[rows] == 0)
    put(batch, "ipv4_next_hop", rows[missing], hops[missing])
    hops6 = np.frombuffer(b"".join(gateway.next_hop6 for gateway in gateways), np.uint8).reshape(-1, 16)[which]
    told6 = hops6.any(axis=1)
    put(batch, "ipv6_dst_next_hop", rows[told6], hops6[told6])


def _gateway(record: bytes) -> Gateway:
    return _known(record) if len(record) <= KNOWN_BYTES else parse_gateway(Reader(record))


@lru_cache(maxsize=KNOWN_ROUTES)
def _known(record: bytes) -> Gateway:
    return parse_gateway(Reader(record))


def parse_gateway(reader: Reader) -> Gateway:
    """Read one record.

    :raises MalformedInput: cut off, a count that the record has no room for, or an unknown address type.
    """
    hop4, hop6 = _next_hop(reader)
    own, source, source_peer = _words(reader, 3)
    segments = [_segment(reader) for _ in range(_count(reader, 2 * WORD))]
    path = [number for _kind, numbers in segments for number in numbers]
    communities = _numbers(reader)
    near = (*path[:3], 0, 0, 0)
    return Gateway(
        src_as=source or own,
        dst_as=path[-1] if path else own,
        src_next_hop_as=source_peer,
        dst_next_hop_as=near[0],
        dst_second_asn=near[1],
        dst_third_asn=near[2],
        dst_bgp_as_path=_bounded(_segment_text(kind, numbers) for kind, numbers in segments),
        dst_bgp_community=_bounded(f"{value >> 16}:{value & 0xFFFF}" for value in communities),
        next_hop4=hop4,
        next_hop6=hop6,
    )


def _next_hop(reader: Reader) -> tuple[int, bytes]:
    kind = reader.u32()
    if kind == 0:  # unknown: nothing follows
        return 0, bytes(16)
    if kind == 1:
        return reader.u32(), bytes(16)
    if kind == 2:
        return 0, reader.take(16)
    raise MalformedInput(f"next hop address of type {kind}")


def _count(reader: Reader, size: int) -> int:
    """A count of items of at least ``size`` bytes each, which are there."""
    count = reader.u32()
    if count > reader.remaining // size:
        raise MalformedInput(f"{count} items announced, {reader.remaining} bytes are left")
    return count


def _words(reader: Reader, count: int) -> list[int]:
    words: list[int] = np.frombuffer(reader.take(count * WORD), ">u4").tolist()
    return words


def _numbers(reader: Reader) -> list[int]:
    return _words(reader, _count(reader, WORD))


def _segment(reader: Reader) -> tuple[int, list[int]]:
    return reader.u32(), _numbers(reader)


def _segment_text(kind: int, numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}" if kind == AS_SET else " ".join(map(str, numbers))


def _bounded(items: Iterable[str]) -> bytes:
    """Items separated by spaces, as many whole ones as there is room for."""
    text = " ".join(item for item in items if item)
    if len(text) > MAX_TEXT:
        text = text[: max(0, text.rfind(" ", 0, MAX_TEXT + 1))]
    return text.encode("ascii")
