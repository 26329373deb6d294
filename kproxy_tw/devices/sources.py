"""Sources: the addresses that belong to no known device, and the datagrams that wait for the API's word on them.

An address is in one of three states: *asked* (the API has not answered yet; its first datagrams are held),
*refused* (the API does not know it; not asked again for a while), or neither (the next datagram asks).
Everything is bounded, for source addresses can be forged in any number.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum

import attrs

from kproxy_tw.devices.config import DevicesConfig
from kproxy_tw.status import UnregisteredStatus

MAX_LISTED = 1_024
"""Unregistered sources in the list; the one that has been silent longest makes room."""
MAX_ASKED = 1_024
"""Addresses that may wait for an answer; while there are so many, further ones are not asked for."""
MAX_REFUSED = 8_192
"""Negative answers kept; the oldest makes room."""
MAX_HELD_EACH = 64
"""Datagrams held for one address."""
MAX_HELD_BYTES = 4 << 20
"""Bytes held for all addresses together, each datagram counted with ``HELD_OVERHEAD``."""
HELD_OVERHEAD = 256
"""What a held datagram costs besides its payload."""


class Verdict(Enum):
    """What becomes of a datagram from an address without a device."""

    ASK = "ask"
    """It is held, and the API is to be asked for the address."""
    HELD = "held"
    """It is held until the answer comes."""
    UNREGISTERED = "unregistered"
    """It is to be counted and dropped."""


@attrs.frozen
class Held:
    """A datagram that waits. ``received_ns``: nanoseconds since 1970."""

    payload: bytes
    port: int
    received_ns: int


@attrs.define
class _Heard:
    first_ns: int
    last_ns: int
    last: float
    port: int
    flow_type: str
    datagrams: int = 0


class Sources:
    """Addresses without a device. Times named ``now`` are monotonic seconds."""

    def __init__(self, config: DevicesConfig) -> None:
        self._config = config
        self._listed: OrderedDict[str, _Heard] = OrderedDict()
        self._asked: dict[str, float] = {}
        self._held: dict[str, list[Held]] = {}
        self._held_bytes = 0
        self._refused: OrderedDict[str, float] = OrderedDict()

    @property
    def listed(self) -> int:
        """How many unregistered sources are remembered."""
        return len(self._listed)

    def arrived(
        self, address: str, port: int, payload: bytes, *, flow_type: str, now: float, received_ns: int
    ) -> Verdict:
        """A datagram came from an address that the registry does not know.

        :param address: canonical spelling.
        :param flow_type: what its version word says, for the list.
        :param received_ns: nanoseconds since 1970.
        """
        self._list(address, port, flow_type, now, received_ns)
        verdict = self._verdict(address, now)
        if verdict is Verdict.UNREGISTERED or not self._hold(address, Held(payload, port, received_ns)):
            return Verdict.UNREGISTERED
        if verdict is Verdict.ASK:
            self._asked[address] = now
        return verdict

    def take(self, address: str) -> tuple[Held, ...]:
        """The datagrams held for ``address``, in the order of arrival; they are not held any longer."""
        held = self._held.pop(address, [])
        self._held_bytes -= sum(_cost(datagram) for datagram in held)
        return tuple(held)

    def known(self, address: str) -> bool:
        """``address`` belongs to a device now: it is neither asked for nor listed any longer.

        :returns: whether it was asked for, or datagrams of it are held.
        """
        self._refused.pop(address, None)
        self._listed.pop(address, None)
        return self._asked.pop(address, None) is not None or address in self._held

    def refused(self, address: str, now: float) -> None:
        """The API does not know ``address``: it is not asked for again for a while."""
        self._asked.pop(address, None)
        self._refused[address] = now + self._config.negative_seconds
        self._refused.move_to_end(address)
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)

    def overdue(self, now: float) -> tuple[str, ...]:
        """Addresses whose datagrams have waited too long; take them: nothing more is held for these."""
        limit = now - self._config.hold_seconds
        return tuple(address for address in self._held if self._asked.get(address, limit) <= limit)

    def unregistered(self, now: float) -> tuple[UnregisteredStatus, ...]:
        """The list, oldest first; sources whose datagrams are still held are not on it yet."""
        self._forget(now)
        entries = [
            UnregisteredStatus(
                source=address,
                port=heard.port,
                first_seen=heard.first_ns / 1e9,
                last_seen=heard.last_ns / 1e9,
                datagrams=heard.datagrams,
                flow_type=heard.flow_type,
            )
            for address, heard in self._listed.items()
            if address not in self._held
        ]
        return tuple(sorted(entries, key=lambda entry: entry.first_seen))

    def _verdict(self, address: str, now: float) -> Verdict:
        if address in self._asked:
            return Verdict.HELD if address in self._held else Verdict.UNREGISTERED
        if self._refused.get(address, now) > now or len(self._asked) >= MAX_ASKED:
            return Verdict.UNREGISTERED
        return Verdict.ASK

    def _hold(self, address: str, datagram: Held) -> bool:
        held = self._held.get(address, [])
        if len(held) >= MAX_HELD_EACH or self._held_bytes + _cost(datagram) > MAX_HELD_BYTES:
            return False
        held.append(datagram)
        self._held[address] = held
        self._held_bytes += _cost(datagram)
        return True

    def _list(self, address: str, port: int, flow_type: str, now: float, received_ns: int) -> None:
        self._forget(now)
        heard = self._listed.get(address)
        if heard is None:
            heard = self._listed[address] = _Heard(received_ns, received_ns, now, port, flow_type)
            if len(self._listed) > MAX_LISTED:
                self._listed.popitem(last=False)
        heard.last_ns, heard.last, heard.port, heard.flow_type = received_ns, now, port, flow_type
        heard.datagrams += 1
        self._listed.move_to_end(address)

    def _forget(self, now: float) -> None:
        limit = now - self._config.forget_seconds
        while self._listed and next(iter(self._listed.values())).last < limit:
            self._listed.popitem(last=False)


def _cost(datagram: Held) -> int:
    return len(datagram.payload) + HELD_OVERHEAD
