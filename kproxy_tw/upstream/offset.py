"""ClockOffset: how far this machine's clock is from the backend's, by the ``Date`` of its answers.

Kentik's documentation asks for a clock that is right to within a minute.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

from twisted.logger import Logger

from kproxy_tw.status import Check

MOST_SECONDS = 60.0
ANSWERS = 5
"""The smallest offset of so many answers counts: one that was long under way tells a wrong one."""

MAX_DATE_LENGTH = 64


class ClockOffset:
    """Shared by all sessions.

    :param wall: gives seconds since 1970.
    :param seconds: gives monotonic seconds; the other clock is the one that may be set.
    """

    log = Logger()

    def __init__(self, wall: Callable[[], float], seconds: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._seconds = seconds
        self._offsets: deque[float] = deque(maxlen=ANSWERS)
        self._wrong_since: float | None = None

    @property
    def seconds(self) -> float:
        """How much this machine's clock is ahead; 0 while it is not known."""
        return min(self._offsets, key=abs, default=0.0)

    def known(self) -> float | None:
        """The same; ``None`` while it is not known."""
        return self.seconds if self._offsets else None

    def note(self, date: str | None) -> None:
        """An answer came. :param date: its header of that name (RFC 9110 section 6.6.1)."""
        if date is None or len(date) > MAX_DATE_LENGTH:
            return
        try:
            there = parsedate_to_datetime(date)
            at = (there if there.tzinfo is not None else there.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return
        self._offsets.append(self._wall() - at)
        self._tell()

    def check(self) -> Check:
        """The check ``clock``: failing while the clock is wrong by more than a minute."""
        if not self._offsets:
            return Check(name="clock", status="ok", detail="no answer of the backend to compare with yet")
        if self._wrong_since is not None:
            wrong_for = self._seconds() - self._wrong_since
            return Check(name="clock", status="failing", detail=self._problem(), seconds=wrong_for)
        return Check(name="clock", status="ok", detail=f"{abs(self.seconds):.0f} s from the backend's clock")

    def _is_wrong(self) -> bool:
        # The header has whole seconds.
        return len(self._offsets) == ANSWERS and abs(self.seconds) > MOST_SECONDS + 1

    def _problem(self) -> str:
        side = "ahead of" if self.seconds > 0 else "behind"
        return (
            f"the clock of this machine is {abs(self.seconds):.0f} s {side} the backend's; it must be right to within "
            "a minute: use NTP"
        )

    def _tell(self) -> None:
        wrong = self._is_wrong()
        if wrong and self._wrong_since is None:
            self._wrong_since = self._seconds()
            self.log.warn("{problem}", problem=self._problem())
        elif self._wrong_since is not None and not wrong:
            self._wrong_since = None
            self.log.info("the clock of this machine agrees with the backend's again")
