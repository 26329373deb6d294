"""Whether a UDP payload is a flow datagram: other protocols may begin with the same bytes."""

from __future__ import annotations

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import unpacker

_words = unpacker("HHI")
_sflow = unpacker("II")

MOST_RECORDS = 1400
EARLIEST, LATEST = 631_152_000, 4_102_444_800
"""1990 and 2100: export times outside are no export times."""


def is_flow(data: bytes) -> bool:
    """Whether the header of ``data`` could be one of NetFlow v5, v9, IPFIX or sFlow v5."""
    try:
        version, second, third = _words(data, 0)
        if version == 5:
            return 0 < second <= MOST_RECORDS and len(data) >= 24
        if version == 9:
            return len(data) >= 20 and second <= MOST_RECORDS * 32
        if version == 10:
            return 16 <= second <= len(data) and EARLIEST <= third <= LATEST
        return _sflow(data, 0) in ((5, 1), (5, 2)) and len(data) >= 28
    except MalformedInput:
        return False
