"""Where the parse of each of many packets stands: position, end, and what stands there."""

from __future__ import annotations

import attrs
import numpy as np

from kproxy_tw.decode.packet.layouts import KINDS
from kproxy_tw.decode.spans import Octets, Offsets, Spans


@attrs.frozen(slots=True, eq=False)
class Front:
    """One value a packet, each shape ``(n,)``; the arrays are written to as the parse goes on.

    :ivar starts: offset of the next byte to read.
    :ivar ends: offset behind the capture.
    :ivar kinds: of ``layouts``, what stands there; ``NOTHING`` where the parse is over. For payloads of IP: the
        protocol number, 0 where there is none to read.
    """

    starts: Offsets
    ends: Offsets
    kinds: Octets

    @classmethod
    def blank(cls, ends: Offsets) -> Front:
        """Nothing is known yet."""
        return cls(np.zeros(len(ends), np.intp), ends, np.zeros(len(ends), np.uint8))

    def present(self) -> list[int]:
        """The kinds that there are, ``NOTHING`` left out."""
        counts = np.bincount(self.kinds, minlength=KINDS)
        return (np.flatnonzero(counts[1:]) + 1).tolist()

    def of(self, kind: int) -> Spans:
        """The packets at which this stands."""
        return self.at(np.flatnonzero(self.kinds == kind))

    def at(self, rows: Offsets) -> Spans:
        """Some packets."""
        if len(rows) == len(self.starts):
            return Spans(rows, self.starts.copy(), self.ends)
        return Spans(rows, self.starts[rows], self.ends[rows])

    def move(self, rows: Offsets, starts: Offsets, kinds: Octets) -> None:
        """These packets have been read up to ``starts``, where ``kinds`` stand."""
        self.starts[rows] = starts
        self.kinds[rows] = kinds


def peek(data: Octets, spans: Spans, offset: int) -> Octets:
    """The byte ``offset`` on, 0 where the capture ends before it."""
    places = spans.starts + offset
    inside = places < spans.ends
    if not inside.any():
        return np.zeros(len(places), np.uint8)
    return np.where(inside, data[np.where(inside, places, 0)], np.uint8(0))


def peek16(data: Octets, spans: Spans, offset: int) -> Offsets:
    """The 2 bytes ``offset`` on as a number, 0 for those that are not there."""
    return peek(data, spans, offset).astype(np.intp) << 8 | peek(data, spans, offset + 1)
