"""Keeper: who keeps messages that memory cannot, or must not, keep alone."""

from __future__ import annotations

from typing import Protocol

from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.spool.record import BatchId


class Keeper(Protocol):
    """A sender tells it of each message's way through memory. No call blocks."""

    def entered(self, message: Message) -> None:
        """A sender has it now."""

    def left(self, message: Message) -> None:
        """It has its fate: nobody needs it any more."""

    def let_go(self, message: Message) -> bool:
        """The sender would give it up to have memory free. ``False``: it is kept nowhere else yet, and stays."""

    def take_over(self, message: Message) -> bool:
        """The sender gives it up without a fate. ``False``: it cannot be kept, and is the sender's to drop."""


class NoKeeper:
    """Keeps nothing: messages live in memory alone."""

    def entered(self, message: Message) -> None:
        """Nothing is done."""

    def left(self, message: Message) -> None:
        """Nothing is done."""

    def let_go(self, message: Message) -> bool:
        """It stays."""
        return False

    def take_over(self, message: Message) -> bool:
        """It is dropped."""
        return False


class Letters(Protocol):
    """Who sets messages aside that the backend refuses for good."""

    def keep(self, batch: BatchId | None, body: bytes, status: int) -> None:
        """Set one aside. Never blocks, never fails. :param status: the answer."""


class NoLetters:
    """Sets nothing aside."""

    def keep(self, batch: BatchId | None, body: bytes, status: int) -> None:
        """Nothing is done."""
