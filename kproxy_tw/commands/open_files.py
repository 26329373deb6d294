"""How many files and sockets the process may have open."""

from __future__ import annotations

import resource

ENOUGH = 65536
"""A thousand routers take a few thousand; beyond this nothing of ours goes."""


def raise_open_files() -> None:
    """Raise the soft limit, which is 1,024 on most systems, to the hard one: that needs no privilege."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
