"""An event loop that gathers events while gRPC is at work: a turn for what has come in two milliseconds.

Twenty messages that come one by one cost a relay twenty turns of its loop, and as many wake-ups of two threads; in one
turn they cost a quarter less. A busy processor's queue, which the rest of the machine stands in, too, delays a message
by more than this wait does.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVarTuple, cast

GATHER_SECONDS = 0.002
"""From one look at the sockets to the next."""

ECHO_SECONDS = 0.0005
"""The same after a look that gathered: gRPC's thread answers at once what the turn has given to it."""

LEAST_EVENTS = 4
"""Fewer than these were not worth the wait."""

REST_SECONDS = 0.1
"""So long nothing is gathered after a wait that was not worth it."""

MOST_WAKEUPS = 1 << 16
"""More bytes than a socket pair of wake-ups can hold, each being a piece of its own."""

Arguments = TypeVarTuple("Arguments")
Events = list[tuple[selectors.SelectorKey, int]]


class GatheringSelector(selectors.DefaultSelector):
    """Waits before it looks, if the last look was not long ago and the loop has nothing else to do.

    :ivar gathers: whether it ever waits.
    """

    gathers = False

    def __init__(self) -> None:
        super().__init__()
        self._looked = float("-inf")
        self._resting_until = float("-inf")
        self._echo = False  # the last look gathered

    def select(self, timeout: float | None = None) -> Events:
        """See ``selectors.BaseSelector``. :param timeout: seconds; with 0 or less it only looks."""
        if not self.gathers or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        now = time.monotonic()
        pause = self._looked + (ECHO_SECONDS if self._echo else GATHER_SECONDS) - now
        if pause <= 0 or now < self._resting_until:
            return self._look(timeout)
        if timeout is not None and timeout <= pause:
            time.sleep(timeout)
            return self._look(0)
        time.sleep(pause)
        return self._gather() or self._look(None if timeout is None else timeout - pause)

    def _look(self, timeout: float | None) -> Events:
        events = super().select(timeout)
        self._looked = time.monotonic()
        return events

    def _gather(self) -> Events:
        """Take what has come, and see whether it was worth the wait."""
        events = self._look(0)
        if not self._echo and len(events) < LEAST_EVENTS:
            self._resting_until = self._looked + REST_SECONDS
        self._echo = not self._echo
        return events


class GatheringLoop(asyncio.SelectorEventLoop):
    """asyncio's loop; it gathers from the moment at which gRPC begins to use it."""

    def __init__(self) -> None:
        self._gathering = GatheringSelector()
        super().__init__(self._gathering)

    def add_reader(self, fd: Any, callback: Callable[[*Arguments], Any], *args: *Arguments) -> None:
        """See ``asyncio.AbstractEventLoop``."""
        if isinstance(fd, socket.socket) and _is_of_grpc(callback):
            self._gathering.gathers = True
            super().add_reader(fd, all_at_once(fd, cast("Callable[[], Any]", callback)))
        else:
            super().add_reader(fd, callback, *args)


def all_at_once(wakeups: socket.socket, handle: Callable[[], object]) -> Callable[[], None]:
    """Take all wake-ups that have come, and handle them as one.

    gRPC's polling thread writes a byte for each event, and blocks when too many are unread; its handler reads one of
    them, and handles all events that are there. The last byte is left to it: an event comes before its byte, so that
    none is without a byte afterwards.

    :param wakeups: where they come.
    :param handle: reads one.
    """

    def handle_all() -> None:
        count = len(wakeups.recv(MOST_WAKEUPS, socket.MSG_PEEK))
        if count > 1:
            wakeups.recv(count - 1)
        handle()

    return handle_all


def _is_of_grpc(callback: Any) -> bool:
    """Whether it is the handler of gRPC's polling thread; one that is not known as such is left as it is."""
    owner = getattr(getattr(callback, "func", callback), "__self__", None)
    return type(owner).__module__ == "grpc._cython.cygrpc"
