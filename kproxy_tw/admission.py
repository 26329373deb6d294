"""Admission: which datagrams are let in while more come than can be walked, and the books of those that are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from kproxy_tw.ledger import Ledger
from kproxy_tw.shedding import STRANGERS, Shedding

if TYPE_CHECKING:
    from kproxy_tw.deviceintake import DeviceIntake

Arrived = tuple[bytes, tuple[str, int]]
"""A datagram, and the address and port that it is from."""

SHED = "more comes than this machine can work on, and this exporter sends more than others"


@attrs.frozen(kw_only=True)
class Admission:
    """See the module; to be asked while ``shedding.active``.

    :ivar shedding: decides.
    :ivar whose: finds the device of an address, told seconds since 1970; ``None`` when it is no device's.
    :ivar strangers: the books of addresses without a device.
    """

    shedding: Shedding
    whose: Callable[[str, float], DeviceIntake | None]
    strangers: Ledger

    def admitted(self, arrived: Iterable[Arrived], now: float) -> Iterator[Arrived]:
        """Those that need not give way; the others are counted. ``now``: seconds since 1970."""
        admits = self.shedding.admits
        known: dict[str, DeviceIntake | None] = {}
        shed: Counter[str] = Counter()
        try:
            for one in arrived:
                address = one[1][0]
                if address not in known:
                    known[address] = self.whose(address, now)
                if admits(STRANGERS if known[address] is None else address):
                    yield one
                else:
                    shed[address] += 1
        finally:
            for address, count in shed.items():
                self._book(known[address], address, count)

    def admits(self, address: str, now: float) -> bool:
        """Whether the next datagram of ``address`` need not give way; else it is counted."""
        known = self.whose(address, now)
        if self.shedding.admits(STRANGERS if known is None else address):
            return True
        self._book(known, address, 1)
        return False

    def _book(self, known: DeviceIntake | None, address: str, count: int) -> None:
        ledger = self.strangers if known is None else known.pipeline.ledger
        ledger.datagrams_received += count
        ledger.drop_datagram("shed", count)
        if known is not None:
            known.complain(known.pipeline.device.name, address, SHED)
