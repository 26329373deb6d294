"""What goes through the pipe between kproxy and its polling process, and kproxy's end of it.

The pipe is the process's standard input and output. Everything longer goes in pieces: a value of AMP has room for
65,535 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.protocols.amp import AMP, Boolean, Command, Float, Integer, String, Unicode
from twisted.python.failure import Failure

from kproxy_tw.snmp.process.supervision import LAST_WORDS


class Begin(Command):
    """To the process: how to poll, before anything else."""

    arguments = [(b"schedule", String()), (b"state_dir", Unicode()), (b"library", Unicode())]
    response = [(b"pid", Integer())]


class Targets(Command):
    """To the process: a piece of the list of devices; with the last one it is complete."""

    arguments = [(b"piece", String()), (b"last", Boolean())]


class PollOnce(Command):
    """To the process: poll a device once; the reading comes with this number."""

    arguments = [(b"number", Integer()), (b"target", String())]


class Told(Command):
    """From the process: a piece of a reading.

    Numbers tell readings apart; those of ``PollOnce`` are the ones asked for, others are below zero.
    """

    arguments = [(b"number", Integer()), (b"piece", String())]


class Underway(Command):
    """From the process: how far a poll has come that was asked for."""

    arguments = [(b"number", Integer()), (b"progress", String())]


class Used(Command):
    """From the process, every few seconds: the CPU time it has used up, in seconds. It shows that it lives."""

    arguments = [(b"cpu_seconds", Float())]


class PollerProtocol(AMP):
    """kproxy's end.

    :param piece: takes each piece of a reading.
    :param progress: takes how far a single poll has come.
    :param used: takes the process's CPU time.
    """

    def __init__(
        self,
        *,
        piece: Callable[[int, bytes], None],
        progress: Callable[[int, bytes], None],
        used: Callable[[float], None],
    ) -> None:
        super().__init__()
        self._piece = piece
        self._progress = progress
        self._used = used

    @Told.responder
    def told(self, number: int, piece: bytes) -> dict[str, object]:
        """Pass a piece on."""
        self._piece(number, piece)
        return {}

    @Underway.responder
    def underway(self, number: int, progress: bytes) -> dict[str, object]:
        """Pass progress on."""
        self._progress(number, progress)
        return {}

    @Used.responder
    def used(self, cpu_seconds: float) -> dict[str, object]:
        """Pass the figure on."""
        self._used(cpu_seconds)
        return {}


class _Pipe:
    """A process's standard input, as AMP wants its transport: with addresses."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.write = process.write
        self.writeSequence = process.writeSequence
        self.loseConnection = process.loseConnection

    def getPeer(self) -> str:  # noqa: N802, Twisted's name
        """For AMP's log."""
        return "polling process"

    getHost = getPeer  # noqa: N815, Twisted's name


class PollingProcess(ProcessProtocol):
    """AMP through a process's standard input and output; what it says on standard error is logged."""

    log = Logger()

    def __init__(self, amp: PollerProtocol, ended: Callable[[str], None]) -> None:
        self.amp = amp
        self._ended = ended
        self._errors = ""

    def connectionMade(self) -> None:
        """The pipes are there."""
        self.amp.makeConnection(_Pipe(self.transport))

    def outReceived(self, data: bytes) -> None:
        """Its words."""
        self.amp.dataReceived(data)

    def errReceived(self, data: bytes) -> None:
        """Its log."""
        text = data.decode("utf-8", "replace")
        self._errors = (self._errors + text)[-LAST_WORDS:]
        for line in text.splitlines():
            self.log.warn("polling process: {line}", line=line[:LAST_WORDS])

    def processEnded(self, reason: Failure) -> None:  # noqa: N802, Twisted's name
        """It is gone."""
        self.amp.connectionLost(reason)
        last = self._errors.strip().splitlines()[-1:]
        self._ended(last[0] if last else str(reason.value))

    def end(self, signal: str) -> None:
        """Send a signal, if it is still there."""
        transport: Any = self.transport
        try:
            transport.signalProcess(signal)
        except ProcessExitedAlready:
            return
