"""What the C library does with memory that is given back to it."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""``malloc.h``: names that :mod:`ctypes` cannot know."""

LARGEST_KEPT = 32 << 20
"""Bytes of the largest block that is kept: as much as glibc allows."""

MOST_KEPT = 64 << 20
"""Bytes at the end of a heap that are kept."""

HEAPS = 4
"""Heaps for all threads. The conversion is one of the first threads, and so has a heap of its own: its large blocks
come and go by the second, and would find no room between what the reactor keeps. With a heap for each thread, each
would keep, in pieces, what it once needed most."""


def keep_freed_memory() -> None:
    """Keep freed blocks for the next second's instead of giving them back to the kernel.

    Each second needs the same blocks of some megabytes again, and a page that comes fresh from the kernel costs more
    than all that is done with it. To be called before there are threads. Where the C library is not glibc, nothing
    happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, MOST_KEPT)
        mallopt(M_ARENA_MAX, HEAPS)
