"""SilenceWatch: whether flow has stopped coming in altogether (``-exit_low_traffic``)."""

from __future__ import annotations

from collections.abc import Callable

SILENCE_SECONDS = 900.0
"""So long without a single datagram is no traffic, as documented: 15 minutes."""

LOOK_SECONDS = 15.0
"""How often to look."""


class SilenceWatch:
    """Looks at a counter of datagrams.

    :param received: gives how many have come in so far, those of unregistered sources too.
    :param clock: gives monotonic seconds.
    :param end: called once, with the seconds of silence, when these are enough.
    """

    def __init__(self, received: Callable[[], int], clock: Callable[[], float], end: Callable[[float], None]) -> None:
        self._received = received
        self._clock = clock
        self._end = end
        self._count = -1
        self._since = 0.0
        self._ended = False

    def look(self) -> None:
        """Look once; every :data:`LOOK_SECONDS`. The silence begins with the first look at the earliest."""
        now, count = self._clock(), self._received()
        if count != self._count:
            self._count, self._since = count, now
        elif now - self._since >= SILENCE_SECONDS and not self._ended:
            self._ended = True
            self._end(now - self._since)
