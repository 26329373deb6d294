"""What this process uses, as Linux tells it."""

from __future__ import annotations

import math
import os
import resource
from pathlib import Path

from kproxy_tw.limits import ProcessUse

_STATUS = Path("/proc/self/status")
_FILES = Path("/proc/self/fd")


def process_use() -> ProcessUse:
    """Memory and open files; zeros where ``/proc`` is not readable."""
    sizes = dict.fromkeys(("VmRSS", "VmHWM"), 0)
    try:
        for line in _STATUS.read_text().splitlines():
            name, _colon, rest = line.partition(":")
            if name in sizes:
                sizes[name] = int(rest.split()[0]) * 1024
        files = len(os.listdir(_FILES))
    except OSError:
        files = 0
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return ProcessUse(
        memory=sizes["VmRSS"],
        memory_peak=sizes["VmHWM"],
        files=files,
        files_limit=math.inf if limit == resource.RLIM_INFINITY else limit,
    )
