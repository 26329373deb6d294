"""Made-up devices for :mod:`kproxy_tw.testing.snmp_agent`: any number of interfaces whose counters run."""

from __future__ import annotations

import time
from collections.abc import Callable

from kproxy_tw.snmp import ber
from kproxy_tw.snmp.oids import IF_ENTRY, IF_X_ENTRY, SYSTEM, numbers
from kproxy_tw.snmp.walk import Numbers
from kproxy_tw.testing.snmp_agent import Held, encoded

COUNTERS_32 = {10: 0.1, 11: 1e-4, 13: 0.0, 14: 0.0, 16: 0.2, 17: 2e-4, 19: 0.0, 20: 0.0}
COUNTERS_64 = {6: 0.1, 7: 1e-4, 8: 1e-6, 9: 1e-6, 10: 0.2, 11: 2e-4, 12: 1e-6, 13: 1e-6}
"""By column: how much of the interface's speed in octets they grow by in a second."""

GIGABIT = 1_000_000_000


def running(tag: int, bits: int, rate: float, clock: Callable[[], float]) -> Callable[[], bytes]:
    """A counter that grows so much a second."""
    return lambda: encoded(tag, int(rate * clock()) % (1 << bits))


def system(name: str, clock: Callable[[], float], object_id: str = "1.3.6.1.4.1.99999.1") -> dict[Numbers, Held]:
    """The system group."""
    return {
        SYSTEM["sysDescr"]: encoded(ber.OCTETS, f"simulated device {name}"),
        SYSTEM["sysObjectID"]: encoded(ber.OID, object_id),
        SYSTEM["sysUpTime"]: lambda: encoded(ber.TIME_TICKS, int(clock() * 100) % (1 << 32)),
        SYSTEM["sysContact"]: encoded(ber.OCTETS, "somebody"),
        SYSTEM["sysName"]: encoded(ber.OCTETS, name),
        SYSTEM["sysLocation"]: encoded(ber.OCTETS, "somewhere"),
        SYSTEM["sysServices"]: encoded(ber.INTEGER, 78),
    }


def interface(index: int, clock: Callable[[], float], *, name: str = "", wide: bool = True) -> dict[Numbers, Held]:
    """One row of ifTable and ifXTable: a link of 1 Gbit/s, loaded by a tenth in and a fifth out."""
    low, high = numbers(IF_ENTRY), numbers(IF_X_ENTRY)
    shown = name or f"ge-0/0/{index}"
    octets_a_second = GIGABIT / 8
    held: dict[Numbers, Held] = {
        (*low, 1, index): encoded(ber.INTEGER, index),
        (*low, 2, index): encoded(ber.OCTETS, shown),
        (*low, 3, index): encoded(ber.INTEGER, 6),
        (*low, 4, index): encoded(ber.INTEGER, 1500),
        (*low, 5, index): encoded(ber.GAUGE32, GIGABIT),
        (*low, 6, index): encoded(ber.OCTETS, bytes((2, 0, 0, 0, index >> 8 & 255, index & 255))),
        (*low, 7, index): encoded(ber.INTEGER, 1),
        (*low, 8, index): encoded(ber.INTEGER, 1),
        (*low, 9, index): encoded(ber.TIME_TICKS, 100),
    }
    for column, share in COUNTERS_32.items():
        held[(*low, column, index)] = running(ber.COUNTER32, 32, share * octets_a_second, clock)
    if wide:
        held |= {
            (*high, 1, index): encoded(ber.OCTETS, shown),
            (*high, 15, index): encoded(ber.GAUGE32, 1000),
            (*high, 17, index): encoded(ber.INTEGER, 1),
            (*high, 18, index): encoded(ber.OCTETS, f"link {index}"),
            (*high, 19, index): encoded(ber.TIME_TICKS, 0),
        }
        for column, share in COUNTERS_64.items():
            held[(*high, column, index)] = running(ber.COUNTER64, 64, share * octets_a_second, clock)
    return held


def device(
    name: str, interfaces: int, clock: Callable[[], float] = time.monotonic, *, wide: bool = True
) -> dict[Numbers, Held]:
    """A whole device."""
    held = system(name, clock)
    for index in range(1, interfaces + 1):
        held |= interface(index, clock, wide=wide)
    return held
