"""How many things, and how many bytes of them, may be under way at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kproxy_tw.errors import StoreError


class OverBudget(StoreError):
    """Too much is under way already; the client is to try again."""


class Budget:
    """For one thread.

    :param what: what is counted, for the message.
    :param count: things at once.
    :param size: bytes at once; a thing alone may always be larger.
    """

    def __init__(self, what: str, *, count: int, size: int) -> None:
        self._what = what
        self._max_count = count
        self._max_size = size
        self._count = 0
        self._size = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold a share for the time of the block.

        :raises OverBudget: none is left.
        """
        if self._count >= self._max_count or (self._count and self._size + size > self._max_size):
            raise OverBudget(f"{self._count} {self._what} are under way already")
        self._count += 1
        self._size += size
        try:
            yield
        finally:
            self._count -= 1
            self._size -= size
