"""Lines of metrics for ``-metrics syslog`` and ``-metrics stderr``; they go their own way, beside the log."""

from __future__ import annotations

import sys
from collections.abc import Callable

from twisted.logger import LogLevel

from kproxy_tw.commands.destinations import SEVERITIES, SyslogSocket, syslog_line
from kproxy_tw.commands.writers import LogWriters, write_all

PREFIX = "metrics: "


def metric_lines(command: str, kind: str, writers: LogWriters) -> Callable[[str], None] | None:
    """Who takes such lines; ``None`` for another ``kind``. Taking one never blocks."""
    if kind == "stderr":
        write, encoded = write_all(sys.stderr.fileno()), _prefixed
    elif kind == "syslog":
        write, encoded = SyslogSocket(), lambda text: syslog_line(command, SEVERITIES[LogLevel.info], PREFIX + text)
    else:
        return None
    writer = writers.open(f"metrics {kind}", write, lambda count: encoded(f"{count} lines are lost"))
    return lambda text: writer.put(encoded(text))


def _prefixed(text: str) -> bytes:
    return "".join(f"{PREFIX}{line}\n" for line in text.splitlines()).encode()
