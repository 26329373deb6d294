"""sFlow version 5: walks datagrams, and decodes their flow samples in columns.

A datagram is a header and samples; a flow sample is a header and records; everything stands in 4-byte words (XDR,
RFC 4506). The walk here goes from sample to sample. What is inside waits until the sample was chosen to go out:
``sflow_samples`` then finds the records of all samples at once, ``sflow_records`` and ``sflow_gateway`` read them,
and ``packet`` reads the headers of the sampled packets.

Source: sFlow Version 5, July 2004 (sflow.org), section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop

import attrs

from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.decode.sflow_records import decode_samples
from kproxy_tw.decode.sflow_samples import SAMPLE_FORMATS, WORD, gather
from kproxy_tw.decode.spans import Offsets
from kproxy_tw.errors import MalformedInput, UnknownVersion
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.reader import unpacker

VERSION = 5

MAX_SAMPLES = 2048
"""Samples read from one datagram. The largest UDP datagram has room for 1,637 flow samples."""

PREFIX_BYTES = 8
"""Kind and length in front of each sample and of each record."""

HEAD_BYTES = {kind: fields.words * WORD for kind, fields in SAMPLE_FORMATS.items()}
"""Kinds of samples that are flows; bytes between their prefix and their first record, at the end of which the number
of records stands."""

AGENT_FAMILIES = {1: (AF_INET, 4), 2: (AF_INET6, 16)}
"""The agent's address type: family, bytes."""

_one = unpacker("I")
_two = unpacker("II")
_four = unpacker("IIII")


@attrs.frozen(slots=True, eq=False)
class SflowLayout:
    """The layout of flow samples, plain and expanded."""

    @property
    def flow_type(self) -> str:
        """``sflow``."""
        return "sflow"

    def columns(self, sets: Sequence[RecordSet], chosen: Offsets | None) -> FlowBatch:
        """Decode flow samples; see :class:`kproxy_tw.interfaces.RecordLayout`.

        Each sample is one flow of one packet. ``in_bytes`` and ``sampled_packet_size`` are the length of the sampled
        frame as the agent tells it, with layer 2 and check sum, which is what sfcapd and sflowtool count; ``in_pkts``
        is 1 and ``sample_rate`` the sample's own, so that Σ ``in_bytes`` * ``sample_rate`` is sfcapd's total.
        Damaged records leave zeros: whatever :func:`walk` has taken decodes.
        """
        batches = [decode_samples(samples) for samples in gather(sets, chosen)]
        return FlowBatch.concatenate(batches) if batches else FlowBatch(0)


SFLOW = SflowLayout()


def walk(data: bytes, received_ns: int) -> Walk:
    """Step over the header and the samples of one datagram.

    Flow samples become one record set; counter samples and samples of unknown kinds are stepped over. A flow sample
    that announces more than it holds counts as one malformed record, and so does a datagram that does.

    :param received_ns: when the datagram came in, nanoseconds since 1970.
    :raises UnknownVersion: not version 5.
    :raises MalformedInput: the header is cut off or wrong, or already the first sample is cut off.
    """
    agent, position, uptime_ms, announced = _header(data)
    walked = Walk(flow_type="sflow", agent=agent)
    starts = _samples(data, position, announced, walked)
    if starts:
        body = data + bytes(-len(data) % WORD)
        clock = PacketClock(export_ms=0, uptime_ms=uptime_ms, received_ns=received_ns)
        walked.sets.append(RecordSet(SFLOW, len(starts), body, clock, tuple(starts)))
    walked.records = len(starts) + walked.malformed
    return walked


def _header(data: bytes) -> tuple[str, int, int, int]:
    """Agent address, offset of the first sample, uptime in milliseconds, number of samples announced."""
    version, kind = _two(data, 0)
    if version != VERSION:
        raise UnknownVersion(f"sFlow version {version}; only version {VERSION} is decoded")
    if kind not in AGENT_FAMILIES:
        raise MalformedInput(f"sFlow agent address of type {kind}, neither IPv4 (1) nor IPv6 (2)")
    family, size = AGENT_FAMILIES[kind]
    _sub_agent, _sequence, uptime_ms, announced = _four(data, 8 + size)
    return inet_ntop(family, data[8 : 8 + size]), 24 + size, uptime_ms, announced


def _samples(data: bytes, position: int, announced: int, walked: Walk) -> list[int]:
    """Offsets of the sound flow samples; the others are counted as malformed.

    A flow sample is sound when it has room for its header and for as many records as that announces.
    """
    starts: list[int] = []
    for passed in range(announced):
        room = len(data) - position - PREFIX_BYTES
        kind, size = _two(data, position) if room >= 0 else (0, 0)
        if size > room or passed == MAX_SAMPLES:
            if not passed:
                raise MalformedInput(f"sFlow: {announced} samples announced, the {room + PREFIX_BYTES} bytes hold none")
            walked.malformed += 1
            break
        head = HEAD_BYTES.get(kind)
        if head is not None:
            if size >= head and _one(data, position + head + WORD)[0] * PREFIX_BYTES <= size - head:
                starts.append(position)
            else:
                walked.malformed += 1
        position += PREFIX_BYTES + size + -size % WORD
    return starts
