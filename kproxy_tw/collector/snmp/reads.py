"""What the pages need of the store."""

from __future__ import annotations

from typing import Any, Protocol


class PollReads(Protocol):
    """Rows of what agents say by SNMP; ``SnmpStore`` fits. Every method blocks and may raise ``StoreError``."""

    def devices(self) -> list[tuple[Any, ...]]:
        """Of each device: id, system as JSON, when it was polled, error, seconds up, duration, interfaces known."""

    def interfaces(self, device_id: int) -> list[tuple[Any, ...]]:
        """Of each known interface: key, when it was told, entry as JSON."""

    def components(self, device_id: int) -> list[tuple[Any, ...]]:
        """Of each processor, memory, temperature: kind, name, value, total."""

    def counters(self, device_id: int, polls: int) -> list[tuple[Any, ...]]:
        """Of the last polls, oldest first: time, index, name, speed, statuses, seconds, and the growth of counters."""
