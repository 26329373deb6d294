"""What decoding meets that people should see, waiting to be fetched: bounded, since a peer causes it."""

from __future__ import annotations

import attrs

MAX_NOTICES = 64
"""Notices that wait; further ones are lost."""


@attrs.frozen(slots=True)
class Notice:
    """Something that people should see.

    :ivar kind: one of a few words (``rate_changed``, ``template_conflict``, ...).
    :ivar subject: what it is about: notices of one kind and subject replace each other in short sequence.
    :ivar text: the whole sentence.
    """

    kind: str
    subject: str
    text: str


class Notices:
    """A list of them."""

    def __init__(self) -> None:
        self._waiting: list[Notice] = []

    def __call__(self, kind: str, subject: str, text: str) -> None:
        """Add one; it takes the place of the one before when that has the same kind and subject."""
        notice = Notice(kind, subject, text)
        if self._waiting and (self._waiting[-1].kind, self._waiting[-1].subject) == (kind, subject):
            self._waiting[-1] = notice
        elif len(self._waiting) < MAX_NOTICES:
            self._waiting.append(notice)

    def take(self) -> list[Notice]:
        """Fetch them; they wait no longer."""
        found, self._waiting = self._waiting, []
        return found
