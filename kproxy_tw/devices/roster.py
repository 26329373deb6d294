"""Roster: brings an answer of the API to the registry and to the waiting sources, and tells what follows from it."""

from __future__ import annotations

from collections.abc import Callable

from kproxy_tw.devices.device import Device
from kproxy_tw.devices.parse import DeviceList
from kproxy_tw.devices.registry import Changes, Registry
from kproxy_tw.devices.sources import Sources

Changed = Callable[[Changes], None]
"""Is told what a list or an answer changed in the registry."""

Answered = Callable[[str, Device | None], None]
"""Is told of an address that was asked for: its device, or ``None`` when there is none or none was found in time.

It has to ``take`` what ``Sources`` holds for the address.
"""


class Roster:
    """The registry and the sources, kept in step. Times named ``now`` are monotonic seconds."""

    def __init__(self, *, registry: Registry, sources: Sources, changed: Changed, answered: Answered) -> None:
        self.registry = registry
        self.sources = sources
        self._changed = changed
        self._answered = answered
        self._learned_meanwhile: dict[int, Device] = {}

    def listing(self) -> None:
        """A whole list is asked for now: it may be older than what is learned from here on."""
        self._learned_meanwhile.clear()

    def listed(self, answer: DeviceList) -> Changes:
        """A whole list came: from now on its devices are known, and no others.

        Two exceptions: a device that has become unreadable stays as it was last good, and one that was
        learned while the list was under way stays although the list does not have it yet.
        """
        devices = {device.device_id: device for device in answer.devices}
        for skipped in answer.skipped:
            if (known := self.registry.by_id(skipped.device_id)) is not None:
                devices.setdefault(known.device_id, known)
        for device in self._learned_meanwhile.values():
            devices.setdefault(device.device_id, device)
        return self._announce(self.registry.replace(devices.values()))

    def learned(self, address: str, device: Device) -> Changes:
        """The API said that ``address``, which is among its sending addresses, is ``device``'s."""
        self._learned_meanwhile[device.device_id] = device
        changes = self._announce(self.registry.put(device))
        self.settle(address)
        return changes

    def refused(self, address: str, now: float) -> None:
        """The API said that it does not know ``address``."""
        if not self.settle(address):
            self.sources.refused(address, now)
            self._answered(address, None)

    def settle(self, address: str) -> bool:
        """Whether ``address`` is known; if it is, and something waits for the answer, that is told."""
        device = self.registry.by_address(address)
        if device is None:
            return False
        if self.sources.known(address):
            self._answered(address, device)
        return True

    def lapse(self, now: float) -> None:
        """Give up what has waited too long."""
        for address in self.sources.overdue(now):
            self._answered(address, self.registry.by_address(address))

    def _announce(self, changes: Changes) -> Changes:
        if changes:
            self._changed(changes)
        for address in changes.addresses:
            self.settle(address)
        return changes
