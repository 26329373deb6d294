"""Registry: the devices that are known now, by id and by address, and what each new list changes."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

import attrs

from kproxy_tw.devices.device import Device


@attrs.frozen
class Conflict:
    """Two devices claim one address; the one with the lower id has it."""

    address: str
    kept: Device
    refused: Device


@attrs.frozen(kw_only=True)
class Changes:
    """What a new answer of the API changed; empty (and false) when nothing did.

    :ivar added, removed: devices that are new, devices that are gone.
    :ivar changed: devices of which a setting changed, as they are now.
    :ivar addresses: every address for which :meth:`Registry.by_address` answers otherwise than before.
    :ivar conflicts: the addresses of added and changed devices that several devices claim.
    """

    added: tuple[Device, ...] = ()
    removed: tuple[Device, ...] = ()
    changed: tuple[Device, ...] = ()
    addresses: frozenset[str] = frozenset()
    conflicts: tuple[Conflict, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Registry:
    """Devices by id and by address.

    Several devices may claim an address; the lowest id has it, and when that device goes, the next one does.
    """

    def __init__(self) -> None:
        self._devices: dict[int, Device] = {}
        self._claims: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def devices(self) -> tuple[Device, ...]:
        """All devices, by id."""
        return tuple(self._devices[device_id] for device_id in sorted(self._devices))

    def by_id(self, device_id: int) -> Device | None:
        """The device of that id."""
        return self._devices.get(device_id)

    def by_address(self, address: str) -> Device | None:
        """The device that sends from ``address`` (canonical spelling)."""
        claims = self._claims.get(address)
        return None if claims is None else self._devices[claims[0]]

    def replace(self, devices: Iterable[Device]) -> Changes:
        """From now on exactly ``devices`` are known; of two with the same id the later one."""
        wanted = {device.device_id: device for device in devices}
        gone = [device for device_id, device in self._devices.items() if device_id not in wanted]
        return self._apply(
            gone, [device for device in wanted.values() if self._devices.get(device.device_id) != device]
        )

    def put(self, device: Device) -> Changes:
        """Know ``device`` besides the others, or in its new form."""
        return self._apply([], [] if self._devices.get(device.device_id) == device else [device])

    def _apply(self, gone: list[Device], came: list[Device]) -> Changes:
        before = [old for device in came if (old := self._devices.get(device.device_id)) is not None]
        known = {device.device_id for device in before}
        touched = {address for device in (*gone, *before, *came) for address in device.sending_addresses}
        owners = {address: self.by_address(address) for address in touched}
        for device in (*gone, *before):
            self._withdraw(device)
        for device in came:
            self._claim(device)
        return Changes(
            added=tuple(device for device in came if device.device_id not in known),
            removed=tuple(gone),
            changed=tuple(device for device in came if device.device_id in known),
            addresses=frozenset(address for address in touched if self.by_address(address) != owners[address]),
            conflicts=tuple(self._conflicts(came)),
        )

    def _claim(self, device: Device) -> None:
        self._devices[device.device_id] = device
        for address in device.sending_addresses:
            insort(self._claims.setdefault(address, []), device.device_id)

    def _withdraw(self, device: Device) -> None:
        del self._devices[device.device_id]
        for address in device.sending_addresses:
            claims = self._claims[address]
            claims.remove(device.device_id)
            if not claims:
                del self._claims[address]

    def _conflicts(self, came: Iterable[Device]) -> Iterable[Conflict]:
        for address in sorted({address for device in came for address in device.sending_addresses}):
            first, *others = self._claims[address]
            for device_id in others:
                yield Conflict(address, self._devices[first], self._devices[device_id])
