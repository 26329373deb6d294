"""What the log looks like."""

from __future__ import annotations

import io
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel
from zope.interface import implementer
from zope.interface.verify import verifyObject

import pytest

from kproxy_tw.commands import logs


@implementer(ILogObserver)
class Lines:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        """Keep one event."""
        self.events.append(event)


def written(level: str, *events: tuple[str, str, str]) -> list[str]:
    """Log (namespace, level, text) at a -log_level; give the lines."""
    stream = io.StringIO()
    observer = logs.log_observer(lambda: level, logs.text_observer(stream), Clock().seconds)
    for namespace, name, text in events:
        log = Logger(namespace=namespace, observer=observer)
        log.emit(LogLevel.lookupByName(name), "{text}", text=text)
    return stream.getvalue().splitlines()


def test_format() -> None:
    """A line is ISO time with offset, level, namespace, message."""
    (line,) = written("info", ("kproxy_tw.listen", "info", "hello there"))
    time, level, namespace, message = line.split(" ", 3)
    assert len(time) == len("2026-11-22T18:04:00+0000")
    assert time[10] == "T"
    assert (level, namespace, message) == ("info", "kproxy_tw.listen", "hello there")


@pytest.mark.parametrize(
    ("flag", "passed"),
    [
        ("access", "debug info warn error critical"),
        ("debug", "debug info warn error critical"),
        ("info", "info warn error critical"),
        ("warn", "warn error critical"),
        ("error", "error critical"),
        ("panic", "critical"),
        ("off", ""),
    ],
)
def test_levels(flag: str, passed: str) -> None:
    """-log_level lets its own level and everything above it pass."""
    names = ("debug", "info", "warn", "error", "critical")
    lines = written(flag, *(("kproxy_tw.x", name, "text") for name in names))
    assert [line.split(" ")[1] for line in lines] == passed.split()


@pytest.mark.parametrize(
    ("flag", "ours", "libraries"),
    [("access", "debug", "debug"), ("debug", "debug", "info"), ("info", "info", "warn"), ("error", "error", "error")],
)
def test_libraries_are_a_step_quieter(flag: str, ours: str, libraries: str) -> None:
    """The first level that passes is ours as asked, and a step higher for libraries."""
    for namespace, least in (("kproxy_tw.web", ours), ("twisted.web", libraries)):
        lines = written(flag, *((namespace, name, "text") for name in ("debug", "info", "warn", "error")))
        assert lines[0].split(" ")[1] == least


def test_nobody_forges_a_line() -> None:
    """Line breaks in a message are indented, and control characters cannot drive a terminal."""
    lines = written("info", ("kproxy_tw.x", "info", "a\n2026 info kproxy_tw all is well\x1b[2J\x85\u202e"))
    assert len(lines) == 2
    assert lines[1] == "\t2026 info kproxy_tw all is well\\x1b[2J\\x85\\u202e"


def test_an_event_is_bounded() -> None:
    """One event cannot fill the disk."""
    (line,) = written("info", ("kproxy_tw.x", "info", "x" * 10**6))
    assert len(line) < logs.MAX_EVENT + 100


def bounded(clock: Clock, lines: Lines) -> Any:
    """Make the rate limit in front of a list."""
    return logs.BoundedRate(lines, clock.seconds)


def event(level: str = "info") -> LogEvent:
    """Make an event."""
    return {"log_level": LogLevel.lookupByName(level), "log_format": "x", "log_time": 1.0}


def test_rate_is_bounded_and_told() -> None:
    """After the burst so many lines a second pass, and a line says how many were left out."""
    clock, lines = Clock(), Lines()
    observer = bounded(clock, lines)
    for _ in range(logs.BURST_LINES + 7):
        observer(event())
    assert len(lines.events) == logs.BURST_LINES
    clock.advance(0.5)
    for _ in range(200):
        observer(event())
    assert len(lines.events) == logs.BURST_LINES + 1 + logs.LINES_PER_SECOND / 2
    assert lines.events[logs.BURST_LINES]["count"] == 7


def test_errors_are_never_left_out() -> None:
    """An error passes in the middle of a flood."""
    clock, lines = Clock(), Lines()
    observer = bounded(clock, lines)
    for _ in range(logs.BURST_LINES + 1):
        observer(event())
    observer(event("error"))
    assert lines.events[-1]["log_level"] is LogLevel.error


@pytest.mark.parametrize("level", ["info", "off"])
def test_observers_fit_the_publisher(level: str) -> None:
    """What -log_level makes is an observer in Twisted's sense."""
    assert verifyObject(ILogObserver, logs.log_observer(lambda: level, Lines(), Clock().seconds))
