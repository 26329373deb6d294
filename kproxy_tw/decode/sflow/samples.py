"""Flow samples side by side: their headers in columns, and where their records stand.

The records of a sample follow each other and each says its length, so they are found one after the other: the first
record of all samples in one step, then the second of all that have one, and so on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.spans import Mask, Octets, Offsets, Spans, Words

WORD = 4

MAX_RECORDS = 32
"""Records looked at in one sample; agents send two to six."""

BATCH_SAMPLES = 8192
"""Samples decoded at a time, so that their bytes stay in the processor's cache and copies of them stay small."""


@attrs.frozen(slots=True)
class SampleFormat:
    """Where the fields of a sample stand, in words behind its kind and length.

    :ivar words: words before the first record; the last of them counts the records.
    """

    input: int
    output: int
    words: int
    rate: int = 0


COMPACT, EXPANDED, DISCARDED = 1, 3, 5
SAMPLE_FORMATS: Mapping[int, SampleFormat] = {
    COMPACT: SampleFormat(rate=2, input=5, output=6, words=8),
    EXPANDED: SampleFormat(rate=3, input=6, output=8, words=11),
    DISCARDED: SampleFormat(input=4, output=5, words=8),
}
"""Kind (enterprise 0, format) of the samples with packets: ``flow_sample``, ``flow_sample_expanded``,
``discarded_packet``."""

DISCARD_REASON = 6
"""Where a discarded packet's reason stands."""

PLACES = {
    name: np.array([getattr(SAMPLE_FORMATS.get(kind), name, 0) for kind in range(DISCARDED + 1)], np.intp)
    for name in ("rate", "input", "output", "words")
}
"""The same by kind."""

INDEX, DISCARD, MULTIPLE = 0, 1, 2
"""Interface formats: an ifIndex, a reason to discard the packet, a number of interfaces."""

LOCAL = (0x3FFFFFFF, 0xFFFFFFFF)
"""The agent itself sent or took the packet. The second is how some agents expand the first."""


@attrs.frozen(slots=True, eq=False)
class Samples:
    """``n`` samples and the bytes they stand in.

    :ivar joined, words: their datagrams, as bytes and as numbers.
    :ivar starts: offset of each sample in ``words``, shape ``(n,)``.
    :ivar received_ns: when its datagram came in, nanoseconds since 1970, shape ``(n,)``.
    """

    joined: bytes
    words: Words
    starts: Offsets
    received_ns: npt.NDArray[np.int64]

    @property
    def octets(self) -> Octets:
        """The same bytes as an array."""
        return np.frombuffer(self.joined, np.uint8)

    def kinds(self) -> Words:
        """``COMPACT``, ``EXPANDED`` or ``DISCARDED``."""
        return self.words[self.starts]

    def at(self, name: str) -> Offsets:
        """Offset in ``words`` of the field that :class:`SampleFormat` calls so; of ``words``: of the first record."""
        inside: Offsets = PLACES[name][self.kinds()]
        return self.starts + 2 + inside

    def sources(self) -> tuple[Words, Words]:
        """Class (0 for ifIndex) and index of each sample's data source."""
        compact = self.kinds() == COMPACT
        first, second = self.words[self.starts + 3], self.words[self.starts + 4]
        return np.where(compact, first >> 24, first), np.where(compact, first & 0xFFFFFF, second)


@attrs.frozen(slots=True, eq=False)
class Interfaces:
    """Where packets came in or went out, as the samples tell it.

    :ivar formats: ``INDEX``, ``DISCARD`` or ``MULTIPLE``.
    :ivar numbers: ifIndex, reason, or how many interfaces.
    """

    formats: Words
    numbers: Words

    @classmethod
    def of(cls, samples: Samples, name: str) -> Interfaces:
        """Of ``input`` or ``output``: compact (format in the top 2 bits), expanded (in a word before), or plain."""
        at, kinds = samples.at(name), samples.kinds()
        first, second = samples.words[at], samples.words[at + 1]
        expanded, compact = kinds == EXPANDED, kinds == COMPACT
        formats = np.where(expanded, first, np.where(compact, first >> 30, INDEX))
        numbers = np.where(expanded, second, np.where(compact, first & LOCAL[0], first))
        return cls(formats.astype(np.uint32), numbers.astype(np.uint32))

    def local(self) -> Mask:
        """Which are the agent itself."""
        found: Mask = (self.formats == INDEX) & ((self.numbers == LOCAL[0]) | (self.numbers == LOCAL[1]))
        return found

    def indices(self) -> Words:
        """The ifIndex; 0 where there is none: unknown, local, discarded, several."""
        return np.where((self.formats == INDEX) & ~self.local(), self.numbers, 0).astype(np.uint32)


