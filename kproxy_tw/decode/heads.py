"""The heads of a batch of datagrams as one array: what their walk and their sequence numbers both begin with."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt

HEAD_BYTES = 24
"""The longest header that is read in columns: that of NetFlow v9 with the first set's header behind it. It holds the
sequence number in every format but sFlow."""

Heads = npt.NDArray[np.uint8]
"""One row of :data:`HEAD_BYTES` a datagram; a shorter datagram is followed by zeros."""

_HEAD = itemgetter(slice(HEAD_BYTES))


def heads_of(datagrams: Sequence[bytes]) -> Heads:
    """The first bytes of each datagram."""
    joined = b"".join(map(_HEAD, datagrams))
    if len(joined) != HEAD_BYTES * len(datagrams):
        joined = b"".join([data[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0") for data in datagrams])
    return np.frombuffer(joined, np.uint8).reshape(-1, HEAD_BYTES)
