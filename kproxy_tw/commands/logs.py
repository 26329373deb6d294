"""What the log looks like: ``time level namespace message``, one event after the other, at a bounded rate."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TextIO

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    PredicateResult,
    eventAsText,
    formatTime,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

import attrs

from kproxy_tw.commands.destinations import (
    LogstashSocket,
    LogstashTarget,
    SyslogSocket,
    logstash_line,
    severity,
    syslog_line,
)
from kproxy_tw.commands.writers import LineWriter, LogWriters, Write, write_all
from kproxy_tw.logbook import LogBook

Line = Callable[[LogEvent], bytes | None]
"""Makes a line of an event; ``None`` when it has nothing to say."""

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
    safe = _safe_text(event)
    if not safe:
        return None
    level = event.get("log_level")
    return "{} {} {} {}\n".format(
        formatTime(event.get("log_time")),
        "-" if level is None else level.name,
        event.get("log_namespace", "-"),
        safe,
    )


def _safe_text(event: LogEvent) -> str:
    message = eventAsText(event, includeTimestamp=False, includeSystem=False)
    safe = "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in message)
    return safe[:MAX_EVENT].rstrip("\n").replace("\n", "\n\t")


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


def level_predicate(level: str) -> LogLevelFilterPredicate:
    """Say which events pass at ``-log_level`` ``level``.

    Libraries are one step quieter than we are: what they call information (each request to a page, each
    factory) comes with ``debug``, and their details come with ``access``.
    """
    predicate = LogLevelFilterPredicate(defaultLogLevel=_LIBRARIES.get(level, _LEVELS[level]))
    predicate.setLogLevelForNamespace(OWN_NAMESPACE, _LEVELS[level])
    return predicate


@implementer(ILogFilterPredicate)
class ChosenLevel:
    """Lets pass what passes at the level that is chosen now."""

    def __init__(self, level: Callable[[], str]) -> None:
        self._level = level
        self._predicates: dict[str, LogLevelFilterPredicate] = {}

    def __call__(self, event: LogEvent) -> Any:
        """Judge one event."""
        level = self._level()
        if level == "off":
            return PredicateResult.no
        if level not in self._predicates:
            self._predicates[level] = level_predicate(level)
        return self._predicates[level](event)


def log_observer(level: Callable[[], str], sink: ILogObserver, seconds: Callable[[], float]) -> ILogObserver:
    """Put the level, which may change, and the rate limit in front of ``sink``."""
    observer: ILogObserver = FilteringLogObserver(BoundedRate(sink, seconds), [ChosenLevel(level)])
    return observer


@implementer(ILogObserver)
class BookObserver:
    """Writes what the log shows into the book that the page reads."""

    def __init__(self, book: LogBook) -> None:
        self._book = book

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        text, level = _safe_text(event), event.get("log_level")
        if text:
            name = "info" if level is None else level.name
            self._book.add(event.get("log_time") or 0.0, name, event.get("log_namespace", "-"), text)


@attrs.frozen(kw_only=True)
class LogChoice:
    """What the command line says of the log.

    :ivar command: our name.
    :ivar stdout, syslog, logstash: the flags.
    """

    command: str
    stdout: bool = False
    syslog: bool = False
    logstash: LogstashTarget | None = None


def chosen_sink(
    twistd: Mapping[str, object],
    choice: LogChoice,
    *,
    writers: LogWriters,
    reactor: IReactorFromThreads,
    text: EventText = event_text,
) -> ILogObserver:
    """Open what the flags and twistd's own options name: syslog, a file, or standard output; and logstash besides.

    As with twistd's own log, SIGUSR1 begins a new file.

    :param twistd: options in front of the command's name.
    :param reactor: rotates the file when the signal comes.
    :param text: makes a line of an event.
    """
    sink = _main_sink(twistd, choice, writers, reactor, _lines(text))
    if choice.logstash is None:
        return sink

    def line(event: LogEvent) -> bytes | None:
        text = _safe_text(event)
        level = getattr(event.get("log_level"), "name", "info")
        at = event.get("log_time") or time.time()
        return logstash_line(choice.command, level, event.get("log_namespace", "-"), text, at) if text else None

    return LogPublisher(sink, _written("logstash", LogstashSocket(choice.logstash), line, writers))


def _main_sink(
    twistd: Mapping[str, object], choice: LogChoice, writers: LogWriters, reactor: IReactorFromThreads, line: Line
) -> ILogObserver:
    name = str(twistd.get("logfile") or "")
    if not choice.stdout and (choice.syslog or twistd.get("syslog")):
        return _syslog(choice.command, writers)
    if choice.stdout or name == "-" or (twistd.get("nodaemon") and not name):
        return _written("stdout", write_all(sys.stdout.fileno()), line, writers)
    file = LogFile.fromFullPath(name or "twistd.log", LOG_FILE_BYTES, maxRotatedFiles=LOG_FILES_KEPT)

    def write(data: bytes) -> None:
        file.write(data.decode())
        file.flush()

    observer = _written("file", write, line, writers)
    rotate = partial(observer.writer.between_lines, file.rotate)
    signal.signal(signal.SIGUSR1, lambda number, frame: reactor.callFromThread(rotate))
    return observer


def _syslog(command: str, writers: LogWriters) -> ILogObserver:
    def line(event: LogEvent) -> bytes | None:
        text = _safe_text(event)
        namespace = event.get("log_namespace", "-")
        return syslog_line(command, severity(event), f"{namespace} {text}") if text else None

    return _written("syslog", SyslogSocket(), line, writers)


@implementer(ILogObserver)
class WrittenLines:
    """Hands each event, as a line, to a writer."""

    def __init__(self, writer: LineWriter, line: Line) -> None:
        self.writer = writer
        self._line = line

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        line = self._line(event)
        if line:
            self.writer.put(line)


def _written(name: str, write: Write, line: Line, writers: LogWriters) -> WrittenLines:
    def tell(count: int) -> bytes:
        event = {
            "log_time": time.time(),
            "log_level": LogLevel.warn,
            "log_namespace": __name__,
            "log_format": "{count} log lines are lost, {name} did not take them",
            "count": count,
            "name": name,
        }
        return line(event) or b""

    return WrittenLines(writers.open(name, write, tell), line)


def _lines(text: EventText) -> Line:
    def line(event: LogEvent) -> bytes | None:
        told = text(event)
        return told.encode(errors="replace") if told else None

    return line


def text_observer(stream: TextIO, text: EventText = event_text) -> ILogObserver:
    """Write events to ``stream``."""
    return FileLogObserver(stream, text)
