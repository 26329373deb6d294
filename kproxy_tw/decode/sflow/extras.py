"""sFlow records that become custom columns: users, URLs, NAT, MPLS stacks, tunnels, queues, ACLs, drop details.

A record is read only when the device has a custom column for something in it.

Sources: sFlow Version 5, section 5; the structures published at sflow.org (tunnels 2012, NAT port, egress queue, ACL
and function names, drop notification 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache

import attrs
import numpy as np

from kproxy_tw.decode.custom import folded
from kproxy_tw.decode.sflow.distinct import read_distinct
from kproxy_tw.decode.sflow.samples import Samples
from kproxy_tw.decode.spans import Spans, put_custom
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.reader import Reader

MAX_TEXT = 384
"""Bytes of a text; longer ones are cut."""

MAX_LABELS = 3
"""Labels of a stack that become columns."""

ADDRESS_BYTES = 17
"""An address as custom columns have it: family, address, zeros."""

Value = int | bytes
Values = Mapping[str, Value]
NOTHING: Values = {}


@attrs.frozen
class Extra:
    """A kind of record.

    :ivar names: the custom columns that it can fill.
    :ivar parse: reads one record; columns that it does not tell are absent.
    """

    names: Sequence[str]
    parse: Callable[[Reader], Values]

    def _values(self, record: bytes) -> Values:
        return self.parse(Reader(record))

    def read(self, batch: FlowBatch, samples: Samples, spans: Spans, wanted: Collection[str]) -> None:
        """Fill the wanted columns of the samples with this record."""
        found, which = read_distinct(samples, spans, self._values, NOTHING)
        for name in self.names:
            if folded(name) not in wanted:
                continue
            told = np.array([name in values for values in found], np.bool_)[which]
            if told.any():
                column = _column(name, [values.get(name) for values in found])
                put_custom(batch, name, spans.rows[told], column[which[told]])


@lru_cache(maxsize=64)
def _extras(wanted: frozenset[str]) -> Mapping[int, Extra]:
    return {kind: extra for kind, extra in EXTRAS.items() if any(folded(name) in wanted for name in extra.names)}


def wanted_extras(wanted: Collection[str]) -> Mapping[int, Extra]:
    """The kinds of records that can fill a wanted column."""
    return _extras(frozenset(wanted)) if wanted else {}


def _column(name: str, values: Sequence[Value | None]) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    if name.endswith("_addr"):
        packed = b"".join(value if isinstance(value, bytes) else bytes(ADDRESS_BYTES) for value in values)
        return np.frombuffer(packed, np.uint8).reshape(-1, ADDRESS_BYTES)
    if any(isinstance(value, bytes) for value in values):
        return np.array([value if isinstance(value, bytes) else b"" for value in values])
    dtype = np.uint16 if name.endswith(("_port", "_vlan")) else np.uint32
    return np.array([value if isinstance(value, int) else 0 for value in values], np.uint64).astype(dtype)


def _text(reader: Reader) -> bytes:
    """A string with its length in front, filled up to whole words; what is no UTF-8 is replaced."""
    size = reader.u32()
    text = reader.take(size)
    reader.skip(min(-size % 4, reader.remaining))
    return text[:MAX_TEXT].decode("utf-8", "replace").encode("utf-8").replace(b"\x00", b"")[:MAX_TEXT]


def _address(reader: Reader) -> bytes:
    kind = reader.u32()
    if kind == 0:
        return b""
    if kind == 1:
        return b"\x04" + reader.take(4) + bytes(12)
    if kind == 2:
        return b"\x06" + reader.take(16)
    raise MalformedInput(f"address of type {kind}")


def _stack(reader: Reader) -> list[int]:
    count = reader.u32()
    if count > reader.remaining // 4:
        raise MalformedInput(f"{count} layers announced, {reader.remaining} bytes are left")
    return [reader.u32() for _ in range(min(count, MAX_LABELS))]


def _user(reader: Reader) -> Values:
    reader.u32()
    source = _text(reader)
    reader.u32()
    return {"src_user": source, "dst_user": _text(reader)}


def _url(reader: Reader) -> Values:
    reader.u32()
    return {"http_url": _text(reader), "http_host": _text(reader)}


def _mpls(reader: Reader) -> Values:
    _address(reader)
    labels = _stack(reader)
    return {f"mpls_label_{depth + 1}": word >> 12 for depth, word in enumerate(labels)}


def _nat(reader: Reader) -> Values:
    source, destination = _address(reader), _address(reader)
    values = {"post_nat_src_addr": source, "post_nat_dst_addr": destination}
    return {name: address for name, address in values.items() if address}


def _nat_port(reader: Reader) -> Values:
    return {"post_nat_src_port": reader.u32() & 0xFFFF, "post_nat_dst_port": reader.u32() & 0xFFFF}


def _vlan_tunnel(reader: Reader) -> Values:
    layers = _stack(reader)
    return {"stripped_vlan": layers[0] & 0x0FFF} if layers else {}


def _ipv4_tunnel(reader: Reader) -> Values:
    reader.skip(8)
    source, destination = (b"\x04" + reader.take(4) + bytes(12) for _side in range(2))
    return {"tunnel_src_addr": source, "tunnel_dst_addr": destination}


def _ipv6_tunnel(reader: Reader) -> Values:
    reader.skip(8)
    source, destination = (b"\x06" + reader.take(16) for _side in range(2))
    return {"tunnel_src_addr": source, "tunnel_dst_addr": destination}


def _acl(reader: Reader) -> Values:
    return {"acl_number": reader.u32(), "acl_name": _text(reader)}


def _hardware_trap(reader: Reader) -> Values:
    group, trap = _text(reader), _text(reader)
    return {"discard_detail": b"/".join(part for part in (group, trap) if part)}


def _number(name: str) -> Extra:
    return Extra((name,), lambda reader: {name: reader.u32()})


def _named(name: str) -> Extra:
    return Extra((name,), lambda reader: {name: _text(reader)})


_TUNNEL_ENDS = ("tunnel_src_addr", "tunnel_dst_addr")
_IPV4_TUNNEL, _IPV6_TUNNEL = Extra(_TUNNEL_ENDS, _ipv4_tunnel), Extra(_TUNNEL_ENDS, _ipv6_tunnel)

EXTRAS: Mapping[int, Extra] = {
    1004: Extra(("src_user", "dst_user"), _user),
    1005: Extra(("http_url", "http_host"), _url),
    1006: Extra(tuple(f"mpls_label_{depth + 1}" for depth in range(MAX_LABELS)), _mpls),
    1007: Extra(("post_nat_src_addr", "post_nat_dst_addr"), _nat),
    1008: Extra(("mpls_tunnel_name",), lambda reader: {"mpls_tunnel_name": _text(reader)}),
    1009: Extra(
        ("mpls_vc_name", "mpls_vc_id"), lambda reader: {"mpls_vc_name": _text(reader), "mpls_vc_id": reader.u32()}
    ),
    1012: Extra(("stripped_vlan",), _vlan_tunnel),
    1020: Extra(("post_nat_src_port", "post_nat_dst_port"), _nat_port),
    1023: _IPV4_TUNNEL,
    1024: _IPV4_TUNNEL,
    1025: _IPV6_TUNNEL,
    1026: _IPV6_TUNNEL,
    1029: _number("tunnel_id"),
    1030: _number("tunnel_id"),
    1036: _number("egress_queue"),
    1037: Extra(("acl_number", "acl_name"), _acl),
    1038: _named("discard_function"),
    1039: _number("transit_delay"),
    1040: _number("queue_depth"),
    1041: Extra(("discard_detail",), _hardware_trap),
    1042: _named("discard_detail"),
}
"""By kind. ``transit_delay`` is in nanoseconds, ``queue_depth`` in bytes. Of the 802.11 records (1013 to 1016) and all
others nothing is taken: the walk steps over them by their length."""
