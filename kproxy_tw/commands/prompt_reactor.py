"""Twisted's asyncio reactor, with less work around each small read, write and timer: what a relay does most."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import DelayedCall
from twisted.internet.posixbase import PosixReactorBase


class PromptReactor(AsyncioSelectorReactor):
    """Writes at once what can be written, and watches a socket for room only when it has none.

    Twisted watches it before each write and no longer after it: two system calls, and a turn of the loop, for each
    message. It also sets the prefix of its old log around each read, which takes longer than a small read; nothing
    here logs that way. And while it calls what is due, it sets the timer of asyncio's loop anew for each call that is
    put off meanwhile, and once more afterwards; here only afterwards.
    """

    def __init__(self, eventloop: Any = None) -> None:
        self._fresh: dict[Any, None] = {}
        super().__init__(eventloop)

    def callLater(
        self,
        delay: float,
        callable: Callable[..., Any],  # noqa: A002 - Twisted's name
        *args: object,
        **kw: object,
    ) -> DelayedCall:
        """See ``IReactorTime``."""
        call = PosixReactorBase.callLater(self, delay, callable, *args, **kw)
        if self._scheduledAt is None or self._asyncioEventloop.time() + delay < self._scheduledAt:
            self._reschedule()
        return call

    def _onTimer(self) -> None:
        calling: Any = -math.inf  # no call can be due before: none sets the timer
        self._scheduledAt = calling
        try:
            self.runUntilCurrent()
        finally:
            self._scheduledAt = None
        self._reschedule()

    def addReader(self, reader: Any) -> None:
        """See ``IReactorFDSet``."""
        if reader in self._readers:
            return
        fd = reader.fileno()
        try:
            self._asyncioEventloop.add_reader(fd, self._readOrWrite, reader, True)
        except OSError:
            self._unregisterFDInAsyncio(fd)
            super().addReader(reader)  # knows of files that no selector can watch
        else:
            self._readers[reader] = fd

    def addWriter(self, writer: Any) -> None:
        """See ``IReactorFDSet``."""
        if writer in self._fresh or writer in self._writers:
            return
        if not self._fresh:
            self._asyncioEventloop.call_soon(self._write)
        self._fresh[writer] = None

    def removeWriter(self, writer: Any) -> None:
        """See ``IReactorFDSet``."""
        if writer in self._fresh:
            del self._fresh[writer]
        else:
            super().removeWriter(writer)

    def removeAll(self) -> list[Any]:
        """See ``IReactorFDSet``."""
        fresh, self._fresh = self._fresh, {}
        return [*super().removeAll(), *fresh]

    def getWriters(self) -> list[Any]:
        """See ``IReactorFDSet``."""
        return [*super().getWriters(), *self._fresh]

    def _write(self) -> None:
        """Let each write that has asked; those that have not finished wait for room."""
        for writer in tuple(self._fresh):
            if writer in self._fresh:
                self._readOrWrite(writer, False)
        unfinished, self._fresh = self._fresh, {}
        for writer in unfinished:
            if writer.fileno() != -1:
                super().addWriter(writer)
