"""The seam to a thread: how blocking work leaves the reactor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from threading import Thread
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


def ends_with_process(pool: Any) -> None:
    """Let the process end although threads of a pool run, or hang: after a start that failed nobody stops the pool.

    An orderly stop waits for the pool's work by itself.

    :param pool: a thread pool of Twisted's, not started yet.
    """
    pool.threadFactory = partial(Thread, daemon=True)


class Offload(Protocol):
    """Runs a callable away from the reactor's thread.

    ``functools.partial(deferToThreadPool, reactor, reactor.getThreadPool())`` fits.
    """

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Run ``work``; what it returns or raises comes out of the awaitable."""
