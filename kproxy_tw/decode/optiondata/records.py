"""Records of options templates, read one by one: what an exporter says of itself, of samplers, applications, ...

They are few and differ much, so they are not decoded in columns; how many are read is bounded by the caller.
Sources: RFC 3954 section 6, RFC 7011 section 3.4.2.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from kproxy_tw.decode.elements import IANA, VARIABLE
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

if TYPE_CHECKING:
    from kproxy_tw.decode.layout import TemplateLayout

SCOPE = -1
"""Stands for the enterprise number of NetFlow v9's scope types, which are numbers of their own."""

REPEATED = -2
"""Stands, counting down, for the enterprise number of IANA's element that a record has for the second time, ..."""

MAX_SELECTORS = 8
"""Selectors of one selection sequence that are read, one behind the other."""

LONG_FORM = 255
"""A first length byte that says: the length stands in the two bytes behind."""

MAX_NUMBER_BYTES = 8
"""Longest field that is read as a number."""

USED = frozenset(
    {(SCOPE, 1), (SCOPE, 2)}
    | {(IANA, element) for element in (10, 14, 34, 35, 48, 49, 50, 82, 83, 84, 94, 95, 96, 130, 131, 144, 149)}
    | {(IANA, element) for element in (234, 235, 236, *range(301, 312), *range(329, 333), 335)}
    | {(REPEATED - again, 302) for again in range(MAX_SELECTORS - 1)}
)
"""Fields that the tables of :mod:`~kproxy_tw.decode.optiondata.domain` are made from."""

OptionValues = dict[tuple[int, int], bytes]
"""Enterprise (or ``SCOPE``) and number to the bytes of the field; :func:`repeated` has the keys of later ones."""


@attrs.frozen(slots=True)
class Step:
    """One field of an options record: under which key it is kept, its offset (of fixed lengths), its length."""

    key: tuple[int, int]
    offset: int
    length: int


@attrs.frozen(slots=True)
class OptionShape:
    """How to read the records of an options template.

    :ivar steps: its fields.
    :ivar size: bytes of a record; 0 where lengths vary.
    """

    steps: tuple[Step, ...] = ()
    size: int = 0


def shape_of(layout: TemplateLayout, scopes: int, version: int) -> OptionShape:
    """How to read the records of an options template of ``layout``, the first ``scopes`` fields being scopes."""
    steps: list[Step] = []
    times: Counter[tuple[int, int]] = Counter()
    offset = 0
    for index, field in enumerate(layout.fields):
        key = (SCOPE if version == 9 and index < scopes else field.pen, field.number)
        before = times[key] if key[0] == IANA else 0
        times[key] += 1
        steps.append(Step(repeated(field.number, before) if before else key, offset, field.length))
        offset += field.length
    return OptionShape(tuple(steps), 0 if layout.is_variable else offset)


def repeated(element: int, times: int) -> tuple[int, int]:
    """The key of an element of IANA's that stands in the record so many times before."""
    return (REPEATED - times + 1, element)


def option_records(shape: OptionShape, body: bytes, most: int) -> Iterator[OptionValues]:
    """The records in ``body``; only the fields that the tables have a use for.

    :param most: how many are read; the others are left aside.
    """
    if not shape.size:
        yield from _variable_records(shape.steps, body, most)
        return
    cuts = [(step.key, step.offset, step.offset + step.length) for step in reversed(shape.steps) if step.key in USED]
    for base in range(0, min(most * shape.size, len(body) - shape.size + 1), shape.size):
        yield {key: body[base + start : base + stop] for key, start, stop in cuts}


def _variable_records(steps: Sequence[Step], body: bytes, most: int) -> Iterator[OptionValues]:
    reader = Reader(body)
    for _ in range(most):
        if not reader.remaining:
            return
        values: OptionValues = {}
        try:
            for step in steps:
                raw = reader.take(_length(reader) if step.length == VARIABLE else step.length)
                values.setdefault(step.key, raw)
        except MalformedInput:
            return
        yield values


def _length(reader: Reader) -> int:
    """The length that a variable-length field tells (RFC 7011 section 7)."""
    short = reader.u8()
    return reader.u16() if short == LONG_FORM else short


def number(values: OptionValues, element: int, pen: int = IANA) -> int:
    """A field as a number; 0 where it is missing, empty or no number."""
    raw = values.get((pen, element), b"")
    return int.from_bytes(raw, "big") if len(raw) <= MAX_NUMBER_BYTES else 0


def has(values: OptionValues, element: int) -> bool:
    """Whether the record has the field, with at least one byte."""
    return bool(values.get((IANA, element)))


def text(values: OptionValues, element: int, most: int) -> str:
    """A field as text: up to its first NUL byte, without blanks around it, at most ``most`` characters."""
    raw = values.get((IANA, element), b"")[: 4 * most]
    return raw.partition(b"\0")[0].decode("utf-8", "replace").strip()[:most]
