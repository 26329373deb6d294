"""LogBook: the last lines of the log for the page, and the level that the log is kept at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

LINES = 200
"""Lines that are remembered."""

MAX_TEXT = 2000
"""Characters of one of them."""

LEVELS = ("debug", "info", "warn", "error")
"""What a line can be, from the least; ``critical`` counts as an error."""

CHOICES = ("access", "debug", "info", "warn", "error", "panic", "off")
"""What ``-log_level`` can be."""


@attrs.frozen
class LogLine:
    """One line. ``time``: seconds since 1970."""

    time: float
    level: str
    namespace: str
    text: str


class LogBook:
    """Written by the log's observer, in any thread; read and set by the page.

    :param level: one of ``CHOICES``.
    :param clean: takes secrets out of a text.
    """

    def __init__(self, level: str, clean: Callable[[str], str] = str) -> None:
        self._level = level
        self._clean = clean
        self._lines: deque[LogLine] = deque(maxlen=LINES)

    @property
    def level(self) -> str:
        """What the log is kept at now."""
        return self._level

    def change(self, level: str) -> None:
        """Keep the log at another level until the next start. :raises ValueError: there is no such level."""
        if level not in CHOICES:
            raise ValueError(f"no such level: {level[:20]}")
        self._level = level

    def add(self, time: float, level: str, namespace: str, text: str) -> None:
        """Remember a line."""
        known = level if level in LEVELS else "error" if level == "critical" else "info"
        self._lines.append(LogLine(time, known, namespace, self._clean(text)[:MAX_TEXT]))

    def lines(self, least: str = "debug") -> list[LogLine]:
        """The lines of at least this level, the newest first."""
        wanted = LEVELS[LEVELS.index(least) :] if least in LEVELS else LEVELS
        return [line for line in reversed(self._lines.copy()) if line.level in wanted]
