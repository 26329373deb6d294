"""Follows pointers of an unpacked message that anybody may have sent; all of a column in one step.

Wherever a pointer leads, the object it announces lies inside of one segment, or the message is malformed.
The layout is that of https://capnproto.org/encoding.html.
"""

from __future__ import annotations

import attrs
import numpy as np

from kproxy_tw.errors import MalformedInput
from kproxy_tw.kflow.layout import COMPOSITE_LIST, WORD, Positions, Words
from kproxy_tw.kflow.unpack import Segments

_STRUCT, _LIST, _FAR = 0, 1, 2
_KIND = np.uint64(3)
_LOW = np.uint64(0xFFFFFFFF)


@attrs.frozen(slots=True)
class _Targets:
    """Where pointers lead: the pointer proper (far ones resolved), the word, and its segment."""

    pointers: Words
    places: Positions
    segments: Positions


@attrs.frozen(slots=True)
class Lists:
    """Lists that some slots point to.

    :ivar rows: which slots these are, ascending.
    :ivar starts: first word of each list.
    :ivar counts: its element count; of a list of structs the words behind its tag.
    """

    rows: Positions
    starts: Positions
    counts: Positions


@attrs.frozen(slots=True)
class Structs:
    """The sizes that a struct pointer or the tag of a list of structs tells, one a pointer."""

    counts: Positions
    data_words: Positions
    pointer_words: Positions


def struct_sizes(tags: Words) -> Structs:
    """Take tags, or pointers to structs, apart. :raises MalformedInput: something else among them."""
    if np.any(tags & _KIND != _STRUCT):
        raise MalformedInput("a pointer to a struct is of another kind")
    return Structs(
        counts=((tags & _LOW) >> np.uint64(2)).astype(np.int64),
        data_words=(tags >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64),
        pointer_words=(tags >> np.uint64(48)).astype(np.int64),
    )


def _far_places(message: Segments, pointers: Words, room: Positions) -> tuple[Positions, Positions]:
    """Word and segment that far pointers name; ``room`` words are there."""
    segments = (pointers >> np.uint64(32)).astype(np.int64)
    if np.any(segments >= len(message.begins)):
        raise MalformedInput("a pointer into a segment that is not there")
    places = message.begins[segments] + ((pointers & _LOW) >> np.uint64(3)).astype(np.int64)
    if np.any(places + room > message.ends[segments]):
        raise MalformedInput("a pointer behind the end of its segment")
    return places, segments


def _follow(message: Segments, slots: Positions) -> _Targets:
    """Resolve pointers that are not null."""
    slots, pointers = slots.copy(), message.words[slots]
    far = np.flatnonzero(pointers & _KIND == _FAR)
    double = far[pointers[far] & np.uint64(4) != 0]
    if len(far):
        room = np.where(pointers[far] & np.uint64(4), 2, 1)
        slots[far], _ = _far_places(message, pointers[far], room)
        pointers[far] = message.words[slots[far]]
    offsets = (pointers & _LOW).astype(np.uint32).view(np.int32) >> 2
    places = slots + 1 + offsets
    segments = np.searchsorted(message.begins, slots, side="right") - 1
    if len(double):
        if np.any(pointers[double] & np.uint64(7) != _FAR):
            raise MalformedInput("a far pointer leads to something else than its landing pad")
        places[double], segments[double] = _far_places(message, pointers[double], np.zeros(len(double), np.int64))
        pointers[double] = message.words[slots[double] + 1]
    return _Targets(pointers, places, segments)


def _check_bounds(message: Segments, targets: _Targets, sizes: Positions) -> None:
    """Refuse objects of ``sizes`` words that are not inside of their segments, or shared beyond measure."""
    begins, ends = message.begins[targets.segments], message.ends[targets.segments]
    if np.any((sizes > 0) & ((targets.places < begins) | (targets.places + sizes > ends))):
        raise MalformedInput("a pointer to something outside of its segment")
    if sizes.sum() > len(message.words):
        raise MalformedInput("several pointers lead to the same object")


def root(message: Segments) -> tuple[int, Structs] | None:
    """First word and sizes of the root struct; none in a message without.

    :raises MalformedInput: the root is not a struct inside of the message.
    """
    if message.begins[0] == message.ends[0] or not message.words[message.begins[0]]:
        return None
    targets = _follow(message, message.begins[:1])
    sizes = struct_sizes(targets.pointers)
    _check_bounds(message, targets, sizes.data_words + sizes.pointer_words)
    return int(targets.places[0]), sizes


def lists(message: Segments, slots: Positions, element: int, purpose: str) -> Lists:
    """The lists that the pointers at ``slots`` lead to, those left out whose pointer is null.

    :param element: their element size code: ``BYTE_LIST`` or ``COMPOSITE_LIST``.
    :param purpose: what they are, for the error.
    :raises MalformedInput: another type, outside of the message, or the same list so many times that all
        of them would take more room than the message.
    """
    rows = np.flatnonzero(message.words[slots])
    targets = _follow(message, slots[rows])
    pointers = targets.pointers
    if np.any(pointers & _KIND != _LIST) or np.any(pointers >> np.uint64(32) & np.uint64(7) != element):
        raise MalformedInput(f"{purpose} is of another type in some flow")
    counts = (pointers >> np.uint64(35)).astype(np.int64)
    sizes = counts + 1 if element == COMPOSITE_LIST else (counts + WORD - 1) // WORD
    _check_bounds(message, targets, sizes)
    return Lists(rows, targets.places, counts)
