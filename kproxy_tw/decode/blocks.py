"""Memory for datagrams that are joined to be walked: taken once, used again.

What is joined lives from the walk to the conversion, a second at most; the datagrams that it is made of come and go
meanwhile, by the ten thousand. Taken from the heap, each large piece would need a hole between them, and where there is
none, the heap would grow.
"""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Sequence

import numpy as np

LEAST_BYTES = 64 << 10
"""What is smaller finds a hole in the heap."""

MAX_KEPT_BYTES = 64 << 20
"""So much that nobody uses is kept for later."""

TRIM_EACH = 17
"""One in so many gives back what of its block it does not need: a large one would else have filled it for good. A
prime: exporters take turns, and it must not always be the same one's."""

DROP_EACH = 257
"""At one in so many, the free block of each size that waits longest goes: it was for a rush, or is soon made anew."""

Joined = bytes | memoryview


class Blocks:
    """Blocks of memory by size, each a power of two; any thread may be the last one to use one.

    What is kept follows what is needed: without that, each rare moment of much at once would leave the process larger.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[mmap.mmap]] = {}
        self._joins = 0

    def join(self, pieces: Sequence[bytes]) -> Joined:
        """The pieces one behind the other, in a block that is free again as soon as nobody holds what is returned."""
        joined = b"".join(pieces)
        if len(joined) < LEAST_BYTES:
            return joined
        size = 1 << (len(joined) - 1).bit_length()
        free = self._free.setdefault(size, [])
        block = free.pop() if free else mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        data = np.frombuffer(block, np.uint8, len(joined))
        data[:] = np.frombuffer(joined, np.uint8)
        weakref.finalize(data, self._give_back, size, block).atexit = False
        self._shrink(block, len(joined))
        return data.data

    def _shrink(self, block: mmap.mmap, used: int) -> None:
        """Now and then, do without what was not needed of late. :param used: bytes of ``block``, which is in use."""
        self._joins += 1
        if self._joins % TRIM_EACH == 0:
            end = -(-used // mmap.PAGESIZE) * mmap.PAGESIZE
            if end < len(block):
                block.madvise(mmap.MADV_DONTNEED, end)
        if self._joins % DROP_EACH == 0:
            for free in self._free.values():
                del free[:1]

    def _give_back(self, size: int, block: mmap.mmap) -> None:
        kept = sum(each * len(blocks) for each, blocks in list(self._free.items()))
        if kept + size <= MAX_KEPT_BYTES:
            self._free[size].append(block)
