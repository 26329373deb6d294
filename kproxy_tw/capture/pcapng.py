"""The pcapng format (draft-ietf-opsawg-pcapng): blocks; of interest are sections, interfaces and packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal

import attrs

from kproxy_tw.capture.packets import MAX_PACKET, Packet, at_end, read_exactly
from kproxy_tw.errors import MalformedInput

Order = Literal["big", "little"]

SECTION, INTERFACE, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 3, 6
BYTE_ORDER = 0x1A2B3C4D

MAX_BLOCK = 16 << 20
MAX_INTERFACES = 4096
TSRESOL = 9
"""The option with the resolution of an interface's times."""

NANO = 10**9


@attrs.frozen
class _Interface:
    link: int
    units_per_second: int


def pcapng_packets(file: BinaryIO) -> Iterator[Packet]:
    """The packets behind the first four bytes. :raises MalformedInput: the file is damaged."""
    order, interfaces = _section(file), list[_Interface]()
    number = 0
    while not at_end(file):
        kind = int.from_bytes(read_exactly(file, 4, "a block's header"), order)
        if kind == SECTION:
            order, interfaces = _section(file), []
            continue
        body = _body(file, order)
        if kind == INTERFACE and len(interfaces) < MAX_INTERFACES:
            interfaces.append(_interface(body, order))
        elif kind in (ENHANCED_PACKET, SIMPLE_PACKET):
            number += 1
            yield _packet(kind, body, order, interfaces, number)


def _section(file: BinaryIO) -> Order:
    """Read a section's header behind its kind. :return: its byte order."""
    length, magic = read_exactly(file, 4, "a section's header"), read_exactly(file, 4, "a section's header")
    if int.from_bytes(magic, "big") == BYTE_ORDER:
        order: Order = "big"
    elif int.from_bytes(magic, "little") == BYTE_ORDER:
        order = "little"
    else:
        raise MalformedInput("a section of the capture file has no byte order: the file is damaged")
    size = int.from_bytes(length, order)
    if not 28 <= size <= MAX_BLOCK:
        raise MalformedInput(f"a section's header of {size} bytes: the file is damaged")
    read_exactly(file, size - 12, "a section's header")
    return order


def _body(file: BinaryIO, order: Order) -> bytes:
    size = int.from_bytes(read_exactly(file, 4, "a block's header"), order)
    if not 12 <= size <= MAX_BLOCK or size % 4:
        raise MalformedInput(f"a block of {size} bytes: the file is damaged")
    return read_exactly(file, size - 8, "a block")[:-4]


def _interface(body: bytes, order: Order) -> _Interface:
    if len(body) < 8:
        raise MalformedInput("an interface without a link type: the file is damaged")
    link, units, place = int.from_bytes(body[:2], order), 10**6, 8
    while place + 4 <= len(body):
        code, size = int.from_bytes(body[place : place + 2], order), int.from_bytes(body[place + 2 : place + 4], order)
        if code == TSRESOL and size == 1 and place + 4 < len(body):
            value = body[place + 4]
            units = 1 << (value & 0x7F) if value & 0x80 else 10 ** min(value, 18)
        place += 4 + size + -size % 4
        if code == 0:
            break
    return _Interface(link, units)


def _packet(kind: int, body: bytes, order: Order, interfaces: list[_Interface], number: int) -> Packet:
    words = [int.from_bytes(body[place : place + 4], order) for place in range(0, 20, 4)]
    if kind == SIMPLE_PACKET:
        index, length, head = 0, words[0], 4
        captured = min(length, len(body) - head)
    else:
        index, captured, length, head = words[0], words[3], words[4], 20
    if index >= len(interfaces) or captured > min(MAX_PACKET, len(body) - head) or captured < 0:
        raise MalformedInput(f"packet {number} does not fit its block or its interface: the file is damaged")
    interface = interfaces[index]
    ticks = (words[1] << 32 | words[2]) if kind == ENHANCED_PACKET else 0
    return Packet(ticks * NANO // interface.units_per_second, interface.link, body[head : head + captured], length)
