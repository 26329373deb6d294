"""Writes messages to a gRPC call, one after the other, with a task only while there is something to write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc.aio

HALF_CLOSE = object()
"""What a source gives when nothing will follow."""


class Pump:
    """Takes messages from a source until it gives ``None``, and again after each :meth:`wake`.

    A call that has ended stops it; whoever reads from the call learns why. Make it inside the running event loop.

    :param take: gives the next message, ``None`` for none now, :data:`HALF_CLOSE` for the end.
    :param written: told each message that has left.
    """

    def __init__(
        self, call: Any, take: Callable[[], object | None], written: Callable[[Any], None] | None = None
    ) -> None:
        self._call = call
        self._take = take
        self._written = written
        self._loop = asyncio.get_running_loop()  # asking for it at each message would cost a system call
        self._task: asyncio.Task[None] | None = None
        self._open = True

    def wake(self) -> None:
        """There is something to write."""
        if self._open and self._task is None:
            self._task = self._loop.create_task(self._run())

    async def stop(self) -> None:
        """Write nothing more; done when nothing is being written."""
        self._open = False
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        try:
            while self._open and (message := self._take()) is not None:
                if message is HALF_CLOSE:
                    self._open = False
                    await self._call.done_writing()
                else:
                    await self._call.write(message)
                    if self._written is not None:
                        self._written(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self._open = False
        finally:
            self._task = None  # in the same turn in which the source had nothing: no wake-up is missed
