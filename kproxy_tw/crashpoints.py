"""Named places in the code at which a test can have the process die: a hook for tests of crash safety, nothing else.

``KPROXY_CRASH_AT=sync`` in the environment lets the process kill itself (SIGKILL, so that nothing is tidied up) when
it comes to the place ``sync`` for the first time, ``KPROXY_CRASH_AT=sync:3`` when it comes there for the third time.
Without that variable a crash point is one comparison. The names:

===========  ============================================================================================
``create``   kproxy has made the file of a new spool segment, and nothing stands in it
``rename``   the new segment has its head and is about to get its name
``write``    messages are in a segment, and are not synchronized
``sync``     they are synchronized, and nobody has been told
``seal``     a segment is full: from now on it is only read
``ack``      a message is acknowledged, and its place in the segment is about to be marked
``state``    the counts beside the spool are about to be written
``delete``   a segment of which nothing waits any more is about to be deleted
``commit``   kcollect has inserted flows, and is about to commit
``stored``   kcollect has committed, and has not answered
===========  ============================================================================================
"""

from __future__ import annotations

import os
import signal
from itertools import count

VARIABLE = "KPROXY_CRASH_AT"

NAMES = ("create", "rename", "write", "sync", "seal", "ack", "state", "delete", "commit", "stored")


def parse(text: str) -> tuple[str, int]:
    """Read ``name`` or ``name:times``. :return: empty and 0 when it is neither, as when it is empty."""
    name, _colon, times = text.partition(":")
    if name not in NAMES or not (times.isdecimal() or not _colon):
        return "", 0
    return name, int(times or 1)


_ARMED, _TIMES = parse(os.environ.get(VARIABLE, ""))
_passed = count(1)


def crash_point(name: str) -> None:
    """Die here if the environment says so; see the module."""
    if name == _ARMED and next(_passed) >= _TIMES:
        os.kill(os.getpid(), signal.SIGKILL)
