"""The seam to a thread: how blocking work leaves the reactor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Offload(Protocol):
    """Runs a callable away from the reactor's thread.

    ``functools.partial(deferToThreadPool, reactor, reactor.getThreadPool())`` fits.
    """

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Run ``work``; what it returns or raises comes out of the awaitable."""
