"""A batch of datagrams in one piece, so that NumPy reads and copies parts of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.blocks import Blocks, Joined
from kproxy_tw.decode.spans import cut

HEAD_BYTES = 24
"""The longest header that is read in columns: that of NetFlow v9 with the first set's header behind it. It holds the
sequence number in every format but sFlow."""

_HEAD = np.dtype((np.void, HEAD_BYTES))

Heads = npt.NDArray[np.uint8]
"""One row of :data:`HEAD_BYTES` a datagram; a shorter datagram is followed by zeros."""

Positions = npt.NDArray[np.intp]


class JoinedDatagrams:
    """Datagrams of one exporter, one behind the other.

    :param received_ns: when each came in, nanoseconds since 1970.
    :param blocks: where there is memory for them; ``None``: on the heap.
    :ivar received_ns: the same; shape ``(n,)``.
    :ivar data: their bytes, and zeros behind them, as many as a head has.
    :ivar starts, sizes: where each begins in ``data``, and its bytes; shape ``(n,)``.
    :ivar heads: the first bytes of each.
    """

    def __init__(self, datagrams: Sequence[bytes], received_ns: Sequence[int], blocks: Blocks | None = None) -> None:
        self.received_ns = np.array(received_ns, np.int64)
        self.sizes = np.fromiter(map(len, datagrams), np.intp, len(datagrams))
        self.starts: Positions = np.cumsum(self.sizes) - self.sizes
        pieces = [*datagrams, bytes(HEAD_BYTES)]
        self.data: Joined = b"".join(pieces) if blocks is None else blocks.join(pieces)
        self.heads = cut(np.frombuffer(self.data, np.uint8), self.starts, _HEAD).view(np.uint8).reshape(-1, HEAD_BYTES)
        if len(datagrams) and self.sizes.min() < HEAD_BYTES:
            self.heads[np.arange(HEAD_BYTES) >= self.sizes[:, None]] = 0

    def __len__(self) -> int:
        return len(self.sizes)
