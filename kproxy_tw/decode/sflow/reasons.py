"""Why a packet was discarded: sFlow's codes, their names, and what IPFIX calls the same.

Sources: sFlow Version 5 (codes below 256 are those of ICMP's "destination unreachable", RFC 1812), sFlow Dropped Packet
Notification Structures (2020); IPFIX element 89, ``forwardingStatus`` (RFC 7270).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kproxy_tw.decode.spans import Octets, Words

REASONS: Mapping[int, str] = (
    dict(
        enumerate(
            (
                "net unreachable",
                "host unreachable",
                "protocol unreachable",
                "port unreachable",
                "fragmentation needed",
                "source route failed",
                "destination network unknown",
                "destination host unknown",
                "source host isolated",
                "destination network prohibited",
                "destination host prohibited",
                "destination network TOS unreachable",
                "destination host TOS unreachable",
                "communication prohibited",
                "host precedence violation",
                "precedence cutoff",
            )
        )
    )
    | dict(
        enumerate(
            (
                "unknown",
                "TTL exceeded",
                "ACL",
                "no buffer space",
                "RED",
                "traffic shaping",
                "packet too big",
                "source MAC is multicast",
                "VLAN tag mismatch",
                "ingress VLAN filter",
                "ingress spanning tree filter",
                "port list is empty",
                "port loopback filter",
                "blackhole route",
                "not IP",
                "unicast destination over multicast MAC",
                "destination is loopback address",
                "source is multicast",
                "source is loopback address",
                "IP header corrupted",
                "IPv4 source is limited broadcast",
                "IPv6 multicast destination reserved scope",
                "IPv6 multicast destination interface-local scope",
                "unresolved neighbor",
                "multicast reverse path forwarding",
                "not routable packet",
                "decapsulation error",
                "overlay source MAC is multicast",
                "unknown layer 2",
                "unknown layer 3",
                "unknown layer 3 exception",
                "unknown buffer",
                "unknown tunnel",
                "unknown layer 4",
                "source IP is unspecified",
                "MLAG port isolation",
                "blackhole ARP or neighbor",
                "source MAC is destination MAC",
                "destination MAC is reserved",
                "source IP is class E",
                "multicast destination MAC mismatch",
                "source IP is destination IP",
                "destination IP is local network",
                "destination IP is link-local",
                "overlay source MAC is destination MAC",
                "egress VLAN filter",
                "unicast reverse path forwarding",
                "split horizon",
                "locked port",
                "destination MAC filter",
                "blackhole next hop",
                *(
                    f"cannot parse {layer}"
                    for layer in (
                        "VXLAN",
                        "LLC SNAP",
                        "VLAN",
                        "PPPoE or PPP",
                        "MPLS",
                        "ARP",
                        "outer IP",
                        "inner IP",
                        "GRE",
                        "UDP",
                        "TCP",
                        "IPsec",
                        "SCTP",
                        "DCCP",
                        "GTP",
                        "ESP",
                        "packet",
                    )
                ),
                "packet too small",
                "unhandled protocol",
                "IPv6 disabled",
                "invalid protocol",
            ),
            256,
        )
    )
    | {335: "reverse path forwarding", 372: "BGP flow specification"}
)
"""By code; others are shown as numbers."""

FORWARDED, DROPPED, TO_US = 64, 128, 195
"""``forwardingStatus``: forwarded and dropped for an unknown reason; consumed because it was for the device."""

_STATUS: Mapping[int, int] = {
    0: 131,  # unroutable
    1: 132,  # adjacency
    4: 133,  # fragmentation and DF
    6: 131,
    7: 131,
    9: 129,  # ACL deny
    10: 129,
    11: 131,
    12: 131,
    13: 129,
    257: 137,  # bad TTL
    258: 129,
    260: 139,  # WRED
    261: 138,  # policer
    262: 133,
    269: 131,
    275: 136,  # bad header
    279: 132,
    280: 140,  # RPF
    281: 131,
    292: 132,
    302: 140,
    306: 131,
    335: 140,
    372: 129,
}
STATUS_BY_REASON = np.full(512, DROPPED, np.uint8)
STATUS_BY_REASON[list(_STATUS)] = list(_STATUS.values())


def status_of(reasons: Words) -> Octets:
    """IPFIX's code for each of sFlow's."""
    return STATUS_BY_REASON[np.minimum(reasons, len(STATUS_BY_REASON) - 1)]


def reason_name(code: int) -> str:
    """The reason in words."""
    return REASONS.get(code, f"reason {code}")
