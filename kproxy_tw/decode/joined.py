"""A batch of datagrams in one piece, so that NumPy reads and copies parts of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

HEAD_BYTES = 24
"""The longest header that is read in columns: that of NetFlow v9 with the first set's header behind it. It holds the
sequence number in every format but sFlow."""

Heads = npt.NDArray[np.uint8]
"""One row of :data:`HEAD_BYTES` a datagram; a shorter datagram is followed by zeros."""

Positions = npt.NDArray[np.intp]


class JoinedDatagrams:
    """Datagrams of one exporter, one behind the other.

    :param received_ns: when each came in, nanoseconds since 1970.
    :ivar received_ns: the same; shape ``(n,)``.
    :ivar sizes: bytes of each; shape ``(n,)``.
    :ivar heads: the first bytes of each.
    """

    def __init__(self, datagrams: Sequence[bytes], received_ns: Sequence[int]) -> None:
        self.received_ns = np.array(received_ns, np.int64)
        self.sizes = np.fromiter(map(len, datagrams), np.intp, len(datagrams))
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._joined = b"".join([*datagrams, bytes(HEAD_BYTES)])
        self.heads = self._windows(HEAD_BYTES)[self._starts].view(np.uint8).reshape(-1, HEAD_BYTES)
        if len(datagrams) and self.sizes.min() < HEAD_BYTES:
            self.heads[np.arange(HEAD_BYTES) >= self.sizes[:, None]] = 0

    def __len__(self) -> int:
        return len(self.sizes)

    def cut(self, positions: Positions, first: int, size: int) -> memoryview:
        """``size`` bytes of each of some datagrams, from the byte ``first`` of each; all of them must be that long."""
        octets: npt.NDArray[np.uint8] = self._windows(size)[self._starts[positions] + first].view(np.uint8)
        return octets.data

    def _windows(self, size: int) -> npt.NDArray[Any]:
        """What stands at each place, ``size`` bytes long; nothing is copied until places are chosen."""
        places = len(self._joined) - size + 1
        return np.ndarray((places,), np.dtype((np.void, size)), self._joined, 0, (1,))
