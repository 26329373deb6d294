"""Loss that the exporter can prove: the sequence numbers of one exporter session.

A batch of datagrams is looked at as a whole: the heads become one array, and while nothing is missing a sequence costs
a few NumPy calls a batch, not a look at each datagram. What a sequence is and counts is in ``stream``.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.joined import JoinedDatagrams
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sequences.stream import COUNTED, MODULUS, Arrivals, Integers, SequenceStream
from kproxy_tw.decode.sflow.sequence import SflowSequences
from kproxy_tw.errors import MalformedInput

MAX_STREAMS = 2048
"""Sequences of one exporter; the one that has been silent longest makes room. A big switch has one a port."""

MAX_SAVED = 256
"""Sequences that survive a restart: the latest."""

MAX_AGE_SECONDS = 6 * 3600
"""Saved numbers older than this are no proof of a loss: too much can have happened to the exporter."""

MANY_BREAKS = 16
"""From so many gaps of one data source in a batch on they are counted in one step."""

MOST_BREAKS = 1024
"""Gaps in the samples' numbers of a batch that are looked at one by one, some milliseconds' work: a datagram can hold
hundreds of samples. Of sources with more, it is only counted what came."""

MAX_RESTARTS = 16
"""New beginnings that wait to be told."""

REFUSED, UNCOUNTED = -2, -1
"""In the place of a number of flows."""

KEY_PARTS = 4

Key = tuple[str, str | int, int, int]
"""Flow type, and what the protocol tells its sequences apart by."""


class Counted:
    """What was found in each datagram of a batch.

    :ivar flows: flow records; ``UNCOUNTED`` where nobody knows, ``REFUSED`` for a datagram that is.
    :ivar options: records of options.
    """

    def __init__(self, datagrams: int) -> None:
        self.flows = np.full(datagrams, REFUSED, np.int64)
        self.options = np.zeros(datagrams, np.int64)
        self._positions: list[int] = []
        self._flows: list[int] = []
        self._options: list[int] = []

    def one(self, position: int, walked: Walk) -> None:
        """Count one datagram; it shows after :meth:`finish`."""
        self._positions.append(position)
        self._flows.append(UNCOUNTED if walked.held or walked.no_template or walked.malformed else walked.records)
        self._options.append(walked.options)

    def finish(self) -> None:
        """Enter what was counted one by one."""
        if self._positions:
            self.flows[self._positions], self.options[self._positions] = self._flows, self._options


@attrs.frozen
class Restarted:
    """An exporter began to count anew. ``label``: which of its sequences."""

    flow_type: str
    label: str


@attrs.define
class SequenceTotals:
    """Sums over the sequences of a session.

    :ivar lost, received: in what each protocol counts: records (v5, IPFIX), packets (v9), datagrams (sFlow).
    """

    lost: int = 0
    received: int = 0


class SequenceBook:
    """All sequences of one session, bounded.

    :ivar breaks: how often a datagram was looked at by itself, because its number did not follow the last one.
    """

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        self.breaks = 0
        self._limit = limit
        self._streams: OrderedDict[Key, SequenceStream] = OrderedDict()
        self._folded = SequenceTotals()
        self._reported = SequenceTotals()
        self._restarted: list[Restarted] = []
        self._waiting = False

    def __len__(self) -> int:
        return len(self._streams)

    def take(self, joined: JoinedDatagrams, counted: Counted) -> None:
        """Take a batch of NetFlow and IPFIX in, in the order of arrival; other datagrams in it are passed over."""
        counted.finish()
        words, times = joined.heads.view(">u4").astype(np.int64), joined.received_ns
        heard = np.flatnonzero(counted.flows != REFUSED)
        # A slice where that is all of them: nothing is copied then.
        rows = slice(None) if len(heard) == len(joined) else heard
        words, flows, options, times = words[rows], counted.flows[rows], counted.options[rows], times[rows]
        for version, of_version in _alike(words[:, 0] >> 16):
            head = HEADS.get(version)
            if head is None:
                continue
            those = words[of_version]
            for domain, some in _alike(head.domains(those)):
                arrivals = Arrivals(
                    those[some, head.number],
                    flows[of_version][some],
                    options[of_version][some],
                    those[some, head.clock],
                    times[of_version][some],
                )
                self._take((head.flow_type, domain, 0, 0), arrivals)

    def sflow(self, told: SflowSequences) -> None:
        """Take sFlow datagrams and their samples in."""
        agents = {agent: number for number, agent in enumerate(dict.fromkeys(told.agents))}
        names = list(agents)
        codes = np.array([agents[agent] for agent in told.agents], np.int64) << 32 | told.sub_agents
        for code, rows in _alike(codes):
            ones = np.ones(len(codes[rows]), np.int64)
            arrivals = Arrivals(told.numbers[rows], ones, 0 * ones, told.uptimes[rows], told.received_ns[rows])
            self._take(("sflow", names[code >> 32], code & 0xFFFFFFFF, 0), arrivals)
        if len(told.sample_numbers):
            self._samples(told, codes, names)

    @property
    def waiting(self) -> bool:
        """Whether something is missing that may still come."""
        return self._waiting

    def settle(self, now_ns: int) -> None:
        """What has been missing for too long is lost; call it now and then."""
        for stream in self._streams.values():
            if stream.waiting:
                stream.settle(now_ns)
        self._waiting = any(stream.waiting for stream in self._streams.values())

    def totals(self) -> SequenceTotals:
        """Sums over all sequences that the ledger counts; samples are not among them: their datagrams are."""
        result = attrs.evolve(self._folded)
        for key, stream in self._streams.items():
            if key[0] != "sflow_samples":
                result.lost += stream.lost
                result.received += stream.received
        return result

    def restarted(self) -> list[Restarted]:
        """The sequences that began anew since the last call; those of samples go with their datagrams'."""
        found, self._restarted = self._restarted, []
        return found

    def news(self) -> SequenceTotals:
        """What :meth:`totals` has grown by since the last call."""
        now, before = self.totals(), self._reported
        self._reported = now
        return SequenceTotals(now.lost - before.lost, now.received - before.received)

    def describe(self) -> list[dict[str, object]]:
        """Every sequence, ready for JSON, those with losses first."""
        rows = [_described(stream) for stream in self._streams.values()]
        return sorted(rows, key=lambda row: (-int(str(row["lost"])), str(row["flow_type"]), str(row["label"])))

    def save(self) -> list[dict[str, object]]:
        """What a successor has to know of the latest sequences, ready for JSON."""
        latest = list(self._streams.items())[-MAX_SAVED:]
        return [{"key": list(key), **stream.save()} for key, stream in latest]

    def restore(self, saved: object, age_seconds: float = 0.0) -> None:
        """Go on where a predecessor stopped; what cannot be used is left out.

        :param saved: what :meth:`save` gave, after a way through JSON; anything else is taken for nothing.
        :param age_seconds: how long ago it was saved; numbers older than ``MAX_AGE_SECONDS`` say nothing any more.
        """
        entries = saved if isinstance(saved, list) and age_seconds <= MAX_AGE_SECONDS else []
        for entry in entries[-MAX_SAVED:]:
            key = _saved_key(entry)
            if key is not None:
                stream = self._stream(key)
                try:
                    stream.restore(entry)
                except MalformedInput:
                    del self._streams[key]

    def _take(self, key: Key, arrivals: Arrivals) -> None:
        stream = self._stream(key)
        if self._into(stream, arrivals) and len(self._restarted) < MAX_RESTARTS:
            self._restarted.append(Restarted(stream.flow_type, stream.label))
        self._waiting |= stream.waiting

    def _into(self, stream: SequenceStream, arrivals: Arrivals) -> int:
        """Let a sequence take them. :return: how often the exporter began anew among them."""
        before = stream.breaks
        restarts = stream.take(arrivals)
        self.breaks += stream.breaks - before
        return restarts

    def _stream(self, key: Key) -> SequenceStream:
        stream = self._streams.get(key)
        if stream is not None:
            self._streams.move_to_end(key)
            return stream
        if len(self._streams) >= self._limit:
            (flow_type, *_rest), gone = self._streams.popitem(last=False)
            if flow_type != "sflow_samples":
                self._folded.lost += gone.lost
                self._folded.received += gone.received
        stream = self._streams[key] = SequenceStream(key[0], _label(key))
        return stream

    def _samples(self, told: SflowSequences, codes: Integers, names: Sequence[str]) -> None:
        """Samples count per data source: those of all datagrams at once, each source in its order."""
        agents, numbers = codes[told.sample_datagrams], told.sample_numbers
        order = np.lexsort((told.sample_sources, told.sample_classes, agents))
        agents, classes, sources = agents[order], told.sample_classes[order], told.sample_sources[order]
        numbers, datagrams = numbers[order], told.sample_datagrams[order]
        apart = (agents[1:] != agents[:-1]) | (classes[1:] != classes[:-1]) | (sources[1:] != sources[:-1])
        edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(order)]
        following = (numbers + 1) % MODULUS
        breaks = np.concatenate([[0], np.cumsum(numbers[1:] != following[:-1])])
        left = MOST_BREAKS
        for first, behind in itertools.pairwise(edges):
            agent, last = int(agents[first]), behind - 1
            source = int(classes[first]) << 32 | int(sources[first])
            stream = self._stream(("sflow_samples", names[agent >> 32], agent & 0xFFFFFFFF, source))
            some = datagrams[first:behind]
            if breaks[last] == breaks[first] and stream.follows(
                int(numbers[first]), int(following[last]), behind - first, int(told.uptimes[some[-1]])
            ):
                continue
            ones = np.ones(behind - first, np.int64)
            arrivals = Arrivals(numbers[first:behind], ones, 0 * ones, told.uptimes[some], told.received_ns[some])
            found = int(breaks[last] - breaks[first])
            if found >= MANY_BREAKS and stream.skim(arrivals):
                pass
            elif found > left:
                stream.pass_over(arrivals)
                self.breaks += found
            else:
                self._into(stream, arrivals)
                left -= found
            self._waiting |= stream.waiting


