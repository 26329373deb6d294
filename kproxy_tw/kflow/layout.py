"""Where each field of a kflow record (the struct ``CHF``) stands: data only.

A Cap'n Proto struct is a data section of 64-bit words and then a row of pointers,
one word each. ``CHF`` has 29 + 14 words; the offsets below are what the schema
compiler derives from ``kflow.capnp`` beside this file, and a test holds them
together. Text, addresses and custom columns are pointed to and stand behind the
rows of a message.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.flowbatch import UNSET_APP_PROTOCOL

Words = npt.NDArray[np.uint64]
"""Little-endian 64-bit words of a message; shape ``(n,)``."""

Positions = npt.NDArray[np.int64]
"""Indices of words, or of rows; shape ``(n,)``."""

WORD = 8
BYTE_LIST = 2
"""Element size code of ``Text`` and ``Data`` in a list pointer."""
COMPOSITE_LIST = 7
"""The same of a list of structs."""
DATA_WORDS = 29
POINTER_WORDS = 14
ROW_WORDS = DATA_WORDS + POINTER_WORDS
LIST_HEAD_WORDS = 3
"""Before the first row of a message: root pointer, pointer to the list, the list's tag."""
CUSTOM_DATA_WORDS = 3
CUSTOM_POINTER_WORDS = 1
CUSTOM_WORDS = CUSTOM_DATA_WORDS + CUSTOM_POINTER_WORDS

FLAG_BIG = 1
FLAG_SAMPLE_ADJUSTED = 2
FLAG_METRIC = 4


@attrs.frozen(slots=True)
class Field:
    """A number in the data section.

    :ivar name: name in the schema.
    :ivar column: name in the row's dtype; that of the :class:`FlowBatch` column where there is one.
    :ivar code: little-endian NumPy type.
    :ivar offset: byte offset in the data section.
    :ivar default: what an absent field reads as; the wire has the value XOR this.
    """

    name: str
    column: str
    code: str
    offset: int
    default: int = 0


@attrs.frozen(slots=True)
class Pointer:
    """A pointer of the row: schema name, column (empty: no such column), index, and ``text``, ``data`` or ``list``."""

    name: str
    column: str
    index: int
    kind: str


FIELDS: tuple[Field, ...] = (
    Field("timestampNano", "timestamp_nano", "<i8", 0),
    Field("dstAs", "dst_as", "<u4", 8),
    Field("dstGeo", "dst_geo", "<u4", 12),
    Field("dstMac", "dst_mac", "<u4", 16),
    Field("headerLen", "header_len", "<u4", 20),
    Field("inBytes", "in_bytes", "<u8", 24),
    Field("inPkts", "in_pkts", "<u8", 32),
    Field("inputPort", "input_port", "<u4", 40),
    Field("ipSize", "ip_size", "<u4", 44),
    Field("ipv4DstAddr", "ipv4_dst_addr", "<u4", 48),
    Field("ipv4SrcAddr", "ipv4_src_addr", "<u4", 52),
    Field("l4DstPort", "l4_dst_port", "<u4", 56),
    Field("l4SrcPort", "l4_src_port", "<u4", 60),
    Field("outputPort", "output_port", "<u4", 64),
    Field("protocol", "protocol", "<u4", 68),
    Field("sampledPacketSize", "sampled_packet_size", "<u4", 72),
    Field("srcAs", "src_as", "<u4", 76),
    Field("srcGeo", "src_geo", "<u4", 80),
    Field("srcMac", "src_mac", "<u4", 84),
    Field("tcpFlags", "tcp_flags", "<u4", 88),
    Field("tos", "tos", "<u4", 92),
    Field("vlanIn", "vlan_in", "<u4", 96),
    Field("vlanOut", "vlan_out", "<u4", 100),
    Field("ipv4NextHop", "ipv4_next_hop", "<u4", 104),
    Field("mplsType", "mpls_type", "<u4", 108),
    Field("outBytes", "out_bytes", "<u8", 112),
    Field("outPkts", "out_pkts", "<u8", 120),
    Field("tcpRetransmit", "tcp_retransmit", "<u4", 128),
    Field("sampleRate", "sample_rate", "<u4", 132),
    Field("deviceId", "device_id", "<u4", 136),
    Field("srcNextHopAs", "src_next_hop_as", "<u4", 140),
    Field("timestamp", "timestamp", "<i8", 144),
    Field("dstNextHopAs", "dst_next_hop_as", "<u4", 152),
    Field("srcGeoRegion", "src_geo_region", "<u4", 156),
    Field("dstGeoRegion", "dst_geo_region", "<u4", 160),
    Field("srcGeoCity", "src_geo_city", "<u4", 164),
    Field("dstGeoCity", "dst_geo_city", "<u4", 168),
    Field("big, sampleAdj, isMetric", "flags", "<u1", 172),
    Field("srcRouteLength", "src_route_length", "<u1", 173),
    Field("dstRouteLength", "dst_route_length", "<u1", 174),
    Field("ipv4DstNextHop", "ipv4_dst_next_hop", "<u4", 176),
    Field("ipv4SrcNextHop", "ipv4_src_next_hop", "<u4", 180),
    Field("srcRoutePrefix", "src_route_prefix", "<u4", 184),
    Field("dstRoutePrefix", "dst_route_prefix", "<u4", 188),
    Field("srcSecondAsn", "src_second_asn", "<u4", 192),
    Field("dstSecondAsn", "dst_second_asn", "<u4", 196),
    Field("srcThirdAsn", "src_third_asn", "<u4", 200),
    Field("dstThirdAsn", "dst_third_asn", "<u4", 204),
    Field("srcEthMac", "src_eth_mac", "<u8", 208),
    Field("dstEthMac", "dst_eth_mac", "<u8", 216),
    Field("appProtocol", "app_protocol", "<u4", 224, UNSET_APP_PROTOCOL),
)

