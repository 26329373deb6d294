"""TargetsService: tells the poller which devices to poll, whenever devices, flow or the file say otherwise."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from kproxy_tw.devices.device import Device
from kproxy_tw.reload.service import read_settings
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.inputs.file import MAX_BYTES, FileEntry, parse_snmp_file
from kproxy_tw.snmp.inputs.targets import Targets, targets
from kproxy_tw.snmp.interfaces import SnmpPoller
from kproxy_tw.snmp.settings import SnmpTarget

TOGETHER_SECONDS = 0.1
"""Changes within this time are told to the poller at once: a thousand devices may begin to send in one second."""

MAX_NAMED = 5
"""Devices that cannot be polled and are named in the log; the others are only counted."""


def read_snmp_file(path: Path | None) -> Mapping[int, FileEntry]:
    """The settings in ``-snmp_file``; none without one. :raises ConfigError: it cannot be read or used; says where."""
    return {} if path is None else read_settings("snmp_file", path, MAX_BYTES, parse_snmp_file)


class TargetsService(Service):
    """Keeps the poller's targets as they should be.

    :param devices: gives all registered devices.
    :param opened: gives the ids of those that take part already: they have sent flow, or did not have to.
    :param open: makes a device take part that has not sent anything.
    :raises ConfigError: the file cannot be used.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        config: SnmpConfig,
        poller: SnmpPoller,
        devices: Callable[[], Iterable[Device]],
        opened: Callable[[], Iterable[int]],
        open: Callable[[Device], object],  # noqa: A002
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._poller = poller
        self._devices = devices
        self._opened = opened
        self._open = open
        self._entries = read_snmp_file(config.file)
        self._timer: IDelayedCall | None = None
        self.targets = Targets()
        self._by_id: Mapping[int, SnmpTarget] = {}

    def startService(self) -> None:
        """Tell the poller."""
        super().startService()
        self._mind_the_mode()
        self.look()

    def stopService(self) -> None:
        """Tell the poller nothing more."""
        super().stopService()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def look(self) -> None:
        """A device has begun to send, has changed, or is gone: see, soon, what that means for polling."""
        if self.running and (self._timer is None or not self._timer.active()):
            self._timer = self._reactor.callLater(TOGETHER_SECONDS, self._tell)

    def reload(self) -> None:
        """Read the file again. :raises ConfigError: it cannot be used, and what was read before stays in force."""
        self._entries = read_snmp_file(self._config.file)
        self.look()

    def target(self, device_id: int) -> SnmpTarget | None:
        """What is polled of a device; ``None`` when it is not."""
        return self._by_id.get(device_id)

    def problem(self, device_id: int) -> str:
        """Why a device that has SNMP settings is not polled; empty when it is, or has none."""
        return self.targets.problems.get(device_id, "")

    def _tell(self) -> None:
        before, opened = self.targets.problems, set(self._opened())
        chosen = []
        for device in self._devices():
            if device.device_id not in opened:
                if self._config.waits_for_flow(device.device_id):
                    continue
                self._open(device)
            chosen.append(device)
        self.targets = targets(chosen, self._entries, self._config)
        self._by_id = {target.device_id: target for target in self.targets.polled}
        self._poller.targets_changed(self.targets.polled)
        self._complain({key: text for key, text in self.targets.problems.items() if before.get(key) != text}, chosen)

    def _complain(self, problems: Mapping[int, str], devices: Iterable[Device]) -> None:
        names = {device.device_id: device.name for device in devices}
        for device_id in sorted(problems)[:MAX_NAMED]:
            self.log.warn("SNMP of {device}: {problem}", device=names[device_id], problem=problems[device_id])
        if len(problems) > MAX_NAMED:
            self.log.warn("SNMP of {count} more devices: see their pages", count=len(problems) - MAX_NAMED)

    def _mind_the_mode(self) -> None:
        path = self._config.file
        if path is not None and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            self.log.warn("{path} holds secrets and others can read it: chmod 600 it", path=str(path))
