"""Many sFlow datagrams on their way to one walk: their samples sorted, and the headers of those read in columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.options import DecodeOptions
from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.decode.sflow.counters import MAX_BYTES, CounterSample
from kproxy_tw.decode.sflow.found import SflowFound, Source
from kproxy_tw.decode.sflow.layout import DISCARDS, DISCARDS_INNER, SFLOW, SFLOW_INNER, SflowLayout
from kproxy_tw.decode.sflow.samples import COMPACT, DISCARDED, EXPANDED, SAMPLE_FORMATS, WORD, Interfaces, Samples
from kproxy_tw.decode.sflow.sequence import SflowSequences
from kproxy_tw.decode.sflow.tops import Datagrams, Tops, find_tops
from kproxy_tw.decode.spans import Mask

MAX_COUNTER_SAMPLES = 2048
"""Counter samples taken of one block; as many as a full inbox of ordinary datagrams holds."""

COUNTER_WORDS = {2: 3, 4: 4}
"""Kinds of counter samples, plain and expanded: words in front of their records, the last of which counts those."""

FLOW_KINDS = (COMPACT, EXPANDED)


class Block:
    """Datagrams with sound headers.

    :param agents: the agent of each.
    :param received_ns: when each came in, nanoseconds since 1970.
    :ivar tops: their samples, and the problems of those that have none though they announce some.
    """

    def __init__(self, datagrams: Sequence[bytes], agents: list[str], received_ns: Sequence[int]) -> None:
        self._datagrams = Datagrams.joined(datagrams)
        self._agents = agents
        self._received_ns: npt.NDArray[np.int64] = np.array(received_ns, np.int64)
        self.tops = find_tops(self._datagrams)

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
            discards=self._set(discards, DISCARDS_INNER if options.decap else DISCARDS)
            if len(discards.places)
            else None,
            agent_drops=self._agent_drops(flows),
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

    def _agent_drops(self, flows: Tops) -> dict[Source, int]:
        """The latest count of each source that has one; it stands in front of the input interface."""
        samples = self._samples(flows)
        drops = self._datagrams.words[samples.at("input") - 1]
        rows = np.flatnonzero(drops)
        if not rows.size:
            return {}
        owners = flows.owners[rows]
        sub_agents = self._datagrams.words[self._datagrams.heads[owners]].tolist()
        classes, sources = (column[rows].tolist() for column in samples.sources())
        agents = [self._agents[owner] for owner in owners.tolist()]
        return dict(zip(zip(agents, sub_agents, classes, sources, strict=True), drops[rows].tolist(), strict=True))

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
        for owner, place, kind, size in islice(tops.rows(), MAX_COUNTER_SAMPLES):
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
                    records=octets[start + head : start + min(size, head + MAX_BYTES)],
                )
            )
        return found


def _at_egress(samples: Samples) -> Mask:
    """Which samples were taken at the interface through which the packet left, and at no other."""
    classes, sources = samples.sources()
    into, out = Interfaces.of(samples, "input"), Interfaces.of(samples, "output")
    found: Mask = (classes == 0) & (sources != 0) & (out.indices() == sources) & (into.indices() != sources)
    return found
