"""Numbers and header layouts of link, network and transport layers: data only.

Sources: sFlow version 5 (``header_protocol``); IEEE 802.3, 802.1Q, 802.1ah; RFC 1332, 1661, 1662, 2516 (PPP),
RFC 3032 and 4385 (MPLS), RFC 791, 8200, 4302, 9293, 768, 792, 4443; IANA's registries.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kproxy_tw.decode.spans import Mask, Octets

NOTHING = 0
"""Nothing that is parsed: an unknown protocol, or a header that is cut off or wrong."""

ETHERNET, PPP, IPV4, IPV6, MPLS, POS, WIRELESS, SUBFRAME = 1, 7, 11, 12, 13, 14, 15, 17
"""What a capture begins with, numbered as sFlow version 5 does (``header_protocol``)."""

TAG, LLC, PPPOE, BACKBONE = 64, 65, 66, 67
"""What may stand between: a VLAN tag, IEEE 802.2, PPP over Ethernet, a backbone service tag (802.1ah)."""

KINDS = 68
LINKS = (ETHERNET, PPP, IPV4, IPV6, MPLS, POS, WIRELESS, SUBFRAME)

TAG_TYPES = (0x8100, 0x88A8, 0x9100, 0x9200)
"""Ethernet types of a VLAN tag: 802.1Q, 802.1ad, and two that were in use before 802.1ad."""

TYPE_IPV4, TYPE_IPV6, TYPE_ARP = 0x0800, 0x86DD, 0x0806
FIRST_TYPE = 0x0600
"""Smaller values of an Ethernet type are the length of what follows, which then begins with IEEE 802.2."""

KIND_OF_ETHERNET_TYPE: Mapping[int, int] = {
    TYPE_IPV4: IPV4,
    TYPE_IPV6: IPV6,
    0x6558: ETHERNET,
    0x8847: MPLS,
    0x8848: MPLS,
    0x8864: PPPOE,
    0x880B: PPP,
    0x88E7: BACKBONE,
    **dict.fromkeys(TAG_TYPES, TAG),
}
KIND_OF_PPP: Mapping[int, int] = {0x0021: IPV4, 0x0057: IPV6, 0x0281: MPLS, 0x0283: MPLS}

ICMP, IP_IN_IP, TCP, UDP, DCCP, IP6_IN_IP, FRAGMENT, GRE, AUTHENTICATION = 1, 4, 6, 17, 33, 41, 44, 47, 51
ICMPV6, ETHERIP, SCTP, UDP_LITE, MPLS_IN_IP, ETHERNET_IN_IP = 58, 97, 132, 136, 137, 143
"""IANA protocol numbers."""

EXTENSIONS = (0, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140)
"""IPv6 extension headers that can be stepped over: hop by hop, routing, these two, destination, mobility, HIP, shim."""

ETHERNET_HEADER = np.dtype(
    [("dst_high", ">u2"), ("dst_low", ">u4"), ("src_high", ">u2"), ("src_low", ">u4"), ("type", ">u2")]
)
TAG_HEADER = np.dtype([("control", ">u2"), ("type", ">u2")])
LLC_HEADER = np.dtype([("saps", ">u2"), ("control", "u1")])
SNAP_HEADER = np.dtype([("organization", "u1", 3), ("type", ">u2")])
LABEL = np.dtype([("label", ">u4")])
IPV4_HEADER = np.dtype(
    [
        ("version_size", "u1"),
        ("tos", "u1"),
        ("size", ">u2"),
        ("id", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("src", ">u4"),
        ("dst", ">u4"),
    ]
)
IPV6_HEADER = np.dtype(
    [("class_flow", ">u4"), ("payload", ">u2"), ("next", "u1"), ("hops", "u1"), ("src", "u1", 16), ("dst", "u1", 16)]
)
EXTENSION_HEADER = np.dtype([("next", "u1"), ("size", "u1"), ("fragment", ">u2"), ("rest", "u4")])
PORTS = np.dtype([("src", ">u2"), ("dst", ">u2")])
TYPE_CODE = np.dtype([("type_code", ">u2")])
FLAGS = np.dtype([("before", "V13"), ("flags", "u1")])


def _kinds(size: int, numbers: Mapping[int, int]) -> Octets:
    found = np.zeros(size, np.uint8)
    found[list(numbers)] = list(numbers.values())
    return found


def _members(numbers: tuple[int, ...]) -> Mask:
    found = np.zeros(256, np.bool_)
    found[list(numbers)] = True
    return found


KIND_BY_TYPE = _kinds(1 << 16, KIND_OF_ETHERNET_TYPE)
KIND_BY_TYPE[:FIRST_TYPE] = LLC
KIND_BY_PPP = _kinds(1 << 16, KIND_OF_PPP)
KIND_BY_LINK = _kinds(256, {kind: kind for kind in LINKS})
KIND_BY_NIBBLE = _kinds(16, {4: IPV4, 6: IPV6})
"""By Ethernet type, PPP protocol, sFlow header protocol, first 4 bits of an IP packet: what comes next."""

IS_EXTENSION = _members(EXTENSIONS)
HAS_PORTS = _members((TCP, UDP, DCCP, SCTP, UDP_LITE))
HAS_TYPE_CODE = _members((ICMP, ICMPV6))
"""By protocol number."""
