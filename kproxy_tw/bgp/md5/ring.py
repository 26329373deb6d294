"""The keys in force: what the table says is what the listeners have."""

from __future__ import annotations

from kproxy_tw.bgp.md5.keys import HeldKey, KeyTable, host
from kproxy_tw.bgp.md5.sockopt import Network
from kproxy_tw.bgp.md5.store import KernelKeys, NoRoomForKeys
from kproxy_tw.bgp.md5.syn import Address
from kproxy_tw.errors import StoreError

UNUSED_SECONDS = 120.0
"""A key that no SYN came for in this time may make room for another: a running session has a copy of its own, and a
router that comes back is learned again."""

MOST_EVICTED = 8
"""For one new key."""


class KeyRing:
    """Table and listeners together. Times in seconds, monotonic."""

    def __init__(self, kernel: KernelKeys) -> None:
        self._kernel = kernel
        self._table = KeyTable()

    def networks(self) -> tuple[Network, ...]:
        """Whose keys are in force."""
        return self._table.networks()

    def find(self, address: Address) -> HeldKey | None:
        """The key in force for an address."""
        return self._table.find(address)

    def install(self, network: Network, key: bytes, now: float) -> None:
        """Set or replace a key; those long unused make room.

        :raises StoreError: it cannot be set, and is not held.
        """
        if self._table.full and self._table.get(network) is None and not self._evict(now):
            raise StoreError(f"{len(self._table)} TCP-MD5 keys are in use, no more are kept; use one for a prefix")
        for _attempt in range(MOST_EVICTED):
            try:
                self._kernel.put(network, key)
            except NoRoomForKeys:
                self._table.discard(network)
                if not self._evict(now):
                    raise
            except StoreError:
                self._table.discard(network)
                raise
            else:
                self._table.put(network, key, now)
                return
        raise NoRoomForKeys(
            f"no room for the TCP-MD5 key of {network}, even after {MOST_EVICTED} old ones were removed"
        )

    def remove(self, network: Network) -> bool:
        """Remove the key of exactly this prefix; whether there was one."""
        if self._table.get(network) is None:
            return False
        self._kernel.remove(network)
        self._table.discard(network)
        return True

    def remove_host(self, address: Address) -> bool:
        """Remove the key of a single address; whether there was one."""
        return self.remove(host(address))

    def _evict(self, now: float) -> bool:
        held = self._table.least_used(now - UNUSED_SECONDS)
        return held is not None and self.remove(held.network)