@attrs.frozen
class _Head:
    """Where a format's header has what is wanted, in words of 32 bits.

    :ivar domain: word, and by how many bits it is shifted right.
    """

    flow_type: str
    number: int
    clock: int
    domain: tuple[int, int]

    def domains(self, words: Integers) -> Integers:
        """What tells the sequences of the exporter apart."""
        word, shift = self.domain
        return words[:, word] >> shift


HEADS = {
    5: _Head("netflow5", number=4, clock=1, domain=(5, 16)),
    7: _Head("netflow7", number=4, clock=1, domain=(5, 0)),
    9: _Head("netflow9", number=3, clock=1, domain=(4, 0)),
    10: _Head("ipfix", number=2, clock=1, domain=(3, 0)),
}
"""By version word; the clock is the uptime, in IPFIX the export time. NetFlow v5 has engine type and number,
v7 nothing but zeros, v1 no number at all."""


def _alike(keys: Integers) -> Iterator[tuple[int, npt.NDArray[np.intp] | slice]]:
    """Each key with its rows: their indices, ascending, or a slice when they are all."""
    if not len(keys):
        return
    if (keys == keys[0]).all():
        yield int(keys[0]), slice(None)
        return
    for key in sorted(set(keys.tolist())):  # np.unique would import numpy.ma, a tenth of a second
        yield key, np.flatnonzero(keys == key)


