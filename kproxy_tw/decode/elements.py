"""Information elements as data: what each number in a template means and which column it fills.

NetFlow v9 field types (RFC 3954 section 8) and IPFIX information elements (IANA registry "IPFIX Information
Elements", RFC 7012) share their numbers. ``_TABLE`` is the one place that knows them. Its order matters: where a
template has several elements with the same target, the one that stands first here fills the column.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs

VARIABLE = 65535
"""The length in a template that says: each record tells the length itself (RFC 7011 section 7)."""

IANA = 0
"""The private enterprise number that stands for "no enterprise"."""

REVERSE = 29305
"""The enterprise number of elements that describe the other direction of a biflow (RFC 5103 section 6.1)."""


class Kind(StrEnum):
    """What the bytes of an element are, and so how they become a column."""

    UNSIGNED = "unsigned"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    MAC = "mac"
    DSCP = "dscp"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    NTP = "ntp"
    UPTIME = "uptime"
    DELTA = "delta"
    OPAQUE = "opaque"


LEGAL_LENGTHS: Mapping[Kind, frozenset[int]] = MappingProxyType(
    {
        Kind.UNSIGNED: frozenset(range(1, 9)),
        Kind.IPV4: frozenset({4}),
        Kind.IPV6: frozenset({16}),
        Kind.MAC: frozenset({6}),
        Kind.DSCP: frozenset({1}),
        Kind.SECONDS: frozenset({4, 8}),
        Kind.MILLISECONDS: frozenset({8}),
        Kind.NTP: frozenset({8}),
        Kind.UPTIME: frozenset({4, 8}),
        Kind.DELTA: frozenset(range(1, 9)),
    }
)
"""Lengths in bytes that a template may give to an element; numbers may be shorter or longer than their
definition (RFC 7011 section 6.2, RFC 3954 section 8), addresses may not. A kind that is not listed may have any."""


@attrs.frozen(slots=True)
class Element:
    """One information element.

    :ivar name: the IANA name in its own spelling; ``reverse`` in front for the other direction of a biflow.
    :ivar kind: what its bytes are.
    :ivar target: a column of :mod:`kproxy_tw.flowbatch`, or a name that :mod:`kproxy_tw.decode.derive` turns into
        columns, or empty: the element has a name only.
    :ivar rank: its place in the table; of several elements with one target the lowest rank wins.
    """

    name: str
    kind: Kind
    target: str
    rank: int

    def allows(self, length: int) -> bool:
        """Whether a template may give it ``length`` bytes. 0 is allowed: some exporters fill templates up so."""
        legal = LEGAL_LENGTHS.get(self.kind)
        return legal is None or length == 0 or length in legal


# enterprise, number, kind, name, target
_TABLE = """
    0   1 unsigned     octetDeltaCount                   in_bytes
    0 231 unsigned     initiatorOctets                   in_bytes
    0  85 unsigned     octetTotalCount                   in_bytes
    0 352 unsigned     layer2OctetDeltaCount             in_bytes
    0   2 unsigned     packetDeltaCount                  in_pkts
    0 298 unsigned     initiatorPackets                  in_pkts
    0  86 unsigned     packetTotalCount                  in_pkts
    0  23 unsigned     postOctetDeltaCount               out_bytes
    0 232 unsigned     responderOctets                   out_bytes
29305   1 unsigned     reverseOctetDeltaCount            out_bytes
29305  85 unsigned     reverseOctetTotalCount            out_bytes
    0  24 unsigned     postPacketDeltaCount              out_pkts
    0 299 unsigned     responderPackets                  out_pkts
