"""How many SYNs go on to the parent: anybody can send them, the parent's time is worth more than any of them.

Signed and unsigned ones have budgets of their own, so that a flood of one kind leaves room for the other.
"""

from __future__ import annotations

from collections import OrderedDict

from kproxy_tw.bgp.md5.syn import Address, Syn

SIGNED_PER_SECOND = 200.0
UNSIGNED_PER_SECOND = 50.0
SPACING_SECONDS = 0.4
"""Between two of one source; a router repeats its SYN after a second at the earliest."""

MOST_SOURCES = 4096


class Budget:
    """A token bucket that holds one second's worth."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._filled = now

    def take(self, now: float) -> bool:
        """Whether there is one more."""
        self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Shedding:
    """Chooses; times in seconds, monotonic."""

    def __init__(self, now: float) -> None:
        self._budgets = {True: Budget(SIGNED_PER_SECOND, now), False: Budget(UNSIGNED_PER_SECOND, now)}
        self._last: OrderedDict[tuple[Address, bool], float] = OrderedDict()

    def admits(self, syn: Syn, now: float) -> bool:
        """Whether the parent is told of this one."""
        signed = bool(syn.digest) or syn.authentication_option
        last = self._last.get((syn.source, signed))
        if last is not None and now - last < SPACING_SECONDS:
            return False
        if not self._budgets[signed].take(now):
            return False
        self._last[syn.source, signed] = now
        self._last.move_to_end((syn.source, signed))
        if len(self._last) > MOST_SOURCES:
            self._last.popitem(last=False)
        return True
