"""What devices and interfaces are called. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kproxy_tw.collector.totals import DeviceTotals

InterfaceName = Callable[[int, int], str]
"""The name of an interface by device id and index; empty where it is not known."""


class StoredNames:
    """Names as the agents stated them.

    :param totals: of every device that has sent.
    :param interface_name: what is known of interfaces.
    """

    def __init__(self, totals: Iterable[DeviceTotals], interface_name: InterfaceName) -> None:
        self._devices = {total.device_id: total.device_name for total in totals}
        self._interface_name = interface_name

    def device(self, device_id: int) -> str:
        """A device's name; its id where it has none."""
        return self._devices.get(device_id) or str(device_id)

    def interface(self, device_id: int, index: int) -> str:
        """An interface's name; empty where it is not known."""
        return self._interface_name(device_id, index)
