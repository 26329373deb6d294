"""What the daemon has said and no stream has carried yet. Pure."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from kproxy_tw.bgp.framing import NOTIFICATION, Framing
from kproxy_tw.bgp.grpc_options import MESSAGE_BYTES
from kproxy_tw.bgp.opening import Opening, read_open
from kproxy_tw.collector.bgp_target.cease import Cease, cease
from kproxy_tw.collector.bgp_target.tenants import Tenant
from kproxy_tw.errors import MalformedInput

HIGH_BYTES = 64 << 10
"""So much may wait; then the daemon is not read. With one more read and what is kept for replay that makes 1 MiB."""


class Downward:
    """Bytes on their way to the router, before they have a number.

    :ivar held: bytes that wait.
    :ivar opening: the daemon's OPEN, once it has come.
    :ivar ended: whether no more will come.
    :ivar clean: whether it then ends where a message ends.
    :ivar on_room: called when the daemon may be read again.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.held = 0
        self.total = 0
        self.opening: Opening | None = None
        self.ended = False
        self.clean = True
        self.on_room: Callable[[], None] = lambda: None
        self._tenant = tenant
        self._chunks: deque[bytes] = deque()
        self._framing: Framing | None = Framing()
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether the daemon should not be read."""
        return self.held >= HIGH_BYTES or (self.held > 0 and self._tenant.full)

    def received(self, data: bytes) -> None:
        """Take bytes of the daemon."""
        self._follow(data)
        self.total += len(data)
        self._append(data)

    def extend(self) -> None:
        """Both sides have announced extended messages."""
        if self._framing is not None:
            self._framing.extend()

    def end(self, subcode: Cease, text: str) -> None:
        """No more will come.

        :param subcode: of the NOTIFICATION that the router is to get if the daemon has sent none itself.
        """
        framing = self._framing
        self.clean = framing is not None and framing.between_messages
        if self.clean and framing is not None and not framing.counts[NOTIFICATION]:
            self._append(cease(subcode, text))
        self.ended = True
        self._changed.set()

    def wake(self) -> None:
        """Let :meth:`wait` return although nothing came."""
        self._changed.set()

    async def wait(self) -> None:
        """Wait until something has changed since the last call."""
        await self._changed.wait()
        self._changed.clear()

    def take(self) -> list[bytes]:
        """The next bytes for one message; empty when nothing waits."""
        was_full = self.full
        taken: list[bytes] = []
        size = 0
        while self._chunks and (not taken or size + len(self._chunks[0]) <= MESSAGE_BYTES):
            taken.append(self._chunks.popleft())
            size += len(taken[-1])
        self._hold(-size)
        if was_full:
            self._read_again()
        return taken

    def _read_again(self) -> None:
        if not self.full:
            self.on_room()
        elif self._tenant.full:
            self._tenant.when_room(self._read_again)

    def drop(self) -> None:
        """Forget what waits."""
        self._chunks.clear()
        self._hold(-self.held)

    def _append(self, data: bytes) -> None:
        self._chunks.append(data)
        self._hold(len(data))
        self._changed.set()

    def _hold(self, size: int) -> None:
        self.held += size
        self._tenant.hold(size)

    def _follow(self, data: bytes) -> None:
        if self._framing is None:
            return
        try:
            first = self._framing.feed(data)
            if first is not None:
                self.opening = read_open(first)
        except MalformedInput:
            self._framing = None  # the router will judge what its daemon says
