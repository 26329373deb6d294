"""ReloadOnHangup: SIGHUP makes us read files again: certificates, SNMP settings, sampling rates."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from kproxy_tw.errors import ConfigError


class ReloadOnHangup(Service):
    """Listens for the signal once the reactor runs.

    :param parts: what it is, in the plural, to what reads it; a :exc:`ConfigError` means that it stays as it was.
    """

    log = Logger()

    def __init__(self, *, reactor: Any, parts: Mapping[str, Callable[[], None]]) -> None:
        self._reactor = reactor
        self._parts = parts

    def startService(self) -> None:
        """Take the signal over; by default it would end the process."""
        super().startService()
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._reactor.callFromThread(self.reload_now))

    def reload_now(self) -> None:
        """Read everything now, and tell how it went."""
        for what, read in self._parts.items():
            try:
                read()
            except ConfigError as problem:
                self.log.error("{what} stay as they were: {problem}", what=what, problem=problem)
            else:
                self.log.info("{what} were read again", what=what)
