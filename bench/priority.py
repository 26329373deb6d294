"""The benchmark's own processes come first: what they wait for a processor would count as a relay's delay."""

from __future__ import annotations

import contextlib
import os

NICENESS = -10


def before_relays() -> None:
    """Ask the scheduler for that; without root's powers it stays as it is."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
