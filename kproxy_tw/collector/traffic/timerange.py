"""The span of time that a chart shows, and the length of its steps. Pure.

Spans begin and end on whole steps, so that every point of a chart stands for equally many seconds; the step in
progress is left out, for its flows are still to come.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import attrs

from kproxy_tw.errors import MalformedInput

MINUTE, HOUR, DAY = 60, 3_600, 86_400

SPANS = {
    "15m": 15 * MINUTE,
    "1h": HOUR,
    "6h": 6 * HOUR,
    "24h": DAY,
    "7d": 7 * DAY,
    "30d": 30 * DAY,
}
"""What the picker offers, in seconds."""

DEFAULT_SPAN = "1h"

STEPS = (
    *(1, 2, 5, 10, 20, 30),
    *(count * MINUTE for count in (1, 2, 5, 10, 20, 30)),
    *(count * HOUR for count in (1, 2, 3, 6, 12)),
    *(count * DAY for count in (1, 7, 30)),
)
"""Lengths of a step, in seconds; the first that gives few enough points is taken."""

MAX_POINTS = 120
SHORTEST, LONGEST = 10, 3 * 365 * DAY
"""Seconds that a span may have."""

LAST_SECOND = 253_402_300_799
"""The last second of the year 9999."""

_NUMBER = re.compile("[0-9]{1,12}", re.ASCII)


@attrs.frozen
class TimeRange:
    """From ``start`` (included) to ``stop`` (not included), seconds since 1970, in steps of ``step`` seconds.

    :ivar name: the picker's name of it; empty for one that was given by its ends.
    """

    start: int
    stop: int
    step: int
    name: str = ""

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.stop - self.start

    @property
    def points(self) -> int:
        """How many steps it has."""
        return self.seconds // self.step

    def query(self) -> dict[str, str]:
        """The parameters that ask for it again."""
        return {"range": self.name} if self.name else {"from": str(self.start), "to": str(self.stop)}

    def moved(self, share: float) -> TimeRange:
        """The same span, ``share`` of itself later; none begins before 1970."""
        way = int(share * self.seconds)
        return _between(self.start + way, self.stop + way)

    def scaled(self, factor: float) -> TimeRange:
        """A span ``factor`` times as long around the same middle."""
        middle = (self.start + self.stop) / 2
        half = min(max(factor * self.seconds, SHORTEST), LONGEST - 2 * STEPS[-1]) / 2
        return _between(int(middle - half), int(middle + half))


def read_range(text: Callable[[str], str | None], now: float) -> TimeRange:
    """The range that a query string asks for: ``range=6h``, or ``from=`` and ``to=``.

    :param text: gives a parameter, ``None`` when it is absent.
    :param now: seconds since 1970.
    :raises MalformedInput: it is none.
    """
    start, stop = text("from"), text("to")
    if start is None and stop is None:
        return _until_now(text("range") or DEFAULT_SPAN, now)
    first = 0.0 if start is None else read_time("from", start)
    last = now if stop is None else read_time("to", stop)
    if start is None:
        first = last - SPANS[DEFAULT_SPAN]
    if last - first > LONGEST:
        raise MalformedInput(f"from and to are more than {LONGEST // DAY} days apart")
    if last - first < SHORTEST:
        raise MalformedInput(f"to must be at least {SHORTEST} seconds after from")
    return _between(int(first), int(last))


def read_time(what: str, text: str) -> float:
    """Seconds since 1970 from a number, or from a time as forms send it (``2026-01-31T12:34``, UTC unless it says so).

    :raises MalformedInput: it is neither, or not from 1970 to 9999.
    """
    if _NUMBER.fullmatch(text) and int(text) <= LAST_SECOND:
        return float(text)
    try:
        then = datetime.fromisoformat(text[:40])
        seconds = (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds <= LAST_SECOND:
        raise MalformedInput(f"{what} must be seconds since 1970, or a time like 2026-01-31T12:34")
    return seconds


def _until_now(name: str, now: float) -> TimeRange:
    if name not in SPANS:
        raise MalformedInput(f"range must be one of {', '.join(SPANS)}")
    span = SPANS[name]
    step = _step(span)
    stop = int(now) // step * step
    return TimeRange(stop - span, stop, step, name)


def _between(start: int, stop: int) -> TimeRange:
    if start < 0:
        start, stop = 0, stop - start
    step = _step(stop - start)
    return TimeRange(start // step * step, -(-stop // step) * step, step)


def _step(seconds: int) -> int:
    return next((step for step in STEPS if seconds <= step * MAX_POINTS), STEPS[-1])
