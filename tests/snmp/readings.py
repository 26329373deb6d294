"""Readings for tests."""

from __future__ import annotations

from typing import Any

from kproxy_tw.snmp.reading import (
    Counts,
    Cpu,
    DeviceHealth,
    Effort,
    Interface,
    InterfaceAddress,
    InterfaceCounters,
    Memory,
    Reading,
    SystemGroup,
    Temperature,
)

START = 1_790_000_000.0


def interface(index: int, **fields: Any) -> Interface:
    """An interface named after its index."""
    given = {"name": f"ge-0/0/{index}", "descr": f"ge-0/0/{index} descr", "speed_bps": 10**10, "oper_status": 1}
    return Interface(index=index, **{**given, **fields})


def counters(index: int, seconds: float = 300.0, **deltas: int) -> InterfaceCounters:
    """Counters that grew by ``deltas``; a first poll without any."""
    return InterfaceCounters(
        index=index,
        name=f"ge-0/0/{index}",
        speed_bps=10**9,
        admin_status=1,
        oper_status=1,
        totals=Counts(in_octets=10**12),
        deltas=Counts(**deltas) if deltas else None,
        seconds=seconds if deltas else 0.0,
    )


HEALTH = DeviceHealth(
    cpus=(Cpu(name="RE0", percent=37.0),),
    memories=(Memory(name="RE0 DRAM", total=4_000_000_000, used=1_000_000_000),),
    temperatures=(Temperature(name="CPU", celsius=41.5),),
)


def reading(device_id: int = 7, at: float = START, **fields: Any) -> Reading:
    """A poll that began at ``at``."""
    given: dict[str, Any] = {
        "scheduled": at,
        "started": at,
        "duration_seconds": 0.25,
        "with_descriptions": True,
        "with_counters": True,
        "system": SystemGroup(name="r7", descr="a router", uptime_seconds=86_400.0, manufacturer="Juniper"),
        "effort": Effort(requests=10, retries=1, timeouts=1, variables=100, repetitions=25, cpu_seconds=0.01),
        "next_poll": at + 300,
    }
    return Reading(device_id=device_id, **{**given, **fields})


def described(*interfaces: Interface, at: float = START, **fields: Any) -> Reading:
    """A poll of descriptions."""
    return reading(at=at, interfaces=interfaces, interfaces_found=len(interfaces), **fields)


def address(text: str, prefix: int | None = None) -> InterfaceAddress:
    """An address of an interface."""
    return InterfaceAddress(address=text, prefix_length=prefix)
