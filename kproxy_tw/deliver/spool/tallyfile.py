"""TallyFile: the file beside the segments with what the books said last."""

from __future__ import annotations

import os
from pathlib import Path

from kproxy_tw.crashpoints import crash_point
from kproxy_tw.deliver.spool.tally import SLOT_BYTES, SLOTS, Tally, encode_slot, latest

FILE_NAME = "tally"


class TallyFile:
    """See the module. For one thread.

    :param directory: of the spool; nobody else may use it.
    :ivar previous: what the run before this one wrote last; ``None`` when there was none, or it cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.previous: Tally | None = None
        self.path = directory / FILE_NAME
        self._descriptor = -1
        self._generation = 0

    @property
    def crash_gap(self) -> int:
        """Flows that the run before this one had in memory alone when it last wrote; 0: it ended in order."""
        return 0 if self.previous is None else self.previous.in_memory_alone

    def open(self) -> None:
        """Read what is there. :raises OSError: the file cannot be made or read."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._generation, self.previous = latest(os.pread(self._descriptor, SLOTS * SLOT_BYTES, 0))

    def write(self, tally: Tally, *, synchronize: bool) -> None:
        """Put ``tally`` in the place of the older slot.

        :param synchronize: wait until it is on the disk; else a crash of the machine may forget it.
        :raises OSError: the disk does not take it.
        """
        crash_point("state")
        self._generation += 1
        slot = encode_slot(tally, self._generation)
        os.pwrite(self._descriptor, slot, self._generation % SLOTS * SLOT_BYTES)
        if synchronize:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
