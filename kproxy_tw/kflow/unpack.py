"""Packed bytes of a peer to segments of words.

pycapnp unpacks, and does no more: a bad pointer or a missing segment in a message that it reads or copies
ends the process (it raises C++ exceptions where nothing catches them). So it never sees the message as
such, but one ``Data`` field with the whole message in it, for which the head is written here. Who follows
the pointers in it checks them himself: :mod:`kproxy_tw.kflow.pointer_read`.
"""

from __future__ import annotations

import attrs
import capnp
import numpy as np

from kproxy_tw.errors import MalformedInput
from kproxy_tw.kflow.framing import segment_sizes
from kproxy_tw.kflow.layout import ANY_DATA, BYTE_LIST, WORD, Positions, Words, struct_size
from kproxy_tw.kflow.memory import anonymous_memory
from kproxy_tw.kflow.schema import chf
from kproxy_tw.reader import Buffer

LARGEST_DATA = (1 << 29) - 1
"""Bytes that a ``Data`` field can have."""


@attrs.frozen(slots=True)
class Segments:
    """An unpacked message.

    :ivar words: all of its words, the segment table in front; read-only.
    :ivar begins: index of each segment's first word, ascending.
    :ivar ends: index behind each segment's last word.
    """

    words: Words
    begins: Positions
    ends: Positions


def _verbatim(words: bytes) -> bytes:
    """Words in packed form: the first with all of its eight bytes, then a count of words that follow as they are."""
    return b"\xff" + words[:WORD] + bytes([len(words) // WORD - 1]) + words[WORD:]


def _contents(packed: Buffer, size: int) -> bytes:
    """The first ``size`` unpacked bytes of ``packed``. :raises capnp.KjException: it ends before, or not there."""
    field, index = ANY_DATA
    root = np.zeros(1 + index + 1, "<u8")
    root[0] = struct_size(0, index + 1)
    root[-1] = size << 35 | BYTE_LIST << 32 | 1
    words = len(root) + size // WORD
    table = (words << 32).to_bytes(WORD, "little")
    with anonymous_memory() as memory:
        memory.write(_verbatim(table) + _verbatim(root.tobytes()))
        memory.write(packed)
        memory.seek(0)
        reader = chf().read_packed(memory, traversal_limit_in_words=4 * words)  # each access counts
    # Copied: the view that pycapnp offers keeps the message for ever (2.2.4).
    contents: bytes = getattr(reader, field)
    return contents


def unpack(packed: Buffer, limit: int) -> Segments:
    """Unpack one message.

    :param packed: the message, framing included; what is behind its last segment is ignored.
    :param limit: most bytes that it may have unpacked; checked before they are allocated. 512 MiB at most.
    :raises MalformedInput: not in packed form, cut short, or too large.
    """
    sizes = segment_sizes(packed)
    table = len(sizes) // 2 + 1
    ends = table + np.cumsum(sizes)
    size = int(ends[-1]) * WORD
    if size > min(limit, LARGEST_DATA):
        raise MalformedInput(f"the message says that it has {size} bytes, {min(limit, LARGEST_DATA)} is the most")
    try:
        words = np.frombuffer(_contents(packed, size), "<u8")
    except capnp.KjException as error:
        raise MalformedInput(f"not a packed message: {error.description}") from None
    return Segments(words, ends - sizes, ends)
