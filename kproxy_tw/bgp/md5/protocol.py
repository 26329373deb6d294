"""The parent's end of the capturing child's pipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from kproxy_tw.bgp.md5.record import Record, RecordStream
from kproxy_tw.errors import MalformedInput

MOST_ERROR_TEXT = 4096
"""What is kept of the child's standard error: enough for the end of a traceback."""


class CaptureProtocol(ProcessProtocol):
    """Passes records on.

    :param record: takes each of them.
    :param ended: told once, when the child is gone, with what it last said on standard error.
    """

    log = Logger()

    def __init__(self, *, record: Callable[[Record], None], ended: Callable[[str], None]) -> None:
        self._record = record
        self._ended = ended
        self._stream = RecordStream()
        self._errors = ""

    @property
    def pid(self) -> int | None:
        """The child's process id, ``None`` when it is gone."""
        transport: Any = self.transport
        return None if transport is None else transport.pid

    def outReceived(self, data: bytes) -> None:
        """Read records; a child that sends anything else is not ours any more."""
        try:
            for record in self._stream.feed(data):
                self._record(record)
        except MalformedInput as problem:
            self.log.error("the capturing process sent {problem}; it is ended", problem=str(problem))
            self.end("KILL")

    def errReceived(self, data: bytes) -> None:
        """Keep the end of what it has to say."""
        self._errors = (self._errors + data.decode("utf-8", "replace"))[-MOST_ERROR_TEXT:]

    def processEnded(self, reason: Failure) -> None:  # noqa: N802, Twisted's name
        """It is gone."""
        last = self._errors.strip().splitlines()[-1:]
        self._ended(last[0] if last else str(reason.value))

    def end(self, signal: str) -> None:
        """Send a signal, if it is still there."""
        transport: Any = self.transport
        try:
            transport.signalProcess(signal)
        except ProcessExitedAlready:
            return
