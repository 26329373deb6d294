"""Settings and readings as JSON for the pipe between kproxy and its polling process: in bounded pieces. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeVar

import attrs
from cattrs.preconf.json import make_converter

from kproxy_tw.snmp.reading import Interface, InterfaceCounters, Reading

T = TypeVar("T")

MAX_PIECE = 60_000
"""Bytes of one piece; a value of AMP has room for 65,535."""

MAX_PIECES = 2048
"""Of one reading: more than 16,384 rows with the longest texts."""

MOST_PARTS = 6
"""Of a kind, when all of them would be too long: names of 255 characters may have a kilobyte each."""

_CONVERTER = make_converter()


@attrs.frozen
class Piece:
    """A part of a reading; the last one has the rest of it."""

    interfaces: tuple[Interface, ...] = ()
    counters: tuple[InterfaceCounters, ...] = ()
    reading: Reading | None = None


def dump(value: object) -> bytes:
    """A value as JSON."""
    return json.dumps(_CONVERTER.unstructure(value), ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )


def load(kind: type[T], body: bytes) -> T:
    """A value from :func:`dump`. :raises Exception: it is none; our own process does not send that."""
    return _CONVERTER.structure(json.loads(body), kind)


def lists(values: Iterable[object]) -> Iterator[bytes]:
    """JSON lists of the values, each of at most ``MAX_PIECE`` bytes; at least one, which may be empty."""
    held: list[bytes] = []
    size = 2
    for value in values:
        body = dump(value)
        if held and size + len(body) > MAX_PIECE:
            yield b"[%b]" % b",".join(held)
            held, size = [], 2
        held.append(body)
        size += len(body) + 1
    yield b"[%b]" % b",".join(held)


def pieces(reading: Reading) -> Iterator[bytes]:
    """A reading in pieces."""
    for body in lists(_fitting(interface) for interface in reading.interfaces):
        if body != b"[]":
            yield b'{"interfaces":%b}' % body
    for body in lists(reading.counters):
        if body != b"[]":
            yield b'{"counters":%b}' % body
    yield b'{"reading":%b}' % dump(_fitting_rest(attrs.evolve(reading, interfaces=(), counters=())))


def _fitting(interface: Interface) -> Interface:
    """Without what surrounds it when that would not fit into one piece."""
    if len(dump(interface)) <= MAX_PIECE // 2:
        return interface
    return attrs.evolve(interface, addresses=(), vrf=None, lower=(), higher=(), neighbors=())


def _fitting_rest(reading: Reading) -> Reading:
    """With the first events and parts only, when all would not fit into one piece."""
    if len(dump(reading)) <= MAX_PIECE:
        return reading
    health = reading.health
    few = attrs.evolve(
        health,
        cpus=health.cpus[:MOST_PARTS],
        memories=health.memories[:MOST_PARTS],
        temperatures=health.temperatures[:MOST_PARTS],
    )
    return attrs.evolve(reading, events=reading.events[:MOST_PARTS], health=few)


@attrs.define(eq=False)
class Assembly:
    """Puts a reading together again."""

    _interfaces: list[Interface] = attrs.field(factory=list, init=False)
    _counters: list[InterfaceCounters] = attrs.field(factory=list, init=False)
    pieces: int = attrs.field(default=0, init=False)

    def take(self, body: bytes) -> Reading | None:
        """The next piece; the reading when it was the last one. :raises ValueError: there are too many."""
        self.pieces += 1
        if self.pieces > MAX_PIECES:
            raise ValueError(f"a reading of more than {MAX_PIECES} pieces")
        piece = load(Piece, body)
        self._interfaces += piece.interfaces
        self._counters += piece.counters
        if piece.reading is None:
            return None
        return attrs.evolve(piece.reading, interfaces=tuple(self._interfaces), counters=tuple(self._counters))