POINTERS: tuple[Pointer, ...] = (
    Pointer("srcFlowTags", "src_flow_tags", 0, "text"),
    Pointer("dstFlowTags", "dst_flow_tags", 1, "text"),
    Pointer("flowTags", "flow_tags", 2, "text"),
    Pointer("dstBgpAsPath", "dst_bgp_as_path", 3, "text"),
    Pointer("dstBgpCommunity", "dst_bgp_community", 4, "text"),
    Pointer("srcBgpAsPath", "src_bgp_as_path", 5, "text"),
    Pointer("srcBgpCommunity", "src_bgp_community", 6, "text"),
    Pointer("ipv6DstAddr", "ipv6_dst_addr", 7, "data"),
    Pointer("ipv6SrcAddr", "ipv6_src_addr", 8, "data"),
    Pointer("custom", "", 9, "list"),
    Pointer("ipv6SrcNextHop", "ipv6_src_next_hop", 10, "data"),
    Pointer("ipv6DstNextHop", "ipv6_dst_next_hop", 11, "data"),
    Pointer("ipv6SrcRoutePrefix", "ipv6_src_route_prefix", 12, "data"),
    Pointer("ipv6DstRoutePrefix", "ipv6_dst_route_prefix", 13, "data"),
)

CUSTOM_POINTER = 9
ANY_DATA = ("ipv6DstAddr", 7)
"""Some field that is ``Data``, and its index: the way to a block of bytes of any size in a message."""

CUSTOM_KINDS: tuple[str, ...] = ("<u4", "<f4", "S", "<u8", "address", "<u2", "u1")
"""What the discriminant of a custom value says it is, by its number."""
TEXT_KIND = 2
WIDE_KIND = 3
ADDRESS_KIND = 4
CUSTOM_ADDRESS_BYTES = 17
"""Family (4 or 6), address, zeros."""


def row_dtype(data_words: int = DATA_WORDS, pointer_words: int = POINTER_WORDS) -> np.dtype[np.void]:
    """The structured dtype of one row of a list whose structs have the given section sizes.

    It has the fields that fit into the data section, under their column names: an older
    sender's rows lack the newer ones, a newer sender's have more behind.
    """
    fields = [field for field in FIELDS if field.offset + np.dtype(field.code).itemsize <= data_words * WORD]
    return np.dtype(
        {
            "names": [field.column for field in fields],
            "formats": [field.code for field in fields],
            "offsets": [field.offset for field in fields],
            "itemsize": (data_words + pointer_words) * WORD,
        }
    )


def struct_size(data_words: int, pointer_words: int) -> int:
    """A struct pointer to the word behind it; or, with an element count in place of the offset, a list's tag."""
    return pointer_words << 48 | data_words << 32
