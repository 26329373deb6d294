"""sFlow version 5: walks datagrams.

A datagram is a header and samples; a sample is a header and records; everything stands in 4-byte words (XDR,
RFC 4506). The walk goes from sample to sample (``sflow_tops``), sorts them into flows, discarded packets and counters,
and reads the headers of all together. What is inside the flow samples waits until they were chosen to go out:
``sflow_layout`` decodes them then.

Sources: sFlow Version 5, July 2004 (sflow.org), section 5; sFlow Dropped Packet Notification Structures (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.decode.sflow_counters import CounterSample
from kproxy_tw.decode.sflow_found import SflowFound
from kproxy_tw.decode.sflow_layout import DISCARDS, DISCARDS_INNER, SFLOW, SFLOW_INNER, SflowLayout
from kproxy_tw.decode.sflow_samples import (
    COMPACT,
    DISCARDED,
    EXPANDED,
    SAMPLE_FORMATS,
    WORD,
    Interfaces,
    Samples,
)
from kproxy_tw.decode.sflow_sequence import SflowSequences
from kproxy_tw.decode.sflow_tops import Datagrams, Tops, find_tops
from kproxy_tw.decode.spans import Mask
from kproxy_tw.errors import MalformedInput, UnknownVersion
from kproxy_tw.reader import unpacker

VERSION = 5

BLOCK_BYTES = 1 << 20
"""Bytes of datagrams that are walked in one step; a datagram may be larger by itself."""

AGENT_FAMILIES = {1: (AF_INET, 4), 2: (AF_INET6, 16)}
"""The agent's address type: family, bytes."""

NO_AGENT = ("0.0.0.0", "::")  # noqa: S104 - an agent that does not know its address
"""Agent addresses that name nobody."""

COUNTER_WORDS = {2: 3, 4: 4}
"""Kinds of counter samples, plain and expanded: words in front of their records, the last of which counts those."""

FLOW_KINDS = (COMPACT, EXPANDED)

_two = unpacker("II")
_four = unpacker("IIII")


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
    """The same for many datagrams, in columns: one walk for some hundred of them, and a problem for each refused one."""
    walks: list[Walk] = []
    problems: list[MalformedInput] = []
    first = size = 0
    for index, data in enumerate(datagrams):
        if size and size + len(data) > BLOCK_BYTES:
            _walk_block(datagrams[first:index], received_ns[first:index], options, walks, problems)
            first, size = index, 0
        size += len(data)
    _walk_block(datagrams[first:], received_ns[first:], options, walks, problems)
    return walks, problems


def agent_address(data: bytes) -> str:
    """The agent's address as text. :raises MalformedInput: no header of sFlow version 5."""
    version, kind = _two(data, 0)
    if version != VERSION:
        raise UnknownVersion(f"sFlow version {version}; only version {VERSION} is decoded")
    if kind not in AGENT_FAMILIES:
        raise MalformedInput(f"sFlow agent address of type {kind}, neither IPv4 (1) nor IPv6 (2)")
    family, size = AGENT_FAMILIES[kind]
    _four(data, 8 + size)
    return inet_ntop(family, data[8 : 8 + size])


def agent_or(data: bytes, source: str) -> str:
    """The agent's address; ``source`` where it is none that a device can have, or the header is damaged."""
    try:
        agent = agent_address(data)
    except MalformedInput:
        return source
    agent = agent.removeprefix("::ffff:") if agent.startswith("::ffff:") and "." in agent else agent
    return source if agent in NO_AGENT else agent


def _walk_block(
    datagrams: Sequence[bytes],
    received_ns: Sequence[int],
    options: DecodeOptions,
    walks: list[Walk],
    problems: list[MalformedInput],
) -> None:
    agents: list[str] = []
    sound: list[int] = []
    names: dict[bytes, str] = {}
    for index, data in enumerate(datagrams):
        head = data[:24] if data[7:8] == b"\x02" else data[:12]
        try:
            name = names.get(head) if len(data) >= len(head) + 16 else None
            if name is None:
                name = names[head] = agent_address(data)
        except MalformedInput as problem:
            problems.append(problem)
            continue
        agents.append(name)
        sound.append(index)
    if len(sound) < len(datagrams):
        datagrams = [datagrams[index] for index in sound]
        received_ns = [received_ns[index] for index in sound]
    if datagrams:
        block = _Block(Datagrams.joined(datagrams), agents, np.array(received_ns, np.int64))
        problems += block.tops.problems
        if len(block.tops.problems) < len(datagrams):
            walks.append(block.walk(options))


