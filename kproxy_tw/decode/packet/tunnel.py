"""Tunnels: which packets carry another one, whose tunnel it is, and where the inner packet starts.

A tunnel in UDP is known by its port of destination (IANA's registry, and Linux's old port for VXLAN); the header behind
it has to be sound.

Sources: RFC 2784 and 2890 (GRE), 2637 (PPTP), 7637 (NVGRE), draft-foschiano-erspan; RFC 2003, 2473, 3378 (EtherIP),
8986 (SRv6), 4023 and 7510 (MPLS in IP and in UDP); RFC 7348 (VXLAN), draft-ietf-nvo3-vxlan-gpe; RFC 8926 (Geneve);
RFC 9300 (LISP); 3GPP TS 29.281 (GTP-U).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np

from kproxy_tw.decode.packet.front import Front, peek, peek16
from kproxy_tw.decode.packet.gre import ETHERNET_ONLY, gre
from kproxy_tw.decode.packet.layouts import (
    ETHERIP,
    ETHERNET,
    ETHERNET_IN_IP,
    GRE,
    IP6_IN_IP,
    IP_IN_IP,
    IPV4,
    IPV6,
    KIND_BY_NIBBLE,
    KIND_BY_TYPE,
    MPLS,
    MPLS_IN_IP,
    NOTHING,
    UDP,
)
from kproxy_tw.decode.spans import Octets, Offsets, Spans, Words
from kproxy_tw.flowbatch import Column

UDP_BYTES = 8
MAX_GTP_EXTENSIONS = 4
"""Extension headers of one GTP-U packet that are stepped over."""

VXLAN, VXLAN_GPE, GENEVE, GTP, LISP, MPLS_IN_UDP = 1, 2, 3, 4, 5, 6
TUNNEL_OF_PORT: Mapping[int, int] = {
    4789: VXLAN,
    8472: VXLAN,
    4790: VXLAN_GPE,
    6081: GENEVE,
    2152: GTP,
    4341: LISP,
    6635: MPLS_IN_UDP,
}
TUNNEL_BY_PORT = np.zeros(1 << 16, np.uint8)
TUNNEL_BY_PORT[list(TUNNEL_OF_PORT)] = list(TUNNEL_OF_PORT.values())

KIND_BY_GPE = np.array([NOTHING, IPV4, IPV6, ETHERNET, NOTHING, MPLS] + [NOTHING] * 250, np.uint8)
"""By next protocol of VXLAN-GPE."""

Found = tuple[Offsets, Octets, Words]
"""Where the inner packets start, what they begin with (``NOTHING`` where the header is not sound), and whose tunnels
they are in: VNI, key or endpoint identifier, 0 for none."""

Opener = Callable[[Octets, Spans], Found]
"""``(data, spans)``: the spans begin at the tunnel's own header."""


@attrs.frozen(slots=True, eq=False)
class Tunnels:
    """The packets that carry another one; arrays of one length.

    :ivar rows: ascending.
    :ivar kinds: what the inner packet begins with.
    :ivar names: ``gre``, ``ipip``, ``vxlan`` and so on, as text columns have it.
    :ivar ids: VNI, VSID, key or endpoint identifier; 0 for none.
    """

    rows: Offsets
    starts: Offsets
    kinds: Octets
    names: Column
    ids: Words


def find_tunnels(data: Octets, payloads: Front) -> Tunnels:
    """Look into what the IP packets carry.

    :param payloads: protocols and where their headers start; see ``packet_ip.read_network``.
    """
    parts = [
        _opened(name, data, payloads.of(protocol), opener)
        for protocol, (name, opener) in BY_PROTOCOL.items()
        if (payloads.kinds == protocol).any()
    ]
    parts += _in_udp(data, payloads.of(UDP))
    parts = [part for part in parts if part.rows.size]
    if len(parts) < 2:
        return parts[0] if parts else _opened("", data, payloads.at(np.empty(0, np.intp)), _ip_packet)
    names = ("rows", "starts", "kinds", "names", "ids")
    rows, *others = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    order = np.argsort(rows)
    return Tunnels(rows[order], *(column[order] for column in others))


def _in_udp(data: Octets, spans: Spans) -> list[Tunnels]:
    spans = spans.where(spans.with_room(UDP_BYTES))
    if not spans.rows.size:
        return []
    tunnels = TUNNEL_BY_PORT[peek16(data, spans, 2)]
    spans = spans.moved(UDP_BYTES)
    return [
        _opened(name, data, spans.where(tunnels == number), opener)
        for number, (name, opener) in BY_PORT.items()
        if (tunnels == number).any()
    ]


def _opened(name: str, data: Octets, spans: Spans, opener: Opener) -> Tunnels:
    starts, kinds, ids = opener(data, spans)
    sound = (kinds != NOTHING) & (starts <= spans.ends)  # the tunnel's own header was captured in full
    rows = spans.rows[sound]
    names = np.full(len(rows), name.encode("ascii"))
    return Tunnels(rows, starts[sound], kinds[sound], names, ids[sound])


