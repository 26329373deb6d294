"""Reads the segment table in front of a packed message, and no more: how large the message says it is."""

from __future__ import annotations

import numpy as np

from kproxy_tw.errors import MalformedInput
from kproxy_tw.kflow.layout import WORD, Positions
from kproxy_tw.reader import Buffer

MAX_SEGMENTS = 512
"""As many as Cap'n Proto's own readers take."""


def _first_bytes(packed: Buffer, size: int) -> bytes:
    """At least ``size`` unpacked bytes from the begin of ``packed``.

    A packed word is a byte of eight flags, then those bytes that are not zero. Behind the flags 0 a byte
    counts more words of zeros, behind the flags 255 and their word one counts words that stand for themselves.
    """
    content = bytearray()
    at = 0
    while len(content) < size:
        if at >= len(packed):
            raise MalformedInput("the message ends inside of its segment table")
        flags = packed[at]
        kept = iter(packed[at + 1 : at + 1 + flags.bit_count()])
        content += bytes(next(kept, 0) if flags >> bit & 1 else 0 for bit in range(WORD))
        at += 1 + flags.bit_count()
        if flags in (0, 0xFF):
            run = WORD * packed[at] if at < len(packed) else 0
            content += packed[at + 1 : at + 1 + run] if flags else bytes(run)
            at += 1 + (run if flags else 0)
    return bytes(content)


def segment_sizes(packed: Buffer) -> Positions:
    """Words of each segment, from the table.

    :raises MalformedInput: no such table, or too many segments.
    """
    segments = int.from_bytes(_first_bytes(packed, WORD)[:4], "little") + 1
    if segments > MAX_SEGMENTS:
        raise MalformedInput(f"a message of {segments} segments, {MAX_SEGMENTS} is the most")
    table = _first_bytes(packed, (segments // 2 + 1) * WORD)
    return np.frombuffer(table, "<u4", segments, 4).astype(np.int64)