29305   2 unsigned     reversePacketDeltaCount           out_pkts
29305  86 unsigned     reversePacketTotalCount           out_pkts
    0   4 unsigned     protocolIdentifier                protocol
    0   5 unsigned     ipClassOfService                  tos
    0 195 dscp         ipDiffServCodePoint               tos
    0   6 unsigned     tcpControlBits                    tcp_flags
    0   7 unsigned     sourceTransportPort               l4_src_port
    0  11 unsigned     destinationTransportPort          l4_dst_port
    0 180 unsigned     udpSourcePort                     l4_src_port
    0 182 unsigned     tcpSourcePort                     l4_src_port
    0 181 unsigned     udpDestinationPort                l4_dst_port
    0 183 unsigned     tcpDestinationPort                l4_dst_port
    0   8 ipv4         sourceIPv4Address                 ipv4_src_addr
    0  12 ipv4         destinationIPv4Address            ipv4_dst_addr
    0  27 ipv6         sourceIPv6Address                 ipv6_src_addr
    0  28 ipv6         destinationIPv6Address            ipv6_dst_addr
    0   9 unsigned     sourceIPv4PrefixLength            src_route_length
    0  29 unsigned     sourceIPv6PrefixLength            src_route_length
    0  13 unsigned     destinationIPv4PrefixLength       dst_route_length
    0  30 unsigned     destinationIPv6PrefixLength       dst_route_length
    0  44 ipv4         sourceIPv4Prefix                  src_route_prefix
    0  45 ipv4         destinationIPv4Prefix             dst_route_prefix
    0 170 ipv6         sourceIPv6Prefix                  ipv6_src_route_prefix
    0 169 ipv6         destinationIPv6Prefix             ipv6_dst_route_prefix
    0  15 ipv4         ipNextHopIPv4Address              ipv4_next_hop
    0  18 ipv4         bgpNextHopIPv4Address             ipv4_dst_next_hop
    0  63 ipv6         bgpNextHopIPv6Address             ipv6_dst_next_hop
    0  62 ipv6         ipNextHopIPv6Address              ipv6_dst_next_hop
    0  10 unsigned     ingressInterface                  input_port
    0  14 unsigned     egressInterface                   output_port
    0  16 unsigned     bgpSourceAsNumber                 src_as
    0  17 unsigned     bgpDestinationAsNumber            dst_as
    0 129 unsigned     bgpPrevAdjacentAsNumber           src_next_hop_as
    0 128 unsigned     bgpNextAdjacentAsNumber           dst_next_hop_as
    0  56 mac          sourceMacAddress                  src_eth_mac
    0  81 mac          postSourceMacAddress              src_eth_mac
    0  80 mac          destinationMacAddress             dst_eth_mac
    0  57 mac          postDestinationMacAddress         dst_eth_mac
    0  58 unsigned     vlanId                            vlan_in
    0 243 unsigned     dot1qVlanId                       vlan_in
    0  59 unsigned     postVlanId                        vlan_out
    0 254 unsigned     postDot1qVlanId                   vlan_out
    0  46 unsigned     mplsTopLabelType                  mpls_type
    0  32 unsigned     icmpTypeCodeIPv4                  icmp4
    0 176 unsigned     icmpTypeIPv4                      icmp4_type
    0 177 unsigned     icmpCodeIPv4                      icmp4_code
    0 139 unsigned     icmpTypeCodeIPv6                  icmp6
    0 178 unsigned     icmpTypeIPv6                      icmp6_type
    0 179 unsigned     icmpCodeIPv6                      icmp6_code
    0  34 unsigned     samplingInterval                  sampling_interval
    0 305 unsigned     samplingPacketInterval            sampling_packets
    0 306 unsigned     samplingPacketSpace               sampling_space
    0 157 ntp          flowEndNanoseconds                time
    0 155 ntp          flowEndMicroseconds               time
    0 153 milliseconds flowEndMilliseconds               time
    0 151 seconds      flowEndSeconds                    time
    0  21 uptime       flowEndSysUpTime                  time
    0 159 delta        flowEndDeltaMicroseconds          time
    0 325 ntp          observationTimeNanoseconds        time
    0 324 ntp          observationTimeMicroseconds       time
    0 323 milliseconds observationTimeMilliseconds       time
    0 322 seconds      observationTimeSeconds            time
    0 156 ntp          flowStartNanoseconds              time
    0 154 ntp          flowStartMicroseconds             time
    0 152 milliseconds flowStartMilliseconds             time
    0 150 seconds      flowStartSeconds                  time
    0  22 uptime       flowStartSysUpTime                time
    0 158 delta        flowStartDeltaMicroseconds        time
    0 160 milliseconds systemInitTimeMilliseconds        boot_time
    0   3 unsigned     deltaFlowCount
    0  25 unsigned     minimumIpTotalLength
    0  26 unsigned     maximumIpTotalLength
    0  31 unsigned     flowLabelIPv6
    0  33 unsigned     igmpType
    0  35 unsigned     samplingAlgorithm
    0  36 unsigned     flowActiveTimeout
    0  37 unsigned     flowIdleTimeout
    0  38 unsigned     engineType
    0  39 unsigned     engineId
    0  40 unsigned     exportedOctetTotalCount
    0  41 unsigned     exportedMessageTotalCount
    0  42 unsigned     exportedFlowRecordTotalCount
    0  47 ipv4         mplsTopLabelIPv4Address
    0  48 unsigned     samplerId
    0  49 unsigned     samplerMode
    0  50 unsigned     samplerRandomInterval
    0  52 unsigned     minimumTTL
    0  53 unsigned     maximumTTL
    0  54 unsigned     fragmentIdentification
    0  55 unsigned     postIpClassOfService
    0  60 unsigned     ipVersion
    0  61 unsigned     flowDirection
    0  64 opaque       ipv6ExtensionHeaders
    0  70 opaque       mplsTopLabelStackSection
    0  71 opaque       mplsLabelStackSection2
    0  72 opaque       mplsLabelStackSection3
    0  82 opaque       interfaceName
    0  83 opaque       interfaceDescription
    0  84 opaque       samplerName
    0  88 unsigned     fragmentOffset
    0  89 unsigned     forwardingStatus
    0  90 opaque       mplsVpnRouteDistinguisher
    0  92 unsigned     srcTrafficIndex
    0  93 unsigned     dstTrafficIndex
    0  94 opaque       applicationDescription
    0  95 opaque       applicationId
    0  96 opaque       applicationName
    0 130 ipv4         exporterIPv4Address
    0 131 ipv6         exporterIPv6Address
    0 136 unsigned     flowEndReason
    0 138 unsigned     observationPointId
    0 143 unsigned     meteringProcessId
    0 144 unsigned     exportingProcessId
    0 148 unsigned     flowId
    0 149 unsigned     observationDomainId
    0 161 unsigned     flowDurationMilliseconds
    0 184 unsigned     tcpSequenceNumber
    0 196 unsigned     ipPrecedence
    0 210 opaque       paddingOctets
    0 223 unsigned     tcpUrgTotalCount
    0 225 ipv4         postNATSourceIPv4Address
    0 226 ipv4         postNATDestinationIPv4Address
    0 227 unsigned     postNAPTSourceTransportPort
    0 228 unsigned     postNAPTDestinationTransportPort
    0 233 unsigned     firewallEvent
    0 234 unsigned     ingressVRFID
    0 235 unsigned     egressVRFID
    0 236 opaque       VRFname
    0 239 unsigned     biflowDirection
    0 281 ipv6         postNATSourceIPv6Address
    0 282 ipv6         postNATDestinationIPv6Address
    0 291 opaque       basicList
    0 292 opaque       subTemplateList
    0 293 opaque       subTemplateMultiList
    0 302 unsigned     selectorId
    0 304 unsigned     selectorAlgorithm
    0 309 unsigned     samplingSize
    0 310 unsigned     samplingPopulation
    0 315 opaque       dataLinkFrameSection
    0 346 unsigned     privateEnterpriseNumber
29305   5 unsigned     reverseIpClassOfService
29305  58 unsigned     reverseVlanId
"""


def _elements() -> dict[tuple[int, int], Element]:
    found = {}
    for rank, line in enumerate(_TABLE.strip().splitlines()):
        pen, number, kind, name, *target = line.split()
        found[int(pen), int(number)] = Element(name, Kind(kind), "".join(target), rank)
    return found


ELEMENTS: Mapping[tuple[int, int], Element] = MappingProxyType(_elements())
"""(enterprise, number) to element."""

V9_SCOPES: Mapping[int, str] = MappingProxyType(
    {1: "System", 2: "Interface", 3: "Line Card", 4: "Cache", 5: "Template"}
)
"""NetFlow v9 scope field types (RFC 3954 section 6.1)."""


def element_name(pen: int, number: int) -> str:
    """The name of an element, or empty when the table does not have it."""
    found = ELEMENTS.get((pen, number))
    return found.name if found is not None else ""
