"""Counters that go round. Pure arithmetic."""

from __future__ import annotations

WRAP_32 = 1 << 32


def grown_64(before: int, now: int, most: int) -> int | None:
    """Growth of a counter of 64 bits, which goes round in no lifetime; ``None`` when it went back or leapt."""
    grown = now - before
    return grown if 0 <= grown <= most else None


def grown_32(before: int, now: int, most: int) -> int | None:
    """Growth of a counter of 32 bits, less than one round; ``None`` when it may rather have begun anew.

    A counter that goes down has gone round, if it can have come so far, and if it was nearer to its end than to its
    beginning.
    """
    grown = (now - before) % WRAP_32
    if grown > most:
        return None
    return grown if now >= before or grown < WRAP_32 // 2 else None


def octets_from_packets(octets: int, packets: int, smallest: int, largest: int, most: int) -> int | None:
    """The one growth that fits a count of packets, of those that differ by whole rounds; ``None`` for none or several.

    :param octets: growth, less than one round.
    :param smallest, largest: octets of a packet.
    :param most: what can have gone through.
    """
    low, high = packets * smallest, min(packets * largest, most)
    first = octets + max(0, -(-(low - octets) // WRAP_32)) * WRAP_32
    return first if first <= high < first + WRAP_32 else None
