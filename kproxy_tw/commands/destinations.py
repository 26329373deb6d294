"""Where log lines go besides standard output and files: the system's syslog, and logstash.

Both are plain blocking sockets; ``writers`` keeps them away from the reactor.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from twisted.logger import LogEvent, LogLevel

import attrs

from kproxy_tw.errors import ConfigError

SYSLOG_PATH = "/dev/log"
SYSLOG_BYTES = 8192
"""Longest line for syslog; daemons cut there or sooner."""

DAEMON_FACILITY = 3 << 3
"""RFC 5424 section 6.2.1."""

LOGSTASH_PORT = 5000
LOGSTASH_SECONDS = 5.0
"""For a connection, or a line; and between two attempts to connect."""

DISABLED = "DISABLE"

SEVERITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}
_NO_LEVEL = 6


def syslog_line(name: str, severity: int, text: str) -> bytes:
    """A line as ``/dev/log`` takes it: priority, tag with process, text; the daemon adds time and host."""
    return f"<{DAEMON_FACILITY | severity}>{name}[{os.getpid()}]: {text}".encode(errors="replace")[:SYSLOG_BYTES]


def severity(event: LogEvent) -> int:
    """A log event's level, as syslog counts."""
    return SEVERITIES.get(event.get("log_level"), _NO_LEVEL)


class SyslogSocket:
    """Sends lines to the syslog daemon; connects again when that was restarted.

    :param path: of its socket.
    """

    def __init__(self, path: str = SYSLOG_PATH) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def __call__(self, line: bytes) -> None:
        """Send one. :raises OSError: nobody takes it."""
        try:
            self._connected().send(line)
        except OSError:
            self._close()
            self._connected().send(line)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                sock.connect(self._path)
            except OSError:
                sock.close()
                raise
            self._socket = sock
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@attrs.frozen
class LogstashTarget:
    """Where logstash listens: its ``json_lines`` codec over TCP, ``json`` over UDP."""

    host: str
    port: int
    udp: bool = False


def logstash_target(text: str | None) -> LogstashTarget | None:
    """Read ``-logstash``: ``host:port``, ``tcp://host:port`` or ``udp://host:port``; ``DISABLE`` and nothing mean none.

    :raises ConfigError: it is none of these.
    """
    if not text or text == DISABLED:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        host, port = parts.hostname, parts.port or LOGSTASH_PORT
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme not in ("tcp", "udp") or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise ConfigError("logstash", "must look like host:5000, tcp://host:5000 or udp://host:5000, or be DISABLE")
    return LogstashTarget(host, port, parts.scheme == "udp")


def logstash_line(name: str, level: str, namespace: str, text: str, at: float) -> bytes:
    """One event in logstash's own form (``@version`` 1)."""
    seconds, part = divmod(round(at * 1000), 1000)
    event = {
        "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{part:03d}Z",
        "@version": "1",
        "host": socket.gethostname(),
        "type": name,
        "pid": os.getpid(),
        "level": level,
        "logger_name": namespace,
        "message": text,
    }
    return json.dumps(event).encode() + b"\n"


class LogstashSocket:
    """Sends events to logstash. While it is away, an attempt is made every five seconds; lines in between are lost.

    :param seconds: a monotonic clock.
    """

    def __init__(self, target: LogstashTarget, seconds: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._not_before = float("-inf")

    def __call__(self, line: bytes) -> None:
        """Send one. :raises OSError: nobody takes it."""
        try:
            self._connected().sendall(line)
        except OSError:
            self._not_before = max(self._not_before, self._seconds() + LOGSTASH_SECONDS)
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            raise

    def _connected(self) -> socket.socket:
        if self._socket is None:
            if self._seconds() < self._not_before:
                raise ConnectionError("logstash is away")
            address = self._target.host, self._target.port
            if self._target.udp:
                family, kind, number, _name, where = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
                self._socket = socket.socket(family, kind, number)
                self._socket.connect(where)
            else:
                self._socket = socket.create_connection(address, LOGSTASH_SECONDS)
        return self._socket
