"""Records of which many samples carry equal ones: each distinct record is read once, its values are spread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from kproxy_tw.decode.sflow_samples import WORD, Samples
from kproxy_tw.decode.spans import Offsets, Spans
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

T = TypeVar("T")


def read_distinct(samples: Samples, spans: Spans, parse: Callable[[Reader], T], damaged: T) -> tuple[list[T], Offsets]:
    """The values of the distinct records, and which of them each sample has.

    :param parse: reads one record; may raise :exc:`MalformedInput`.
    :param damaged: stands for a record that cannot be read.
    """
    numbers: dict[bytes, int] = {}
    which = np.empty(len(spans.rows), np.intp)
    edges = zip((spans.starts * WORD).tolist(), (spans.ends * WORD).tolist(), strict=True)
    for index, (start, end) in enumerate(edges):
        which[index] = numbers.setdefault(samples.joined[start:end], len(numbers))
    return [_read(record, parse, damaged) for record in numbers], which


def _read(record: bytes, parse: Callable[[Reader], T], damaged: T) -> T:
    try:
        return parse(Reader(record))
    except MalformedInput:
        return damaged
