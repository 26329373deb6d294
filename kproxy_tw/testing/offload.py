"""Offload without threads: what would run beside the reactor runs at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def inline(work: Callable[[], T], /) -> T:
    """Run ``work`` here and now; fits ``devices.offload.Offload``."""
    return work()
