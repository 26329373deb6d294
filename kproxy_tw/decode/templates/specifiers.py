"""Field specifiers: what a template says of its fields, parsed and checked once, when the template is stored.

A template decides how every later byte is read, so it is validated here and nowhere else (RFC 7011 section 8,
RFC 3954 section 5.2).
"""

from __future__ import annotations

from kproxy_tw.decode.elements import ELEMENTS, IANA, VARIABLE
from kproxy_tw.decode.layout import Field
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import unpacker

MAX_FIELDS = 512
"""Most fields that one template may have."""

MAX_RECORD_LENGTH = 65535
"""Longest fixed-length record in bytes; a longer one could not stand in any set."""

FIRST_TEMPLATE_ID = 256
"""Lower numbers are set ids of the protocol itself."""

ENTERPRISE_BIT = 0x8000
"""Set in the element number of IPFIX where an enterprise number follows; in NetFlow v9 it is part of the number."""

_SPECIFIER = unpacker("HH")
_ENTERPRISE = unpacker("I")


def valid_fields(content: bytes, version: int, template_id: int, scopes: int) -> tuple[Field, ...]:
    """The fields of a template that may be stored.

    :param content: the field specifiers, byte for byte.
    :param version: 9 or 10.
    :param scopes: how many of the fields, from the first on, are scope fields.
    :raises MalformedInput: the template must be refused; says why.
    """
    if template_id < FIRST_TEMPLATE_ID:
        raise MalformedInput(f"the number is below {FIRST_TEMPLATE_ID}")
    fields = parse_fields(content, version)
    _check(fields, version, scopes)
    return fields


def parse_fields(content: bytes, version: int) -> tuple[Field, ...]:
    """The fields that specifiers tell. :raises MalformedInput: there are none, too many, or the last one is cut."""
    fields = []
    position = 0
    while position < len(content):
        number, length = _SPECIFIER(content, position)
        pen = IANA
        position += 4
        if version == 10 and number & ENTERPRISE_BIT:
            number &= ~ENTERPRISE_BIT
            (pen,) = _ENTERPRISE(content, position)
            position += 4
        fields.append(Field(pen, number, length))
        if len(fields) > MAX_FIELDS:
            raise MalformedInput(f"it has more than {MAX_FIELDS} fields")
    if not fields:
        raise MalformedInput("it has no fields")
    return tuple(fields)


def _check(fields: tuple[Field, ...], version: int, scopes: int) -> None:
    if scopes > len(fields):
        raise MalformedInput(f"it has {scopes} scope fields among {len(fields)} fields")
    length = sum(field.length for field in fields if field.length != VARIABLE)
    if length > MAX_RECORD_LENGTH:
        raise MalformedInput(f"a record would have {length} bytes")
    if length == 0 and all(field.length != VARIABLE for field in fields):
        raise MalformedInput("a record would have no bytes")
    for field in fields[scopes if version == 9 else 0 :]:  # v9 scope types are numbers of their own
        element = ELEMENTS.get((field.pen, field.number))
        if element is not None and not element.allows(field.length):
            raise MalformedInput(f"{element.name} (element {field.number}) cannot be {field.length} bytes long")
