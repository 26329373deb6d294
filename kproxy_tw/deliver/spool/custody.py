"""Custody: who has each message that is not delivered yet, memory or disk or both. Pure.

A message is *young* while memory alone has it and delivers it; *kept* once the disk has it, too; *over* when memory has
given it up and the disk has not got it yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.spool.limits import Lost
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.deliver.spool.segment import Place

MAX_OVER_BYTES = 32 << 20
"""Bytes that may wait for the disk in memory; beyond it no message is taken over."""


@attrs.frozen
class Errand:
    """What the disk is to do in one go.

    :ivar messages: to write.
    :ivar ended: places whose messages have their fate.
    :ivar released: places whose messages only the disk has from now on.
    """

    messages: Sequence[Message]
    ended: Sequence[Place]
    released: Sequence[Place]

    def __bool__(self) -> bool:
        return bool(self.messages or self.ended or self.released)


class Custody:
    """See the module.

    :ivar over_bytes: of the messages that are over.
    """

    def __init__(self) -> None:
        self.over_bytes = 0
        self._young: dict[BatchId, Message] = {}
        self._over: dict[BatchId, Message] = {}
        self._kept: dict[BatchId, Place] = {}
        self._ended: list[Place] = []
        self._released: list[Place] = []

    def entered(self, message: Message) -> None:
        """A sender has it."""
        if message.batch is not None:
            self._young[message.batch] = message

    def left(self, message: Message) -> None:
        """It has its fate."""
        if message.batch is None:
            return
        self._young.pop(message.batch, None)
        self._pop_over(message.batch)
        place = self._kept.pop(message.batch, None)
        if place is not None:
            self._ended.append(place)

    def has_room(self, size: int) -> bool:
        """Whether ``size`` bytes more may be over."""
        return self.over_bytes + size <= MAX_OVER_BYTES

    def take_over(self, message: Message) -> bool:
        """A sender gives it up. ``False``: there is no room for it."""
        if message.batch is None or not self.has_room(len(message.body)):
            return False
        if not self.let_go(message):
            self._young.pop(message.batch, None)
            self._over[message.batch] = message
            self.over_bytes += len(message.body)
        return True

    def let_go(self, message: Message) -> bool:
        """A sender gives it up if the disk has it; whether it does."""
        place = self._kept.pop(message.batch, None) if message.batch is not None else None
        if place is None:
            return False
        self._released.append(place)
        return True

    def end(self, place: Place) -> None:
        """What was read from there has its fate."""
        self._ended.append(place)

    def release(self, places: Iterable[Place]) -> None:
        """What was read from there is only there again."""
        self._released += places

    def errand(self, created_until: float) -> Errand:
        """What is over, and what is young and was made until then; with every place whose state has changed."""
        aged = [message for message in self._young.values() if message.created <= created_until]
        errand = Errand([*self._over.values(), *aged], self._ended, self._released)
        self._ended, self._released = [], []
        return errand

    def failed(self, errand: Errand) -> None:
        """The disk did nothing of it."""
        self._ended += errand.ended
        self._released += errand.released

    def done(self, errand: Errand, places: Sequence[Place | None]) -> list[Lost]:
        """The disk did it. Meanwhile messages may have left, or been given up.

        :param places: of the messages; ``None`` where there was no room.
        :return: what nobody has any more.
        """
        lost = []
        for message, place in zip(errand.messages, places, strict=True):
            batch = message.batch
            if batch is None:
                continue
            young, over = self._young.pop(batch, None), self._pop_over(batch)
            if place is None:
                if over is not None:
                    lost.append(Lost(batch.origin, 1, over.flows, "spool_full"))
            elif over is not None:
                self._released.append(place)
            elif young is not None:
                self._kept[batch] = place
            else:
                self._ended.append(place)
        return lost

    def abandon(self) -> list[Lost]:
        """The disk will not come any more: what is over is lost."""
        lost = [Lost(batch.origin, 1, message.flows, "spool_full") for batch, message in self._over.items()]
        self._over.clear()
        self.over_bytes = 0
        return lost

    def _pop_over(self, batch: BatchId) -> Message | None:
        message = self._over.pop(batch, None)
        if message is not None:
            self.over_bytes -= len(message.body)
        return message
