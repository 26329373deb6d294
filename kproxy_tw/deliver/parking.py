"""Parking: messages that the backend has refused wait aside for another try, and hold up nothing behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from kproxy_tw.deliver.message import Message

TRIES = 3
"""So often a message is tried that the backend says is wrong: the fault may be the backend's, and pass."""

TRY_SECONDS = 300.0
"""Between two of them: ten minutes in all."""

MAX_BYTES = 4 << 20
"""Of the messages that wait here."""


class Parking:
    """See the module.

    :param clock: schedules the tries.
    :param back: takes a message whose time has come.
    :ivar bytes: of all bodies here.
    """

    def __init__(self, clock: Any, back: Callable[[Message], None]) -> None:
        self.bytes = 0
        self._clock = clock
        self._back = back
        self._timers: dict[int, tuple[Message, Any]] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def park(self, message: Message) -> bool:
        """Take a message that was refused once more; false when it had its tries, or there is no room."""
        message = attrs.evolve(message, refusals=message.refusals + 1)
        if message.refusals >= TRIES or self.bytes + len(message.body) > MAX_BYTES:
            return False
        self.bytes += len(message.body)
        self._timers[id(message)] = message, self._clock.callLater(TRY_SECONDS, self._due, message)
        return True

    def clear(self) -> list[Message]:
        """Take all out."""
        messages = []
        for message, timer in self._timers.values():
            timer.cancel()
            messages.append(message)
        self._timers.clear()
        self.bytes = 0
        return messages

    def _due(self, message: Message) -> None:
        del self._timers[id(message)]
        self.bytes -= len(message.body)
        self._back(message)
