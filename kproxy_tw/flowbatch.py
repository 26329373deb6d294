"""FlowBatch: many flows as columns, the one shape that every stage behind decoding speaks.

A batch holds only the columns that its source filled; an absent column means zero
(or empty, or unset) for each flow. Column names are the kflow field names in snake case, so
that a reader of ``kflow/layout.py`` knows them already. Three differ on purpose:

``timestamp_nano``
    nanoseconds since 1970; the ``timestamp`` in seconds is derived from it.
``sample_rate``
    the real rate (1 in *n*) as a float, 0 where the exporter did not tell;
    kflow's times 100 is a matter of encoding.
``big``, ``is_metric``
    booleans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from kproxy_tw.decode.optiondata.domain import DomainOptions

Column = npt.NDArray[Any]

NUMBERS: Mapping[str, np.dtype[np.generic]] = {
    name: np.dtype(code)
    for code, names in {
        "i8": "timestamp_nano",
        "f8": "sample_rate",
        "u8": "in_bytes in_pkts out_bytes out_pkts src_eth_mac dst_eth_mac",
        "u4": (
            "src_as dst_as input_port output_port ipv4_src_addr ipv4_dst_addr l4_src_port l4_dst_port"
            " protocol tcp_flags tos vlan_in vlan_out ipv4_next_hop ipv4_src_next_hop ipv4_dst_next_hop"
            " src_route_prefix dst_route_prefix src_next_hop_as dst_next_hop_as src_second_asn"
            " dst_second_asn src_third_asn dst_third_asn mpls_type header_len sampled_packet_size"
            " ip_size tcp_retransmit src_geo dst_geo src_geo_region dst_geo_region src_geo_city"
            " dst_geo_city app_protocol"
        ),
        "u1": "src_route_length dst_route_length",
        "?": "big is_metric",
    }.items()
    for name in names.split()
}
"""Columns of one number a flow: name to dtype; shape ``(length,)``."""

UNSET_APP_PROTOCOL = 0xFFFFFFFF
"""``app_protocol`` of a flow that has none; what an absent column means for it, where others mean zero."""

ADDRESSES: tuple[str, ...] = (
    "ipv6_src_addr",
    "ipv6_dst_addr",
    "ipv6_src_next_hop",
    "ipv6_dst_next_hop",
    "ipv6_src_route_prefix",
    "ipv6_dst_route_prefix",
)
"""Columns of 16 network-order bytes a flow: dtype ``u1``, shape ``(length, 16)``; all zero means absent."""

TEXTS: tuple[str, ...] = (
    "src_flow_tags",
    "dst_flow_tags",
    "flow_tags",
    "src_bgp_as_path",
    "dst_bgp_as_path",
    "src_bgp_community",
    "dst_bgp_community",
)
"""Columns of short UTF-8 texts: dtype ``S<n>``, shape ``(length,)``; empty means absent."""


RATE_ORIGINS: tuple[str, ...] = ("unknown", "record", "sampler", "domain", "header", "device", "flag", "file")
"""Who may have told a flow's sample rate, in the words of the JSON; arrays hold the position in this list."""

SIDE: Mapping[str, np.dtype[np.generic]] = {
    name: np.dtype(code)
    for code, names in {
        "u1": "rate_origin",
        "u2": "domain",
        "u8": "application_id ingress_vrf egress_vrf",
    }.items()
    for name in names.split()
}
"""Columns that are not sent but needed on the way: who told the rate (a position in ``RATE_ORIGINS``), which of the
batch's ``domains`` the flow belongs to, and keys into that domain's option tables."""


def _empty(name: str, length: int) -> Column:
    if name == "app_protocol":
        return np.full(length, UNSET_APP_PROTOCOL, np.uint32)
    if name in NUMBERS:
        return np.zeros(length, NUMBERS[name])
    if name in ADDRESSES:
        return np.zeros((length, 16), np.uint8)
    if name in TEXTS:
        return np.zeros(length, "S1")
    raise KeyError(f"no such column: {name}")


@attrs.define(slots=True)
class FlowBatch:
    """``length`` flows as columns.

    :ivar length: number of flows.
    :ivar columns: name (of ``NUMBERS``, ``ADDRESSES`` or ``TEXTS``) to array.
    :ivar custom: name of a device's custom column to array: an unsigned or float32 number array,
        an ``S<n>`` text array, or a ``(length, 17)`` ``u1`` array for an address (family, address).
    :ivar rate_origin: who told ``sample_rate`` where there is no such side column: ``"record"``, ``"header"``,
        or ``"unknown"`` when the exporter told nothing.
    :ivar side: name (of ``SIDE``) to array: what is needed on the way but not sent; lost when batches are joined.
    :ivar domains: the option tables that the side column ``domain`` counts through; the first, where it is absent.
    """

    length: int
    columns: dict[str, Column] = attrs.field(factory=dict)
    custom: dict[str, Column] = attrs.field(factory=dict)
    rate_origin: str = "unknown"
    side: dict[str, Column] = attrs.field(factory=dict)
    domains: Sequence[DomainOptions] = ()

    def column(self, name: str) -> Column:
        """The column, or zeros of its dtype and shape where the batch has none. :raises KeyError: unknown name."""
        found = self.columns.get(name)
        return _empty(name, self.length) if found is None else found

    def last(self, flows: int) -> FlowBatch:
        """A copy of the last few flows, without what is not sent."""
        return FlowBatch(
            length=min(self.length, flows),
            columns={name: column[-flows:].copy() for name, column in self.columns.items()},
            custom={name: column[-flows:].copy() for name, column in self.custom.items()},
        )

    @classmethod
    def concatenate(cls, batches: Sequence[FlowBatch]) -> FlowBatch:
        """One batch of all flows in order; columns that only some have are zero for the others.

        The ``rate_origin`` is that of the longest batch.
        """
        if len(batches) == 1:
            return batches[0]
        names = dict.fromkeys(name for batch in batches for name in batch.columns)
        return cls(
            length=sum(batch.length for batch in batches),
            columns={name: np.concatenate([batch.column(name) for batch in batches]) for name in names},
            custom=_concatenate_custom(batches),
            rate_origin=max(batches, key=lambda batch: batch.length).rate_origin,
        )


def _concatenate_custom(batches: Sequence[FlowBatch]) -> dict[str, Column]:
    joined: dict[str, Column] = {}
    for name in dict.fromkeys(name for batch in batches for name in batch.custom):
        example = next(batch.custom[name] for batch in batches if name in batch.custom)
        joined[name] = np.concatenate(
            [batch.custom.get(name, np.zeros((batch.length, *example.shape[1:]), example.dtype)) for batch in batches]
        )
    return joined
