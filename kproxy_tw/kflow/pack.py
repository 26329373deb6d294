"""Segments of words to packed bytes and back, both by pycapnp.

A builder is put over memory that is filled already: it allocates the objects exactly where they
stand, writes the pointers to them, and then packs them without a copy. Packed bytes go through
anonymous memory (``memfd``, no file system is involved), because that way pycapnp gives the
interpreter lock away while it works.
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import capnp
import numpy as np

from kproxy_tw.errors import MalformedInput
from kproxy_tw.kflow.layout import DATA_WORDS, LIST_HEAD_WORDS, ROW_WORDS, WORD, Words
from kproxy_tw.kflow.schema import packed_chf
from kproxy_tw.reader import Buffer

_ANY_DATA = ("ipv6DstAddr", 7)


def anonymous_memory() -> BinaryIO:
    """Unbuffered anonymous memory with the face of a file; close it."""
    return os.fdopen(os.memfd_create("kflow", os.MFD_CLOEXEC), "w+b", buffering=0)


def _builder_over(segment: Words) -> Any:
    """A builder whose one segment is ``segment``, all of it in use."""
    flows = int(segment[2] & np.uint64(0xFFFFFFFF)) >> 2
    behind_rows = len(segment) - LIST_HEAD_WORDS - flows * ROW_WORDS
    segment[:2] = 0  # a pointer that is not null would be taken for an object to be erased
    root = packed_chf().new_message(len(segment), lambda _words: segment)
    messages = root.init("msgs", flows)
    if behind_rows:
        field, index = _ANY_DATA
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


def unpack(packed: Buffer, limit: int) -> Words:
    """The message as one segment in which every pointer is valid and every object has one owner.

    :param packed: a packed message of a peer, framing included; one or several segments.
    :param limit: most bytes that the unpacked message may take; checked before anything is allocated,
        and again for what it takes when objects that are pointed to twice are there twice.
    :raises MalformedInput: not a message, or too large.
    """
    words = limit // WORD
    segment = np.zeros(words, np.uint64)  # untouched pages cost nothing
    spare = iter([segment])
    try:
        reader = packed_chf().from_bytes_packed(packed, traversal_limit_in_words=words)
        reader.as_builder(words, lambda _words: next(spare, b""))
    except capnp.KjException as error:
        raise MalformedInput(f"not a kflow message: {error.description}") from None
    return segment
