"""How long a session may go without a stream, and how often it tried. Pure: times are monotonic seconds."""

from __future__ import annotations

STEADY_SECONDS = 5.0
"""A stream that broke sooner counts as one more failure in a row."""

MAX_SHORT_STREAMS = 20
"""So many streams in a row that broke sooner, and the session is given up: each one cost both sides a replay."""

MAX_HOLD_SECONDS = 300.0
"""Of a session that names no hold time, or a longer one, a broken stream is not waited for beyond this."""


class Outage:
    """Streams of one session, up or broken.

    :param resume_seconds: a stream must be there again in this time, and the hold time.
    :ivar up_since: when the present stream came up; ``None`` without one.
    :ivar streams: how many there have been.
    :ivar failures: attempts and short streams in a row.
    :ivar short_streams: those among them that came up.
    """

    def __init__(self, now: float, resume_seconds: float) -> None:
        self.up_since: float | None = None
        self.streams = 0
        self.failures = 0
        self.short_streams = 0
        self._broken_since = now
        self._resume_seconds = resume_seconds
        self._hold_seconds = 0.0

    def allow(self, hold_seconds: float) -> None:
        """Take the session's hold time; 0 means that it has none."""
        self._hold_seconds = min(hold_seconds or MAX_HOLD_SECONDS, MAX_HOLD_SECONDS)

    def up(self, now: float) -> None:
        """A stream is there."""
        self.up_since = now
        self.streams += 1

    def broke(self, now: float, *, restart: bool) -> bool:
        """A stream, or an attempt at one, has ended; whether it was up. A restart of a steady one is no failure."""
        up_since, self.up_since = self.up_since, None
        if up_since is None:
            self.failures += 1
            return False
        self._broken_since = now
        if now - up_since > STEADY_SECONDS:
            self.failures, self.short_streams = 0 if restart else 1, 0
        else:
            self.failures, self.short_streams = self.failures + 1, self.short_streams + 1
        return True

    def lasting(self, now: float) -> float:
        """Seconds since the last stream broke, or since the session began."""
        return now - self._broken_since

    def left(self, now: float) -> float:
        """Seconds until it has lasted too long, or there were too many of them."""
        if self.short_streams >= MAX_SHORT_STREAMS:
            return 0.0
        return self._resume_seconds + self._hold_seconds - self.lasting(now)
