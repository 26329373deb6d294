"""Which addresses the backend is being asked about: each once at a time, and not again at once.

Source addresses of SYNs can be made up; how many questions a second go out is bounded where they are asked, together
with those that connections cause.
"""

from __future__ import annotations

from collections import OrderedDict

from kproxy_tw.bgp.md5.syn import Address

MOST_PENDING = 64
AGAIN_SECONDS = 10.0
"""An address is not asked about again for this long after the answer, however often it tries."""

MOST_REMEMBERED = 1024


class Questions:
    """Times in seconds, monotonic. ``shed``: questions not asked because too many were under way."""

    def __init__(self) -> None:
        self._pending: set[Address] = set()
        self._answered: OrderedDict[Address, float] = OrderedDict()
        self.shed = 0

    @property
    def pending(self) -> int:
        """How many are under way."""
        return len(self._pending)

    def begin(self, address: Address, now: float) -> bool:
        """Whether to ask about this address now; :meth:`done` must follow."""
        if address in self._pending or now - self._answered.get(address, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return False
        if len(self._pending) >= MOST_PENDING:
            self.shed += 1
            return False
        self._pending.add(address)
        return True

    def done(self, address: Address, now: float, *, answered: bool) -> None:
        """The question has ended; without an answer the next SYN may ask again at once."""
        self._pending.discard(address)
        if not answered:
            return
        self._answered[address] = now
        self._answered.move_to_end(address)
        if len(self._answered) > MOST_REMEMBERED:
            self._answered.popitem(last=False)