class _Block:
    """Sound datagrams on their way to one :class:`Walk`."""

    def __init__(self, datagrams: Datagrams, agents: list[str], received_ns: npt.NDArray[np.int64]) -> None:
        self._datagrams = datagrams
        self._agents = agents
        self._received_ns = received_ns
        self.tops = find_tops(datagrams)

    def walk(self, options: DecodeOptions) -> Walk:
        """Sort the samples, and read their headers."""
        tops = self.tops
        walked = Walk(flow_type="sflow", agent=self._agents[-1], malformed=tops.malformed)
        flows = self._sound(tops.of(*FLOW_KINDS), walked)
        discards = self._sound(tops.of(DISCARDED), walked)
        sequences = self._sequences(flows)
        kept = self._without_egress(flows) if options.drop_egress and len(flows.places) else flows
        walked.records = len(kept.places) + walked.malformed
        if len(kept.places):
            walked.sets.append(self._set(kept, SFLOW_INNER if options.decap else SFLOW))
        walked.sflow = SflowFound(
            sequences=sequences,
            counters=tuple(self._counters(tops.of(*COUNTER_WORDS))),
            discards=self._set(discards, DISCARDS_INNER if options.decap else DISCARDS) if len(discards.places) else None,
            egress=len(flows.places) - len(kept.places),
        )
        return walked

    def _sound(self, tops: Tops, walked: Walk) -> Tops:
        """Those with room for their header and for as many records as that announces; the others are malformed."""
        heads = np.zeros(len(tops.places), np.intp)
        for kind, fields in SAMPLE_FORMATS.items():
            heads[tops.kinds == kind] = fields.words
        whole = tops.sizes >= heads * WORD
        last = np.where(whole, tops.places + 1 + heads, 0)
        whole &= self._datagrams.words[last].astype(np.int64) * 2 * WORD <= tops.sizes - heads * WORD
        walked.malformed += int(np.count_nonzero(~whole))
        return tops.where(whole)

    def _sequences(self, flows: Tops) -> SflowSequences:
        datagrams, words = self._datagrams, self._datagrams.words
        classes, sources = self._samples(flows).sources()
        numbers = words[datagrams.heads[:, None] + np.arange(3)].astype(np.int64)
        return SflowSequences(
            agents=self._agents,
            sub_agents=numbers[:, 0],
            numbers=numbers[:, 1],
            uptimes=numbers[:, 2],
            received_ns=self._received_ns,
            sample_datagrams=flows.owners.astype(np.int64),
            sample_classes=classes.astype(np.int64),
            sample_sources=sources.astype(np.int64),
            sample_numbers=words[flows.places + 2].astype(np.int64),
        )

    def _samples(self, tops: Tops) -> Samples:
        datagrams = self._datagrams
        return Samples(datagrams.octets, datagrams.words, tops.places, self._received_ns[tops.owners])

    def _without_egress(self, flows: Tops) -> Tops:
        return flows.where(~_at_egress(self._samples(flows)))

    def _set(self, tops: Tops, layout: SflowLayout) -> RecordSet:
        clock = PacketClock(0, 0, self._received_ns[tops.owners])
        starts = tops.places * WORD
        return RecordSet(layout, len(starts), self._datagrams.octets, clock, starts, datagrams=len(self._agents))

    def _counters(self, tops: Tops) -> list[CounterSample]:
        found = []
        words, octets = self._datagrams.words, self._datagrams.octets
        for owner, place, kind, size in tops.rows():
            head = COUNTER_WORDS[kind] * WORD
            if size < head:
                continue
            number, source, index = words[place + 2 : place + 5].tolist()
            if kind == 2:
                source, index = source >> 24, source & 0xFFFFFF
            start = (place + 2) * WORD
            found.append(
                CounterSample(
                    agent=self._agents[owner],
                    sub_agent=int(words[self._datagrams.heads[owner]]),
                    source_class=source,
                    source_index=index,
                    number=number,
                    uptime_ms=int(words[self._datagrams.heads[owner] + 2]),
                    received_ns=int(self._received_ns[owner]),
                    records=octets[start + head : start + size],
                )
            )
        return found


def _at_egress(samples: Samples) -> Mask:
    """Which samples were taken at the interface through which the packet left, and at no other."""
    classes, sources = samples.sources()
    into, out = Interfaces.of(samples, "input"), Interfaces.of(samples, "output")
    return (classes == 0) & (sources != 0) & (out.indices() == sources) & (into.indices() != sources)