def _begin(kind: int) -> Opener:
    """For a tunnel that has no header of its own."""

    def opener(_data: Octets, spans: Spans) -> Found:
        return spans.starts, np.full(len(spans.rows), kind, np.uint8), _no_ids(spans)

    return opener


def _ip_packet(data: Octets, spans: Spans) -> Found:
    """IPv4 or IPv6, whatever the outer header said: some senders use one number for both."""
    return spans.starts, KIND_BY_NIBBLE[peek(data, spans, 0) >> 4], _no_ids(spans)


def _etherip(data: Octets, spans: Spans) -> Found:
    sound = peek(data, spans, 0) == 0x30
    return spans.starts + 2, np.where(sound, ETHERNET, NOTHING).astype(np.uint8), _no_ids(spans)


def _no_ids(spans: Spans) -> Words:
    return np.zeros(len(spans.rows), np.uint32)


def _id24(data: Octets, spans: Spans, offset: int) -> Words:
    return (peek16(data, spans, offset) << 8 | peek(data, spans, offset + 2)).astype(np.uint32)


def _vxlan(data: Octets, spans: Spans) -> Found:
    sound = (peek(data, spans, 0) & 0x08 != 0) & spans.with_room(8)
    return spans.starts + 8, np.where(sound, ETHERNET, NOTHING).astype(np.uint8), _id24(data, spans, 4)


def _vxlan_gpe(data: Octets, spans: Spans) -> Found:
    flags = peek(data, spans, 0)
    kinds = np.where(flags & 0x04 != 0, KIND_BY_GPE[peek(data, spans, 3)], np.uint8(ETHERNET))
    kinds[(flags & 0x38 != 0x08) | ~spans.with_room(8)] = NOTHING  # version 0, with a VNI
    return spans.starts + 8, kinds, _id24(data, spans, 4)


def _geneve(data: Octets, spans: Spans) -> Found:
    first = peek(data, spans, 0)
    kinds = KIND_BY_TYPE[peek16(data, spans, 2)] * ETHERNET_ONLY[peek16(data, spans, 2)]
    kinds[(first >> 6 != 0) | ~spans.with_room(8)] = NOTHING
    return spans.starts + 8 + (first & 0x3F).astype(np.intp) * 4, kinds, _id24(data, spans, 4)


def _lisp(data: Octets, spans: Spans) -> Found:
    has_instance = peek(data, spans, 0) & 0x08 != 0
    ids = np.where(has_instance, _id24(data, spans, 4), 0).astype(np.uint32)
    inner = spans.moved(8)
    return inner.starts, KIND_BY_NIBBLE[peek(data, inner, 0) >> 4], ids


def _gtp(data: Octets, spans: Spans) -> Found:
    """GTP-U version 1, user data (type 255); sequence number, N-PDU number and extension headers are stepped over."""
    flags = peek(data, spans, 0)
    ids = (peek16(data, spans, 4) << 16 | peek16(data, spans, 6)).astype(np.uint32)
    sound = (flags & 0xF0 == 0x30) & (peek(data, spans, 1) == 0xFF)
    following = np.where(flags & 0x04 != 0, peek(data, spans, 11), 0)
    inner = spans.moved(np.where(flags & 0x07 != 0, 12, 8))
    for _ in range(MAX_GTP_EXTENSIONS):
        here = np.flatnonzero(following)
        if not here.size:
            break
        sizes = peek(data, Spans(here, inner.starts[here], inner.ends[here]), 0).astype(np.intp) * 4
        sound[here[sizes == 0]] = False
        inner = inner.moved_at(here, sizes)
        following[here] = peek(data, Spans(here, inner.starts[here], inner.ends[here]), -1)
    kinds = KIND_BY_NIBBLE[peek(data, inner, 0) >> 4]
    kinds[~sound | (following != 0)] = NOTHING
    return inner.starts, kinds, ids


BY_PROTOCOL: Mapping[int, tuple[str, Opener]] = {
    IP_IN_IP: ("ipip", _ip_packet),
    IP6_IN_IP: ("ipip", _ip_packet),
    GRE: ("gre", gre),
    ETHERIP: ("etherip", _etherip),
    MPLS_IN_IP: ("mpls", _begin(MPLS)),
    ETHERNET_IN_IP: ("ethernet", _begin(ETHERNET)),
}
BY_PORT: Mapping[int, tuple[str, Opener]] = {
    VXLAN: ("vxlan", _vxlan),
    VXLAN_GPE: ("vxlan-gpe", _vxlan_gpe),
    GENEVE: ("geneve", _geneve),
    GTP: ("gtp-u", _gtp),
    LISP: ("lisp", _lisp),
    MPLS_IN_UDP: ("mpls", _begin(MPLS)),
}
