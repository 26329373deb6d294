"""A process that stores messages and says so on its standard output, until it is killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from kproxy_tw.collector.message import Sender, accept
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.flowbatch import FlowBatch

FLOWS = 500


def main() -> None:
    """Store message after message; say its number when it is committed."""
    store = FlowStore(Path(sys.argv[1]))
    store.open()
    for number in range(10_000):
        batch = FlowBatch(FLOWS, {"in_bytes": np.full(FLOWS, number, np.uint64)})
        ids = np.zeros(FLOWS, np.uint32)
        store.write(
            [accept(Sender(1, "d", 7), device_name="d", received=number, batch=batch, device_ids=ids, custom={})]
        )
        try:
            os.write(1, b"%d\n" % number)
        except BrokenPipeError:
            return  # whoever listened is gone


if __name__ == "__main__":
    main()
