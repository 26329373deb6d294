"""What happened to a device that people should know: a bounded list for page and JSON, and lines in the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import attrs

from kproxy_tw.decode.notices import Notice

MAX_EVENTS = 100
"""Events of a device that are remembered; the oldest makes room."""

TOGETHER_SECONDS = 60.0
"""An event of the same kind and subject within this time is counted with the one before and not logged again."""


@attrs.define(kw_only=True)
class Event:
    """Something that happened once, or several times in short sequence.

    :ivar kind: ``template_conflict``, ``rate_changed``, ``no_rate``, ``no_template``, ``exporter_restarted``,
        ``address_lost``, ``state_restored``, ``limit_reached``, ...
    :ivar subject: what it is about; may be empty.
    :ivar text: the whole sentence.
    :ivar first, last: seconds since 1970.
    :ivar count: how often.
    """

    kind: str
    subject: str
    text: str
    first: float
    last: float
    count: int = 1


class EventList:
    """The latest events of one device.

    :param tell: called with each event that is not a repetition; logs it.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._events: OrderedDict[int, Event] = OrderedDict()
        self._latest: OrderedDict[tuple[str, str], Event] = OrderedDict()
        self._number = 0

    def add(self, kind: str, text: str, *, now: float, subject: str = "") -> None:
        """Something happened at ``now``, seconds since 1970."""
        known = self._latest.get((kind, subject))
        if known is not None and now - known.first < TOGETHER_SECONDS:
            known.text, known.last, known.count = text, now, known.count + 1
            return
        event = Event(kind=kind, subject=subject, text=text, first=now, last=now)
        self._number += 1
        self._events[self._number] = event
        self._latest[kind, subject] = event
        self._latest.move_to_end((kind, subject))
        for bounded in (self._events, self._latest):
            if len(bounded) > MAX_EVENTS:
                bounded.popitem(last=False)
        self._tell(event)

    def notice(self, notice: Notice, *, now: float, source: str = "") -> None:
        """The same for what decoding has noticed in data from ``source``."""
        subject = f"{source} {notice.subject}" if source else notice.subject
        text = f"{source}: {notice.text}" if source else notice.text
        self.add(notice.kind, text, now=now, subject=subject)

    def latest(self) -> tuple[Event, ...]:
        """The events, the newest first."""
        return tuple(reversed(self._events.values()))
