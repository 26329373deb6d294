"""CertificateReload: SIGHUP makes us read the certificate files again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from kproxy_tw.errors import ConfigError


class CertificateReload(Service):
    """Listens for the signal once the reactor runs.

    :param reload: reads the files; a :exc:`ConfigError` means that they stay as they were.
    """

    log = Logger()

    def __init__(self, *, reactor: Any, reload: Callable[[], None]) -> None:
        self._reactor = reactor
        self._reload = reload

    def startService(self) -> None:
        """Take the signal over; by default it would end the process."""
        super().startService()
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._reactor.callFromThread(self.reload_now))

    def reload_now(self) -> None:
        """Read the files now, and tell how it went."""
        try:
            self._reload()
        except ConfigError as problem:
            self.log.error("the certificates stay as they were: {problem}", problem=problem)
        else:
            self.log.info("the certificates were read again; new connections use them")
