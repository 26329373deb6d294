"""Records of which many samples carry equal ones: each distinct record is read once, its values are spread."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from kproxy_tw.decode.sflow.samples import WORD, Samples
from kproxy_tw.decode.spans import Mask, Offsets, Spans, Words
from kproxy_tw.errors import MalformedInput

T = TypeVar("T")

HASHED_WORDS = 64
"""The longest records that are compared, in words; longer ones are read one by one."""

MULTIPLIERS = np.frombuffer(secrets.token_bytes(8 * HASHED_WORDS), np.uint64) | np.uint64(1)


def read_distinct(samples: Samples, spans: Spans, parse: Callable[[bytes], T], damaged: T) -> tuple[list[T], Offsets]:
    """The values of the distinct records, and which of them each sample has.

    :param parse: reads one record; may raise :exc:`MalformedInput`.
    :param damaged: stands for a record that cannot be read.
    """
    firsts, which = _numbered(samples.words, spans)
    records = zip((spans.starts[firsts] * WORD).tolist(), (spans.ends[firsts] * WORD).tolist(), strict=True)
    return [_read(samples.joined[start:end], parse, damaged) for start, end in records], which


def _numbered(words: Words, spans: Spans) -> tuple[Offsets, Offsets]:
    """Number the records so that equal ones have one number.

    Records are told apart by a random linear hash of their words, so that nobody can make two that collide on purpose;
    those of one hash that differ after all are numbers of their own.

    :returns: for each number the place of one record in ``spans``; for each record its number.
    """
    sizes = spans.ends - spans.starts
    hashes = sizes.astype(np.uint64)
    for depth in range(min(int(sizes.max(initial=0)), HASHED_WORDS)):
        rows = np.flatnonzero(sizes > depth)
        hashes[rows] += words[spans.starts[rows] + depth] * MULTIPLIERS[depth]
    order = np.argsort(hashes, kind="stable")
    fresh = np.diff(hashes[order], prepend=~hashes[order[:1]]) != 0
    which = np.empty(len(order), np.intp)
    which[order] = np.cumsum(fresh) - 1
    firsts = order[fresh]
    odd = np.flatnonzero(~_equal(words, spans, firsts[which]))
    which[odd] = len(firsts) + np.arange(len(odd))
    return np.concatenate([firsts, odd]), which


def _equal(words: Words, spans: Spans, others: Offsets) -> Mask:
    """Which records are equal to the ones at ``others``; long ones are equal to themselves only."""
    sizes = spans.ends - spans.starts
    long = sizes > HASHED_WORDS
    same: Mask = (sizes == sizes[others]) & (~long | (others == np.arange(len(others))))
    for depth in range(int(sizes[~long].max(initial=0))):
        rows = np.flatnonzero(same & ~long & (sizes > depth))
        same[rows] = words[spans.starts[rows] + depth] == words[spans.starts[others[rows]] + depth]
    return same


def _read(record: bytes, parse: Callable[[bytes], T], damaged: T) -> T:
    try:
        return parse(record)
    except MalformedInput:
        return damaged
