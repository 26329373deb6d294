"""Bytes of a router on their way into messages: coalesced, bounded, with marks for back pressure. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from kproxy_tw.bgp.grpc_options import MESSAGE_BYTES

PAUSE_BYTES = 512 << 10
PROCEED_BYTES = 128 << 10
"""Reading from the router pauses when more than the first is held, and goes on when less than the second is."""

MAX_PIECES = 4096
"""In one message."""


class Outbox:
    """Messages to be written again, then pieces that no message holds yet. :ivar held: bytes of those pieces."""

    def __init__(self) -> None:
        self.held = 0
        self.pausing = False
        self._pieces: deque[bytes] = deque()
        self._again: deque[tuple[bytes, ...]] = deque()

    def __bool__(self) -> bool:
        """Whether there is something to write."""
        return bool(self._again or self._pieces)

    def add(self, data: bytes) -> bool:
        """Hold one piece, as it was read; true when the router must pause now."""
        self._pieces.append(data)
        self.held += len(data)
        if self.pausing or self.held <= PAUSE_BYTES:
            return False
        self.pausing = True
        return True

    def relieved(self) -> bool:
        """True when the router, told to pause before, may go on now."""
        if not self.pausing or self.held >= PROCEED_BYTES:
            return False
        self.pausing = False
        return True

    def repeat(self, messages: Iterable[tuple[bytes, ...]]) -> None:
        """Write these first, in place of those that were to be repeated until now."""
        self._again = deque(messages)

    def next_repeated(self) -> tuple[bytes, ...] | None:
        """Take the next message to be written again; it has its number already."""
        return self._again.popleft() if self._again else None

    def next_new(self) -> list[bytes]:
        """Take as many pieces as make up one message; empty if there are none."""
        pieces = self._pieces
        taken: list[bytes] = []
        size = 0
        while pieces and len(taken) < MAX_PIECES and (not taken or size + len(pieces[0]) <= MESSAGE_BYTES):
            piece = pieces.popleft()
            taken.append(piece)
            size += len(piece)
        self.held -= size
        return taken

    def clear(self) -> None:
        """Hold nothing any more."""
        self._pieces.clear()
        self._again.clear()
        self.held = 0