def gather(sets: Sequence[RecordSet], chosen: Offsets | None) -> Iterator[Samples]:
    """The chosen samples of all sets, some thousand at a time; sets without one are not touched.

    :param chosen: as in :meth:`kproxy_tw.interfaces.RecordLayout.columns`.
    """
    counts = np.fromiter((records.count for records in sets), np.intp, len(sets))
    ends = np.cumsum(counts)
    if chosen is None:
        chosen = np.arange(counts.sum())
    for first in range(0, len(chosen), BATCH_SAMPLES):
        part = chosen[first : first + BATCH_SAMPLES]
        owners = np.searchsorted(ends, part, side="right")
        fresh = np.diff(owners, prepend=-1) > 0  # ``chosen`` ascends, so each set's samples stand together
        used = owners[fresh]
        yield _join([sets[index] for index in used.tolist()], np.cumsum(fresh) - 1, part - (ends - counts)[owners])


def _join(sets: Sequence[RecordSet], owners: Offsets, numbers: Offsets) -> Samples:
    """Samples side by side: the ``numbers[i]``-th of the set ``sets[owners[i]]`` is the ``i``-th."""
    joined = b"".join([records.body for records in sets])
    starts = np.concatenate([np.asarray(records.starts, np.intp) for records in sets])
    received = np.concatenate([np.asarray(records.clock.received_ns, np.int64) for records in sets])
    sizes = np.fromiter((len(records.body) for records in sets), np.intp, len(sets))
    counts = np.fromiter((records.count for records in sets), np.intp, len(sets))
    places = (np.cumsum(counts) - counts)[owners] + numbers
    offsets = starts[places] + (np.cumsum(sizes) - sizes)[owners]
    return Samples(joined, np.frombuffer(joined, ">u4").astype(np.uint32), offsets // WORD, received[places])


def find_records(samples: Samples, kinds: Collection[int]) -> dict[int, Spans]:
    """Where the records of some kinds stand; of two of a kind in one sample, the first.

    :param kinds: data format numbers (enterprise * 4096 + format).
    :returns: kind to the insides of its records, offsets in ``words``; kinds that no sample has are absent.
    """
    words = samples.words
    body = samples.at("words")
    left = words[body - 1]
    ends = samples.starts + 2 + _in_words(words[samples.starts + 1])
    spans = Spans(np.arange(len(body)), body, ends)
    found: dict[int, list[Spans]] = {}
    for depth in range(MAX_RECORDS):
        spans = spans.where((left[spans.rows] > depth) & spans.with_room(2))
        if not spans.rows.size:
            break
        tags = words[spans.starts]
        inside = spans.starts + 2
        stops = inside + _in_words(words[spans.starts + 1])
        whole = stops <= spans.ends
        for kind in _distinct(tags) & set(kinds):
            hits = (tags == kind) & whole
            if hits.any():
                found.setdefault(kind, []).append(Spans(spans.rows, inside, stops).where(hits))
        spans = Spans(spans.rows, stops, spans.ends).where(whole)
    return {kind: _first_of_each(parts) for kind, parts in found.items()}


def _distinct(tags: Words) -> set[int]:
    """The different numbers; at one depth most samples have the same kind of record."""
    if (tags == tags[0]).all():
        return {int(tags[0])}
    return set(tags.tolist())


def _in_words(sizes: Words) -> Offsets:
    return (sizes.astype(np.intp) + WORD - 1) // WORD


def _first_of_each(parts: Sequence[Spans]) -> Spans:
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")
    firsts = order[np.diff(rows[order], prepend=-1) > 0]
    starts = np.concatenate([part.starts for part in parts])[firsts]
    ends = np.concatenate([part.ends for part in parts])[firsts]
    return Spans(rows[firsts], starts, ends)
