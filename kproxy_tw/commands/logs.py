"""What the log looks like: ``time level namespace message``, one event after the other, at a bounded rate."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LegacyLogObserverWrapper,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatTime,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

#: Lines per second over a longer time, and how many may come at once; errors are not limited.
LINES_PER_SECOND = 100.0
BURST_LINES = 1000
#: Characters of one event, a traceback included.
MAX_EVENT = 16384
#: A daemon's log file is rotated at this size, and so many old ones are kept.
LOG_FILE_BYTES = 16 * 2**20
LOG_FILES_KEPT = 9

OWN_NAMESPACE = "kproxy_tw"

EventText = Callable[[LogEvent], str | None]
"""Makes a line of an event, or nothing."""

_LEVELS = {
    "access": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
    "panic": LogLevel.critical,
}
_LIBRARIES = {"debug": LogLevel.info, "info": LogLevel.warn}


def event_text(event: LogEvent) -> str | None:
    """Format one event; ``None`` when it has nothing to say.

    Control characters from outside cannot forge lines or drive a terminal: they are shown escaped, and what follows
    a line break is indented by a tab.
    """
    message = eventAsText(event, includeTimestamp=False, includeSystem=False)
    if not message:
        return None
    safe = "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in message)
    safe = safe[:MAX_EVENT].rstrip("\n").replace("\n", "\n\t")
    level = event.get("log_level")
    return "{} {} {} {}\n".format(
        formatTime(event.get("log_time")),
        "-" if level is None else level.name,
        event.get("log_namespace", "-"),
        safe,
    )


@implementer(ILogObserver)
class BoundedRate:
    """Passes events on, so many a second; says how many it has left out.

    :param observer: where events go.
    :param seconds: a monotonic clock.
    """

    def __init__(self, observer: ILogObserver, seconds: Callable[[], float]) -> None:
        self._observer = observer
        self._seconds = seconds
        self._tokens = float(BURST_LINES)
        self._refilled = seconds()
        self._left_out = 0

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        now = self._seconds()
        self._tokens = min(BURST_LINES, self._tokens + (now - self._refilled) * LINES_PER_SECOND)
        self._refilled = now
        if event.get("log_level") in (LogLevel.error, LogLevel.critical):
            self._observer(event)
        elif self._tokens < 1:
            self._left_out += 1
        else:
            self._tokens -= 1
            self._tell_left_out(event)
            self._observer(event)

    def _tell_left_out(self, event: LogEvent) -> None:
        if not self._left_out:
            return
        count, self._left_out = self._left_out, 0
        self._observer(
            {
                "log_time": event.get("log_time"),
                "log_level": LogLevel.warn,
                "log_namespace": __name__,
                "log_format": "{count} log lines were left out, more than {rate:.0f} came in a second",
                "count": count,
                "rate": LINES_PER_SECOND,
            }
        )


@implementer(ILogObserver)
class Silence:
    """Forgets every event."""

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""


def level_predicate(level: str) -> LogLevelFilterPredicate:
    """Say which events pass at ``-log_level`` ``level``.

    Libraries are one step quieter than we are: what they call information (each request to a page, each
    factory) comes with ``debug``, and their details come with ``access``.
    """
    predicate = LogLevelFilterPredicate(defaultLogLevel=_LIBRARIES.get(level, _LEVELS[level]))
    predicate.setLogLevelForNamespace(OWN_NAMESPACE, _LEVELS[level])
    return predicate


def log_observer(level: str, sink: ILogObserver, seconds: Callable[[], float]) -> ILogObserver:
    """Put level and rate limit in front of ``sink``."""
    if level == "off":
        return Silence()
    observer: ILogObserver = FilteringLogObserver(BoundedRate(sink, seconds), [level_predicate(level)])
    return observer


def chosen_sink(
    twistd: Mapping[str, object], *, stdout: bool, reactor: IReactorFromThreads, text: EventText = event_text
) -> ILogObserver:
    """Open what twistd's own options name: syslog, a file, or standard output.

    As with twistd's own log, SIGUSR1 begins a new file.

    :param twistd: options in front of the command's name.
    :param stdout: ``-stdout`` was given; it wins.
    :param reactor: rotates the file when the signal comes.
    :param text: makes a line of an event.
    """
    name = str(twistd.get("logfile") or "")
    if stdout:
        return text_observer(sys.stdout, text)
    if twistd.get("syslog"):
        from twisted.python.syslog import SyslogObserver

        legacy: Any = SyslogObserver(str(twistd.get("prefix"))).emit
        return LegacyLogObserverWrapper(legacy)
    if name == "-" or (twistd.get("nodaemon") and not name):
        return text_observer(sys.stdout, text)
    file = LogFile.fromFullPath(name or "twistd.log", LOG_FILE_BYTES, maxRotatedFiles=LOG_FILES_KEPT)
    signal.signal(signal.SIGUSR1, lambda number, frame: reactor.callFromThread(file.rotate))
    return text_observer(file, text)


def text_observer(stream: TextIO, text: EventText = event_text) -> ILogObserver:
    """Write events to ``stream``."""
    return FileLogObserver(stream, text)
