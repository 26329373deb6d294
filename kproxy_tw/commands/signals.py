"""SIGTERM and SIGINT are ordinary ends: drain, then exit status 0.

Twisted's own handlers note the signal, and twistd raises it again once the reactor has ended, so that the
process would be seen as killed. The handlers here only stop the reactor.
"""

from __future__ import annotations

import signal
from types import FrameType

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads
from twisted.logger import Logger

log = Logger()

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopOnSignal(Service):
    """Stops the reactor on SIGTERM or SIGINT, from the start of the service on.

    :param reactor: the running, or soon running, reactor.
    """

    def __init__(self, reactor: IReactorCore) -> None:
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        """Take the signals over at once; one that comes before the reactor runs stops it as soon as it does."""
        super().privilegedStartService()
        self._take_over()

    def startService(self) -> None:
        """Arrange for the signals to stay ours when the reactor, starting, puts in its own handlers.

        A signal that comes between those and ours is held back until ours are there.
        """
        super().startService()
        self._reactor.addSystemEventTrigger("before", "startup", self._hold_back)
        self._reactor.callWhenRunning(self._take_over)

    def _hold_back(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def _take_over(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._received)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _received(self, number: int, frame: FrameType | None) -> None:
        # Signal handlers run between any two instructions: leave all work to the reactor's next turn.
        IReactorFromThreads(self._reactor).callFromThread(self._stop, number)

    def _stop(self, number: int) -> None:
        log.info("{signal} received, stopping", signal=signal.Signals(number).name)
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            log.info("already stopping")
