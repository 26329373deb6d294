"""Where the samples of sFlow datagrams stand: from each to the next by its length.

Samples of many datagrams are found in lock-step: the first of every datagram, then the second of all that have one, and
so on. The few datagrams with many more samples than the others are gone through one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from kproxy_tw.decode.spans import Mask, Offsets, Words
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import trusted_unpacker

WORD = 4
PREFIX_BYTES = 8
"""Kind and length in front of each sample."""

MAX_SAMPLES = 2048
"""Samples read from one datagram. The largest UDP datagram has room for 1,637 flow samples."""

LEAST = 8
"""With fewer datagrams than this a step over all of them costs more than one after the other."""

_prefix = trusted_unpacker("II")


@attrs.frozen(eq=False)
class Datagrams:
    """Datagrams with sound headers, one behind the other, each filled up to whole words.

    :ivar octets, words: the same bytes.
    :ivar heads: in ``words``, where the sub-agent of each stands, with sequence number, uptime and number of samples.
    :ivar ends: in ``octets``, where each ends, without what it was filled up with.
    """

    octets: bytes
    words: Words
    heads: Offsets
    ends: Offsets

    @classmethod
    def joined(cls, datagrams: Sequence[bytes]) -> Datagrams:
        """Put them together."""
        lengths = np.array([len(data) for data in datagrams], np.intp)
        if (lengths % WORD).any():
            datagrams = [data + bytes(-len(data) % WORD) for data in datagrams]
        octets = b"".join(datagrams)
        words = np.frombuffer(octets, ">u4").astype(np.uint32)
        sizes = (lengths + WORD - 1) // WORD
        starts = np.cumsum(sizes) - sizes
        heads = starts + np.where(words[starts + 1] == 1, 3, 6)
        return cls(octets, words, heads, starts * WORD + lengths)


@attrs.frozen(eq=False)
class Tops:
    """Samples.

    :ivar owners: which datagram each is of.
    :ivar places: in words, where its kind stands; ascending.
    :ivar kinds: enterprise * 4096 + format.
    :ivar sizes: bytes behind kind and length.
    :ivar malformed: datagrams that broke off behind a good beginning.
    :ivar problems: of datagrams of which no sample could be found, though some were announced.
    """

    owners: Offsets
    places: Offsets
    kinds: Offsets
    sizes: Offsets
    malformed: int = 0
    problems: Sequence[MalformedInput] = ()

    def where(self, mask: Mask) -> Tops:
        """Only some."""
        if mask.all():
            return self
        return Tops(self.owners[mask], self.places[mask], self.kinds[mask], self.sizes[mask])

    def of(self, *kinds: int) -> Tops:
        """Those of some kinds."""
        mask = np.zeros(len(self.kinds), np.bool_)
        for kind in kinds:
            mask |= self.kinds == kind
        return self.where(mask)

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        """Owner, place, kind and size of each."""
        columns = (self.owners, self.places, self.kinds, self.sizes)
        return zip(*(column.tolist() for column in columns), strict=True)


def find_tops(datagrams: Datagrams) -> Tops:
    """Find the samples of all datagrams, in the order in which they stand."""
    return _Search(datagrams).run()


class _Search:
    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self._places = datagrams.heads + 4
        self._announced = datagrams.words[datagrams.heads + 3].astype(np.intp)
        self._parts: list[tuple[Offsets, Offsets, Offsets, Offsets]] = []
        self._malformed = 0
        self._problems: list[MalformedInput] = []

    def run(self) -> Tops:
        open_ = np.flatnonzero(self._announced)
        depth = 0
        while len(open_) >= LEAST and depth < MAX_SAMPLES:
            open_ = self._step(open_, depth)
            depth += 1
        singles = [row for owner in open_.tolist() for row in self._one_by_one(owner, depth)]
        if singles:
            columns = np.array(singles, np.intp).T
            self._parts.append((columns[0], columns[1], columns[2], columns[3]))
        if not self._parts:
            none = np.empty(0, np.intp)
            return Tops(none, none, none, none, self._malformed, self._problems)
        owners, places, kinds, sizes = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        order = np.argsort(places)
        return Tops(owners[order], places[order], kinds[order], sizes[order], self._malformed, self._problems)

    def _step(self, open_: Offsets, depth: int) -> Offsets:
        """One sample of each of these datagrams; gives those that have announced more."""
        words, places = self._datagrams.words, self._places[open_]
        room = self._datagrams.ends[open_] - places * WORD - PREFIX_BYTES
        there = np.where(room >= 0, places, 0)
        kinds, sizes = words[there].astype(np.intp), words[there + 1].astype(np.intp)
        whole = (room >= 0) & (sizes <= room)
        if not whole.all():
            for owner, left in zip(open_[~whole].tolist(), room[~whole].tolist(), strict=True):
                self._broken(owner, depth, left)
            open_, places, kinds, sizes = open_[whole], places[whole], kinds[whole], sizes[whole]
        self._parts.append((open_, places, kinds, sizes))
        self._places[open_] = places + 2 + (sizes + WORD - 1) // WORD
        return open_[self._announced[open_] > depth + 1]

    def _one_by_one(self, owner: int, depth: int) -> Iterator[tuple[int, int, int, int]]:
        octets, end = self._datagrams.octets, int(self._datagrams.ends[owner])
        place = int(self._places[owner])
        for passed in range(depth, int(self._announced[owner])):
            room = end - place * WORD - PREFIX_BYTES
            kind, size = _prefix(octets, place * WORD) if room >= 0 else (0, 0)
            if size > room or passed >= MAX_SAMPLES:
                self._broken(owner, passed, room)
                return
            yield owner, place, kind, size
            place += 2 + (size + WORD - 1) // WORD

    def _broken(self, owner: int, passed: int, room: int) -> None:
        if passed:
            self._malformed += 1
            return
        announced, left = int(self._announced[owner]), room + PREFIX_BYTES
        self._problems.append(MalformedInput(f"sFlow: {announced} samples announced, the {left} bytes hold none"))
