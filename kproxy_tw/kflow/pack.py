"""A segment of words to packed bytes, by pycapnp.

A builder is put over memory that is filled already: it allocates the objects exactly where they
stand, writes the pointers to them, and then packs them without a copy. The packed bytes go to anonymous memory, because
that way pycapnp gives the interpreter lock away while it works.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from kproxy_tw.kflow.layout import ANY_DATA, DATA_WORDS, LIST_HEAD_WORDS, ROW_WORDS, WORD, Words
from kproxy_tw.kflow.schema import packed_chf


def _builder_over(segment: Words) -> Any:
    """A builder whose one segment is ``segment``, all of it in use."""
    flows = int(segment[2] & np.uint64(0xFFFFFFFF)) >> 2
    behind_rows = len(segment) - LIST_HEAD_WORDS - flows * ROW_WORDS
    segment[:2] = 0  # a pointer that is not null would be taken for an object to be erased
    root = packed_chf().new_message(len(segment), lambda _words: segment)
    messages = root.init("msgs", flows)
    if behind_rows:
        field, index = ANY_DATA
        slot = LIST_HEAD_WORDS + DATA_WORDS + index
        pointer, segment[slot] = segment[slot], 0
        messages[0].init(field, behind_rows * WORD)
        segment[slot] = pointer
    return root


def pack(segment: Words, memory: BinaryIO) -> None:
    """Append the packed message, framing included, to ``memory``.

    :param segment: what :func:`kproxy_tw.kflow.encode.flatten` made; unchanged afterwards.
    """
    _builder_over(segment).write_packed(memory)
