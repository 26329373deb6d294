"""A capture file, whatever its format: pcap or pcapng, also within gzip."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import BinaryIO

from kproxy_tw.capture.packets import Packet, read_exactly
from kproxy_tw.capture.pcap import pcap_packets
from kproxy_tw.capture.pcapng import pcapng_packets
from kproxy_tw.errors import MalformedInput

GZIP = b"\x1f\x8b"
PCAPNG = b"\x0a\x0d\x0d\x0a"


def packets(file: io.BufferedReader) -> Iterator[Packet]:
    """The packets in their order.

    :param file: at its beginning.
    :raises MalformedInput: no capture file, or a damaged one; the packets before the damage have been given.
    """
    if not file.peek(1):
        raise MalformedInput("the file is empty")
    if file.peek(len(GZIP))[: len(GZIP)] == GZIP:
        with gzip.open(file) as opened:
            yield from _packets(opened)  # type: ignore[arg-type]
    else:
        yield from _packets(file)


def _packets(file: BinaryIO) -> Iterator[Packet]:
    magic = read_exactly(file, len(PCAPNG), "its first four bytes")
    return pcapng_packets(file) if magic == PCAPNG else pcap_packets(file, magic)
