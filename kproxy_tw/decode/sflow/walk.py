"""sFlow version 5: walks datagrams.

A datagram is a header and samples; a sample is a header and records; everything stands in 4-byte words (XDR,
RFC 4506). The walk goes from sample to sample (``tops``), sorts them into flows, discarded packets and counters,
and reads the headers of all together. What is inside the flow samples waits until they were chosen to go out:
``layout`` decodes them then.

Sources: sFlow Version 5, July 2004 (sflow.org), section 5; sFlow Dropped Packet Notification Structures (2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sflow.agents import read_headers
from kproxy_tw.decode.sflow.block import Block
from kproxy_tw.errors import MalformedInput

BLOCK_BYTES = 1 << 20
"""Bytes of datagrams that are walked in one step; a datagram may be larger by itself."""


def walk(data: bytes, received_ns: int, options: DecodeOptions = AS_SENT) -> Walk:
    """Step over the header and the samples of one datagram.

    Flow samples become one record set, discarded packets another, counter samples are cut out; samples of unknown kinds
    are stepped over. A sample that announces more than it holds counts as one malformed record, and so does a datagram
    that does.

    :param received_ns: when the datagram came in, nanoseconds since 1970.
    :raises UnknownVersion: not version 5.
    :raises MalformedInput: the header is cut off or wrong, or already the first sample is cut off.
    """
    walks, problems = walk_all([data], [received_ns], options)
    if problems:
        raise problems[0]
    return walks[0]


def walk_all(
    datagrams: Sequence[bytes], received_ns: Sequence[int], options: DecodeOptions = AS_SENT
) -> tuple[list[Walk], list[MalformedInput]]:
    """The same for many datagrams, in columns: one walk for some hundred, and a problem for each refused one."""
    walks: list[Walk] = []
    problems: list[MalformedInput] = []
    for part in _parts(datagrams):
        headers = read_headers(datagrams[part])
        problems += headers.problems
        if not headers.sound:
            continue
        places = [part.start + index for index in headers.sound]
        block = Block([datagrams[place] for place in places], headers.agents, [received_ns[place] for place in places])
        problems += block.tops.problems
        if len(block.tops.problems) < len(places):
            walks.append(block.walk(options))
    return walks, problems


def _parts(datagrams: Sequence[bytes]) -> Iterator[slice]:
    """As many datagrams at a time as ``BLOCK_BYTES`` hold, at least one."""
    first = size = 0
    for index, data in enumerate(datagrams):
        if size and size + len(data) > BLOCK_BYTES:
            yield slice(first, index)
            first, size = index, 0
        size += len(data)
    if first < len(datagrams):
        yield slice(first, len(datagrams))
