"""A bounded cursor over bytes in network order: the only place that unpacks integers.

Every decoder of a peer's bytes reads through :class:`Reader`, or, where a header
is read for every datagram, through one of the precompiled readers below. Both
raise :class:`~kproxy_tw.errors.MalformedInput` and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from kproxy_tw.errors import MalformedInput

Buffer = bytes | memoryview


def unpacker(layout: str) -> Callable[[Buffer, int], tuple[int, ...]]:
    """A function ``(data, offset) -> integers`` for a fixed network-order layout.

    :param layout: a :mod:`struct` layout without byte-order mark, for example ``"HHIIII"``.
    """
    compiled = struct.Struct("!" + layout)

    def read(data: Buffer, offset: int) -> tuple[int, ...]:
        try:
            return compiled.unpack_from(data, offset)
        except struct.error:
            raise MalformedInput(
                f"{compiled.size} bytes wanted at offset {offset}, {max(0, len(data) - offset)} are there"
            ) from None

    return read


def trusted_unpacker(layout: str) -> Callable[[Buffer, int], tuple[int, ...]]:
    """Like :func:`unpacker`, at half the cost, for hot loops that have checked that the bytes are there."""
    return struct.Struct("!" + layout).unpack_from


_SHORT = trusted_unpacker("H")
_SINGLE = trusted_unpacker("f")
_DOUBLE = trusted_unpacker("d")


class Reader:
    """Reads forward through ``data[start:end]`` and never beyond.

    :param data: the bytes; they are not copied.
    :param start: first readable offset.
    :param end: offset behind the last readable byte; the end of ``data`` when left out.
    """

    __slots__ = ("_data", "_end", "position")

    def __init__(self, data: Buffer, start: int = 0, end: int | None = None) -> None:
        limit = len(data) if end is None else end
        if not 0 <= start <= limit <= len(data):
            raise MalformedInput(f"bytes {start} to {limit} asked for, {len(data)} are there")
        self._data = data
        self._end = limit
        self.position = start

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self.position

    def _integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def u8(self) -> int:
        """The next byte."""
        return self._integer(1)

    def u16(self) -> int:
        """The next 2 bytes."""
        return int(_SHORT(self._data, self.skip(2))[0])

    def u32(self) -> int:
        """The next 4 bytes."""
        return self._integer(4)

    def u64(self) -> int:
        """The next 8 bytes."""
        return self._integer(8)

    def f32(self) -> float:
        """The next 4 bytes, an IEEE 754 number."""
        return float(_SINGLE(self._data, self.skip(4))[0])

    def f64(self) -> float:
        """The next 8 bytes, an IEEE 754 number."""
        return float(_DOUBLE(self._data, self.skip(8))[0])

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, copied."""
        start = self.skip(size)
        return bytes(self._data[start : start + size])

    def skip(self, size: int) -> int:
        """Step over ``size`` bytes; gives the offset of the first of them."""
        start = self.position
        if size < 0 or size > self._end - start:
            raise MalformedInput(f"{size} bytes wanted at offset {start}, {self.remaining} are left")
        self.position = start + size
        return start

    def part(self, size: int) -> Reader:
        """A reader restricted to the next ``size`` bytes, which this one steps over."""
        start = self.skip(size)
        return Reader(self._data, start, start + size)