def _label(key: Key) -> str:
    flow_type, first, second, third = key
    if flow_type == "netflow5":
        return f"engine {int(first) >> 8}/{int(first) & 0xFF}"
    if flow_type == "netflow7":
        return "switch"
    if flow_type == "netflow9":
        return f"source id {first}"
    if flow_type == "ipfix":
        return f"domain {first}"
    agent = f"agent {first}" + (f" sub-agent {second}" if second else "")
    return agent if flow_type == "sflow" else f"{agent} source {third >> 32}:{third & 0xFFFFFFFF}"


def _described(stream: SequenceStream) -> dict[str, object]:
    return {
        "flow_type": stream.flow_type,
        "label": stream.label,
        "counted": stream.counted,
        "received": stream.received,
        "lost": stream.lost,
        "late": stream.late,
        "duplicates": stream.duplicates,
        "restarts": stream.restarts,
        "lost_while_away": stream.lost_while_away,
    }


def _saved_key(entry: object) -> Key | None:
    """The key of a saved sequence; ``None`` when it is none."""
    key = entry.get("key") if isinstance(entry, Mapping) else None
    if not isinstance(key, list) or len(key) != KEY_PARTS or not isinstance(key[0], str) or key[0] not in COUNTED:
        return None
    if not all(isinstance(part, int) for part in key[2:]) or not isinstance(key[1], str | int):
        return None
    flow_type, first, second, third = key
    return flow_type, first, second, third
