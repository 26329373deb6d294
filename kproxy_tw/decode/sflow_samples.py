"""Flow samples side by side: their headers in columns, and where their records stand.

The records of a sample follow each other and each says its length, so they are found one after the other: the first
record of all samples in one step, then the second of all that have one, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.spans import Octets, Offsets, Spans

WORD = 4

MAX_RECORDS = 32
"""Records looked at in one sample; agents send two to six."""

BATCH_SAMPLES = 8192
"""Samples decoded at a time, so that their bytes stay in the processor's cache and copies of them stay small."""

Words = npt.NDArray[np.uint32]


@attrs.frozen(slots=True)
class SampleFormat:
    """Where the fields of a flow sample stand, in words behind its kind and length.

    :ivar words: words before the first record; the last of them counts the records.
    """

    rate: int
    input: int
    output: int
    words: int


COMPACT = 1
EXPANDED = 3
SAMPLE_FORMATS: Mapping[int, SampleFormat] = {
    COMPACT: SampleFormat(rate=2, input=5, output=6, words=8),
    EXPANDED: SampleFormat(rate=3, input=6, output=8, words=11),
}
"""Kind (enterprise 0, format) of the samples that are flows; ``flow_sample`` and ``flow_sample_expanded``."""


@attrs.frozen(slots=True, eq=False)
class Samples:
    """``n`` flow samples and the bytes they stand in.

    :ivar joined: the datagrams of these samples; ``octets`` and ``words`` are the same as arrays.
    :ivar starts: offset of each sample in ``words``, shape ``(n,)``.
    :ivar received_ns: when its datagram came in, nanoseconds since 1970, shape ``(n,)``.
    """

    joined: bytes
    octets: Octets
    words: Words
    starts: Offsets
    received_ns: npt.NDArray[np.int64]

    def expanded(self) -> npt.NDArray[np.bool_]:
        """Which samples are of the expanded format."""
        return np.equal(self.words[self.starts], EXPANDED)

    def at(self, name: str) -> Offsets:
        """Offset in ``words`` of the field that :class:`SampleFormat` calls so; of ``words``: of the first record."""
        compact, expanded = (getattr(SAMPLE_FORMATS[kind], name) for kind in (COMPACT, EXPANDED))
        inside: Offsets = np.where(self.expanded(), expanded, compact)
        return self.starts + 2 + inside


def gather(sets: Sequence[RecordSet], chosen: Offsets | None) -> Iterator[Samples]:
    """The chosen samples of all sets, some thousand at a time; datagrams without one are not touched.

    :param chosen: as in :meth:`kproxy_tw.interfaces.RecordLayout.columns`.
    """
    counts = np.fromiter((records.count for records in sets), np.intp, len(sets))
    ends = np.cumsum(counts)
    if chosen is None:
        chosen = np.arange(counts.sum())
    for first in range(0, len(chosen), BATCH_SAMPLES):
        part = chosen[first : first + BATCH_SAMPLES]
        used, owners = np.unique(np.searchsorted(ends, part, side="right"), return_inverse=True)
        yield _join([sets[index] for index in used.tolist()], owners, part - (ends - counts)[used][owners])


def _join(sets: Sequence[RecordSet], owners: Offsets, numbers: Offsets) -> Samples:
    """Samples side by side: the ``numbers[i]``-th of the set ``sets[owners[i]]`` is the ``i``-th."""
    joined = b"".join([records.body for records in sets])
    starts = np.fromiter(chain.from_iterable(records.starts for records in sets), np.intp)
    sizes = np.fromiter((len(records.body) for records in sets), np.intp, len(sets))
    counts = np.fromiter((records.count for records in sets), np.intp, len(sets))
    received = np.fromiter((records.clock.received_ns for records in sets), np.int64, len(sets))
    before = np.cumsum(counts) - counts
    offsets = starts[before[owners] + numbers] + (np.cumsum(sizes) - sizes)[owners]
    return Samples(
        joined=joined,
        octets=np.frombuffer(joined, np.uint8),
        words=np.frombuffer(joined, ">u4").astype(np.uint32),
        starts=offsets // WORD,
        received_ns=received[owners],
    )


def find_records(samples: Samples, kinds: Sequence[int]) -> dict[int, Spans]:
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
        for kind in kinds:
            hits = (tags == kind) & whole
            if hits.any():
                found.setdefault(kind, []).append(Spans(spans.rows, inside, stops).where(hits))
        spans = Spans(spans.rows, stops, spans.ends).where(whole)
    return {kind: _first_of_each(parts) for kind, parts in found.items()}


def _in_words(sizes: Words) -> Offsets:
    return (sizes.astype(np.intp) + WORD - 1) // WORD


def _first_of_each(parts: Sequence[Spans]) -> Spans:
    if len(parts) == 1:
        return parts[0]
    rows, firsts = np.unique(np.concatenate([part.rows for part in parts]), return_index=True)
    starts = np.concatenate([part.starts for part in parts])[firsts]
    ends = np.concatenate([part.ends for part in parts])[firsts]
    return Spans(rows, starts, ends)
