"""Reads the ``-devices`` file, and looks every few seconds whether it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from kproxy_tw.collector.devices import MAX_DEVICES_FILE, Device, parse_devices
from kproxy_tw.errors import ConfigError

LOOK_SECONDS = 2.0

Mark = tuple[int, int, int]
"""Inode, size and time of change of a file: another one, another content."""


def read_devices(file: Path | None) -> list[Device]:
    """The devices of the ``-devices`` file; none without a file. Blocks.

    :raises ConfigError: it cannot be read, or what is in it cannot be used.
    """
    if file is None:
        return []
    try:
        with file.open("rb") as opened:
            body = opened.read(MAX_DEVICES_FILE + 1)
    except OSError as error:
        raise ConfigError("devices", f"{file} cannot be read: {error.strerror}") from None
    return parse_devices(body, file)


def mark_of(file: Path) -> Mark | None:
    """Tell one content from another without reading it; ``None`` while there is no file."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


class DeviceFileWatch(MultiService):
    """Hands over what the file holds whenever that is something else. A file that cannot be used changes nothing.

    :param changed: gets the devices, in the reactor's thread.
    :param reactor: provides the time.
    """

    log = Logger()

    def __init__(self, file: Path, *, changed: Callable[[Sequence[Device]], object], reactor: Any) -> None:
        super().__init__()
        self._file = file
        self._changed = changed
        self._mark = mark_of(file)
        timer = TimerService(LOOK_SECONDS, self.look)
        timer.clock = reactor
        timer.setServiceParent(self)

    def look(self) -> Deferred[None]:
        """Look once; fires when that is done. Fails never."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        mark = await deferToThread(mark_of, self._file)
        if mark is None or mark == self._mark:
            return
        self._mark = mark
        try:
            devices = await deferToThread(read_devices, self._file)
        except ConfigError as problem:
            self.log.warn("the devices stay as they were: {problem}", problem=problem.problem)
            return
        self.log.info("{file} has changed: {count} devices", file=str(self._file), count=len(devices))
        if self.running:
            self._changed(devices)
