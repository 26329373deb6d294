"""Admission: which datagrams are let in while more come than can be walked, and the books of those that are not."""

from __future__ import annotations

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
        """Those that need not give way. ``now``: seconds since 1970."""
        for one in arrived:
            if self.admits(one[1][0], now):
                yield one

    def admits(self, address: str, now: float) -> bool:
        """Whether the next datagram of ``address`` need not give way; else it is counted."""
        known = self.whose(address, now)
        if self.shedding.admits(STRANGERS if known is None else address):
            return True
        ledger = self.strangers if known is None else known.pipeline.ledger
        ledger.datagrams_received += 1
        ledger.drop_datagram("shed")
        if known is not None:
            known.complain(known.pipeline.device.name, address, SHED)
        return False
