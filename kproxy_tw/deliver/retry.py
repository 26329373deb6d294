"""What an answer means for a message, and how long to wait before the next attempt."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

import attrs

from kproxy_tw.backoff import Uniform, full_jitter

MAX_RETRY_AFTER_SECONDS = 600.0
"""A backend may ask us to stay away no longer than this."""

MAX_RETRY_AFTER_LENGTH = 64

TOO_LARGE = 413


class Fate(Enum):
    """What becomes of a message after an attempt to deliver it.

    ``SPLIT``: it is too large; ``REFUSE``: the backend says that it is wrong, which may be a passing fault of the
    backend; ``REJECT``: it will never be taken.
    """

    DELIVERED = "delivered"
    RETRY = "retry"
    HOLD = "hold"
    SPLIT = "split"
    REFUSE = "refuse"
    REJECT = "reject"


@attrs.frozen
class Verdict:
    """A fate. ``wait``: seconds that the backend asked us to stay away, 0 if it did not."""

    fate: Fate
    wait: float = 0.0


def verdict(status: int, retry_after: str | None, now_wall: float) -> Verdict:
    """Judge a complete answer.

    Every 2xx is a success, not 200 alone: RFC 9110 section 15.3 defines the class as "received, understood, and
    accepted", so that to send the message again would count its flows twice. Credentials do not follow a redirect: a
    3xx says nothing of the message, only that the backend is not there, and the message is kept.

    :param retry_after: the header of that name, seconds or a date (RFC 9110 section 10.2.3).
    :param now_wall: seconds since 1970.
    """
    if 200 <= status <= 299:
        return Verdict(Fate.DELIVERED)
    if status in (408, 429) or 300 <= status <= 399 or 500 <= status <= 599:
        return Verdict(Fate.RETRY, _seconds(retry_after, now_wall))
    if status in (401, 403):
        return Verdict(Fate.HOLD)
    return Verdict(Fate.SPLIT if status == TOO_LARGE else Fate.REFUSE)


def _seconds(retry_after: str | None, now_wall: float) -> float:
    if retry_after is None or len(retry_after) > MAX_RETRY_AFTER_LENGTH:
        return 0.0
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    at = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return min(max(at.timestamp() - now_wall, 0.0), MAX_RETRY_AFTER_SECONDS)


class Backoff:
    """Waits between attempts: anything from 0 to a ceiling that doubles with each failure ("full jitter").

    :param uniform: draws between two bounds, like :func:`random.uniform`.
    :param base: the first ceiling, seconds.
    :param cap: the last one.
    """

    def __init__(self, uniform: Uniform, base: float = 1.0, cap: float = 60.0) -> None:
        self._uniform = uniform
        self._base = base
        self._cap = cap
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        self._failures += 1
        return full_jitter(self._failures, self._base, self._cap, self._uniform)
