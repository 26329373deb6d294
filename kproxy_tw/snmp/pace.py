"""How much to ask an agent for at once: less when it does not answer or says "too big", slowly more again. Pure."""

from __future__ import annotations

import attrs

from kproxy_tw.snmp.message import MAX_VARIABLES_ASKED

MOST_COLUMNS = 32
"""More than any of our tables has."""

GOOD_ANSWERS = 8
"""So many good answers in a row let the repetitions grow."""


@attrs.define
class Pace:
    """Of one agent; kept from poll to poll.

    :ivar most: rows asked for at once, at most.
    :ivar columns: asked for at once, at most.
    :ivar bulk: the agent takes GETBULK, as far as is known.
    :ivar fast_running: a thread of the fast client still waits for the agent.
    :ivar fast_rest: for so many polls the fast client is not used, as it had trouble with the agent.
    """

    most: int
    columns: int = MOST_COLUMNS
    bulk: bool = True
    fast_running: bool = False
    fast_rest: int = 0
    _now: int = attrs.field(init=False)
    _good: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._now = self.most = max(1, self.most)

    @property
    def repetitions(self) -> int:
        """In force; 1 without GETBULK."""
        return self._now if self.bulk else 1

    def rows(self, columns: int) -> int:
        """Rows to ask for at once, with so many columns."""
        return max(1, min(self._now, MAX_VARIABLES_ASKED // max(1, columns)))

    def answered(self) -> None:
        """Well, and in time."""
        self._good += 1
        if self._good >= GOOD_ANSWERS and self._now < self.most:
            self._now, self._good = min(self.most, self._now * 2), 0

    def fewer_columns(self, asked: int) -> bool:
        """Not even one row of so many columns fits into an answer. False when it was one."""
        self.columns = max(1, asked // 2)
        return asked > 1

    def to_one(self) -> bool:
        """As little as there is. False when that has been asked for already."""
        self._good = 0
        if self._now == 1:
            return False
        self._now = 1
        return True

    def too_much(self) -> bool:
        """Not, or "too big". False when there is no less to ask for."""
        self._good = 0
        if self._now == 1:
            return False
        self._now = max(1, self._now // 2)
        return True
