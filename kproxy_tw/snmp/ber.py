"""Basic encoding rules, as far as SNMP answers need them: definite lengths, small tags, every count bounded.

ITU-T X.690; the application types are those of RFC 2578. Whatever the bytes are, the functions return or raise
:class:`~kproxy_tw.errors.MalformedInput`.
"""

from __future__ import annotations

from enum import Enum

from kproxy_tw.errors import MalformedInput

MAX_ARCS = 128
"""Numbers in an object identifier (RFC 2578, 3.5)."""

MAX_ARC = 0xFFFFFFFF

MAX_OCTETS = 512
"""What is kept of an octet string: enough for 255 characters of most scripts, and for every address."""

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER32, GAUGE32, TIME_TICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_VIEW = 0x80, 0x81, 0x82

_UNSIGNED_BYTES = {COUNTER32: 4, GAUGE32: 4, TIME_TICKS: 4, COUNTER64: 8}


class Missing(Enum):
    """Why an agent gives no value (RFC 3416, 3)."""

    NO_OBJECT = NO_SUCH_OBJECT
    NO_INSTANCE = NO_SUCH_INSTANCE
    END = END_OF_VIEW


Value = int | bytes | str | Missing | None
"""Octet strings are bytes; object identifiers and IPv4 addresses are text."""

Element = tuple[int, int, int]
"""Tag, and where the content starts and stops."""


def element(data: bytes, at: int, end: int) -> Element:
    """The element at ``at``, which must not reach beyond ``end``."""
    if at + 2 > end:
        raise MalformedInput(f"an element is cut off at offset {at}")
    tag, length, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise MalformedInput(f"a tag of several bytes at offset {at}")
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > end:
            raise MalformedInput(f"a length that is not taken at offset {at + 1}")
        length = int.from_bytes(data[start : start + count])
        start += count
    stop = start + length
    if stop > end:
        raise MalformedInput(f"an element at offset {at} is longer than what holds it")
    return tag, start, stop


def expect(data: bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` starts and stops, which must have the tag ``wanted``."""
    tag, start, stop = element(data, at, end)
    if tag != wanted:
        raise MalformedInput(f"tag {tag:#04x} instead of {wanted:#04x} at offset {at}")
    return start, stop


def integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The INTEGER at ``at``, of at most 4 bytes, and where the next element begins."""
    start, stop = expect(data, at, end, INTEGER)
    if not 1 <= stop - start <= 4:
        raise MalformedInput(f"an integer of {stop - start} bytes at offset {at}")
    return int.from_bytes(data[start:stop], signed=True), stop


def octets(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The OCTET STRING at ``at``, whole, and where the next element begins."""
    start, stop = expect(data, at, end, OCTETS)
    return data[start:stop], stop


def arcs(content: bytes) -> tuple[int, ...]:
    """The numbers in (a part of) an object identifier; the first two of a whole one are still one number."""
    numbers: list[int] = []
    number, begun = 0, False
    for byte in content:
        if not begun and byte == 0x80:
            raise MalformedInput("a number of an object identifier begins with nothing")
        number, begun = number << 7 | byte & 0x7F, byte >= 0x80
        if number > MAX_ARC:
            raise MalformedInput("a number of an object identifier is beyond 32 bits")
        if not begun:
            numbers.append(number)
            number = 0
    if begun:
        raise MalformedInput("an object identifier is cut off")
    if len(numbers) > MAX_ARCS:
        raise MalformedInput(f"an object identifier of {len(numbers)} numbers")
    return tuple(numbers)


def oid_numbers(content: bytes) -> tuple[int, ...]:
    """The numbers of a whole object identifier."""
    numbers = arcs(content)
    if not numbers:
        return ()
    first = min(numbers[0] // 40, 2)
    return first, numbers[0] - 40 * first, *numbers[1:]


def oid_content(numbers: tuple[int, ...]) -> bytes:
    """A whole object identifier as bytes, without tag and length."""
    content = bytearray()
    for number in (40 * numbers[0] + numbers[1], *numbers[2:]):
        content += arc_content(number)
    return bytes(content)


def arc_content(number: int) -> bytes:
    """One number of an object identifier as bytes."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def tlv(tag: int, content: bytes) -> bytes:
    """An element."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def integer_tlv(number: int) -> bytes:
    """An INTEGER that is not negative."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def value(data: bytes, tag: int, start: int, stop: int) -> Value:
    """What a variable holds; a type that SNMP does not have is ``None``."""
    size = _UNSIGNED_BYTES.get(tag)
    if size is not None:
        if not 1 <= stop - start <= size + 1:
            raise MalformedInput(f"a counter of {stop - start} bytes at offset {start}")
        # Some agents leave the leading zero out, so that the number looks negative.
        return int.from_bytes(data[start:stop]) & ((1 << 8 * size) - 1)
    if tag == OCTETS:
        return data[start : min(stop, start + MAX_OCTETS)]
    if tag == INTEGER:
        if not 1 <= stop - start <= 8:
            raise MalformedInput(f"an integer of {stop - start} bytes at offset {start}")
        return int.from_bytes(data[start:stop], signed=True)
    if tag == OID:
        return ".".join(map(str, oid_numbers(data[start:stop])))
    if tag == IP_ADDRESS:
        if stop - start != 4:
            raise MalformedInput(f"an IP address of {stop - start} bytes at offset {start}")
        return ".".join(map(str, data[start:stop]))
    if tag in (NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_VIEW):
        return Missing(tag)
    return data[start : min(stop, start + MAX_OCTETS)] if tag == OPAQUE else None
