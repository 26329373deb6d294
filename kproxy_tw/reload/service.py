"""Files of settings, and ReloadOnHangup: SIGHUP makes us read them again, as certificates are."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.logger import Logger

from kproxy_tw.errors import ConfigError
from kproxy_tw.reload.listfile import BadFile

Settings = TypeVar("Settings")


def read_settings(flag: str, path: Path, most: int, parse: Callable[[bytes], Settings]) -> Settings:
    """What the file that ``flag`` names says.

    :param most: bytes that ``parse`` takes; it is given one more of a larger file.
    :raises ConfigError: it cannot be read or used; says where.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        return parse(content)
    except OSError as problem:
        raise ConfigError(flag, f"cannot read {path}: {problem.strerror}") from None
    except BadFile as problem:
        raise ConfigError(flag, f"{path}: {problem}") from None


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
