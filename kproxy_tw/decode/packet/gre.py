"""GRE and its relatives: PPTP's version 1, NVGRE, ERSPAN.

Sources: RFC 2784 and 2890, RFC 2637, RFC 7637, draft-foschiano-erspan.
"""

from __future__ import annotations

import numpy as np

from kproxy_tw.decode.packet.front import peek, peek16
from kproxy_tw.decode.packet.layouts import (
    ETHERNET,
    IPV4,
    IPV6,
    KIND_BY_TYPE,
    MPLS,
    NOTHING,
    PPP,
)
from kproxy_tw.decode.spans import Mask, Octets, Offsets, Spans, Words

CHECKSUM, ROUTING, KEY, SEQUENCE, ACKNOWLEDGEMENT, VERSION = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080, 0x0007
PPTP_TYPE, ERSPAN2_TYPE, ERSPAN3_TYPE = 0x880B, 0x88BE, 0x22EB
ERSPAN2_BYTES, ERSPAN3_BYTES, ERSPAN3_PLATFORM_BYTES = 8, 12, 8

ETHERNET_ONLY = np.isin(KIND_BY_TYPE, (ETHERNET, IPV4, IPV6, MPLS)).astype(np.uint8)
"""By Ethernet type: 1 for those that a tunnel may carry."""


def gre(data: Octets, spans: Spans) -> tuple[Offsets, Octets, Words]:
    """Step over the header; gives where the inner packets start, what they begin with, and the keys.

    Of ERSPAN the session number stands for the key, of PPTP the call number.
    """
    flags, types = peek16(data, spans, 0), peek16(data, spans, 2)
    version = flags & VERSION
    key_at = np.where(flags & CHECKSUM, 8, 4)
    keys = Spans(spans.rows, spans.starts + key_at, spans.ends)
    ids = np.where(flags & KEY, peek16(data, keys, 0) << 16 | peek16(data, keys, 2), 0)
    ids = np.where(version == 1, ids & 0xFFFF, ids)
    size = key_at + np.where(flags & KEY, 4, 0) + np.where(flags & SEQUENCE, 4, 0)
    size = size + np.where((version == 1) & (flags & ACKNOWLEDGEMENT != 0), 4, 0)
    kinds = KIND_BY_TYPE[types] * ETHERNET_ONLY[types]
    kinds[(version == 1) & (types == PPTP_TYPE)] = PPP
    spans = spans.moved(size)
    mirrored = np.isin(types, (ERSPAN2_TYPE, ERSPAN3_TYPE))
    if mirrored.any():
        spans, ids = _erspan(data, spans, types, flags & SEQUENCE != 0, ids)
        kinds[mirrored] = ETHERNET
    wrong = (version > 1) | ((version == 1) & (types != PPTP_TYPE)) | (flags & ROUTING != 0)
    kinds[wrong] = NOTHING
    return spans.starts, kinds, ids.astype(np.uint32)


def _erspan(data: Octets, spans: Spans, types: Offsets, numbered: Mask, ids: Offsets) -> tuple[Spans, Offsets]:
    """Types I (no sequence number, no header), II and III: the header in front of the mirrored frame."""
    two, three = (types == ERSPAN2_TYPE) & numbered, types == ERSPAN3_TYPE
    platform = three & (peek(data, spans, ERSPAN3_BYTES - 1) & 1 == 1)
    ids = np.where(two | three, peek16(data, spans, 2) & 0x03FF, ids)
    size = np.where(two, ERSPAN2_BYTES, 0) + np.where(three, ERSPAN3_BYTES, 0)
    return spans.moved(size + np.where(platform, ERSPAN3_PLATFORM_BYTES, 0)), ids
