"""Who may ask the backend next: connections that wait for an answer about their router, bounded in number and time.

Unknown peers can connect as often as they like; each costs a question to the backend. So few may wait, questions are
asked at a bounded rate, and peers that have had a session come first.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

import attrs

MAX_PENDING = 64
MAX_PENDING_OF_ONE_ADDRESS = 4
WAIT_SECONDS = 30.0
LOOKUPS_PER_SECOND = 5.0
MAX_KNOWN = 10_000
"""Addresses remembered as known; beyond it the one whose session began longest ago is forgotten."""


class NoRoom(Exception):
    """Too many wait already; ``str()`` says of whom."""


@attrs.define(eq=False)
class Ticket:
    """The place of one connection in the queue.

    :ivar evicted: called when it has to make room for a known peer; it has left the queue then.
    :ivar turn: whether it may ask, or has asked.
    """

    address: str
    known: bool
    evicted: Callable[[], None]
    turn: bool = False


class Admission:
    """The queue. A ticket counts as pending until it leaves."""

    def __init__(self) -> None:
        self._tickets: dict[Ticket, None] = {}
        self._of_address: Counter[str] = Counter()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._next_lookup = 0.0

    def __len__(self) -> int:
        return len(self._tickets)

    def enter(self, address: str, evicted: Callable[[], None]) -> Ticket:
        """Join the queue. A known peer finds room as long as an unknown one holds some.

        :raises NoRoom: the queue, or this address's share of it, is full.
        """
        if self._of_address[address] >= MAX_PENDING_OF_ONE_ADDRESS:
            raise NoRoom(f"{MAX_PENDING_OF_ONE_ADDRESS} connections of this address wait already")
        known = address in self._known
        if len(self._tickets) >= MAX_PENDING and not (known and self._evict()):
            raise NoRoom(f"{MAX_PENDING} connections wait already")
        ticket = Ticket(address, known, evicted)
        self._tickets[ticket] = None
        self._of_address[address] += 1
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place up: answered, refused, gone, or tired of waiting."""
        if ticket in self._tickets:
            del self._tickets[ticket]
            self._of_address[ticket.address] -= 1
            if not self._of_address[ticket.address]:
                del self._of_address[ticket.address]

    def next(self, now: float) -> Ticket | None:
        """Give the turn to the next one, if it is time: known peers first, then in the order of arrival."""
        if now < self._next_lookup:
            return None
        waiting = [ticket for ticket in self._tickets if not ticket.turn]
        if not waiting:
            return None
        chosen = next((ticket for ticket in waiting if ticket.known), waiting[0])
        chosen.turn = True
        self._next_lookup = now + 1 / LOOKUPS_PER_SECOND
        return chosen

    def wait_seconds(self, now: float) -> float | None:
        """Seconds until :meth:`next` gives a turn; ``None`` when nobody waits for one."""
        if all(ticket.turn for ticket in self._tickets):
            return None
        return max(0.0, self._next_lookup - now)

    def welcome(self, address: str) -> None:
        """Remember an address that has got a session."""
        self._known[address] = None
        self._known.move_to_end(address)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def unwelcome(self, address: str) -> None:
        """Forget an address that the backend has refused."""
        self._known.pop(address, None)

    def _evict(self) -> bool:
        """Take the place of the youngest unknown one."""
        youngest = next((ticket for ticket in reversed(self._tickets) if not ticket.known), None)
        if youngest is None:
            return False
        self.leave(youngest)
        youngest.evicted()
        return True
