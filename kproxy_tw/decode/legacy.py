"""NetFlow versions 1 and 7 (Cisco), of old routers and Catalyst switches: fixed records like those of version 5.

Version 1 has no sequence number. Nobody sends much of them, so that datagrams are walked one by one.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kproxy_tw.decode.layout import TemplateLayout
from kproxy_tw.decode.netflow5 import fields_of
from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import unpacker

RECORD_LENGTH = 52
MOST_RECORDS = 65507 // RECORD_LENGTH

_HEADER = unpacker("HHIII")
_BEFORE_PORTS = (
    "8/4 srcaddr 12/4 dstaddr 15/4 nexthop 10/2 input 14/2 output 2/4 dPkts 1/4 dOctets 22/4 first 21/4 last "
)
_VERSION_1 = _BEFORE_PORTS + "7/2 srcport 11/2 dstport 210/2 pad1 4/1 prot 5/1 tos 6/1 tcp_flags 210/11 pad2"
_VERSION_7 = (
    _BEFORE_PORTS + "7/2 srcport 11/2 dstport 210/1 flags1 6/1 tcp_flags 4/1 prot 5/1 tos 16/2 src_as 17/2 dst_as "
    "9/1 src_mask 13/1 dst_mask 210/2 flags2 210/4 router_sc"
)


@attrs.frozen
class LegacyFormat:
    """A version. ``header``: bytes in front of the records."""

    header: int
    layout: TemplateLayout


FORMATS: Mapping[bytes, LegacyFormat] = {
    b"\x00\x01": LegacyFormat(16, TemplateLayout("netflow1", fields_of(_VERSION_1))),
    b"\x00\x07": LegacyFormat(24, TemplateLayout("netflow7", fields_of(_VERSION_7))),
}
"""By version word."""


def walk(data: bytes, received_ns: int) -> Walk:
    """Walk one datagram. Bytes behind the records that the header counts are padding.

    :param received_ns: when it came in, nanoseconds since 1970.
    :raises MalformedInput: the header is cut short, or counts more records than a datagram can hold.
    """
    form = FORMATS[data[:2]]
    _, told, uptime, seconds, nanoseconds = _HEADER(data, 0)
    if told > MOST_RECORDS or len(data) < form.header:
        raise MalformedInput(f"the header counts {told} records, a datagram of {len(data)} bytes cannot hold them")
    count = min(told, (len(data) - form.header) // RECORD_LENGTH)
    result = Walk(form.layout.flow_type, records=told, malformed=told - count)
    if count:
        clock = PacketClock(seconds * 1000 + nanoseconds // 1_000_000, uptime, received_ns)
        body = data[form.header : form.header + count * RECORD_LENGTH]
        result.sets.append(RecordSet(form.layout, count, body, clock))
    return result
