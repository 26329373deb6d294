"""Through the pipe and back: everything arrives as it was, in pieces that fit."""

from __future__ import annotations

import pytest

from kproxy_tw.snmp.reading import (
    Counts,
    Cpu,
    DeviceHealth,
    ErrorKind,
    EventKind,
    Interface,
    InterfaceAddress,
    InterfaceCounters,
    Memory,
    Neighbor,
    Partial,
    PollError,
    PollEvent,
    Reading,
    SystemGroup,
    Temperature,
    V3State,
    Vrf,
)
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, SnmpSchedule, SnmpTarget, V3Credentials, Version
from kproxy_tw.snmp.wire import MAX_PIECE, MAX_PIECES, Assembly, dump, lists, load, pieces

WIDE = "\U0001f600" * 255
"""The longest text that a device can have: four bytes a character."""


def interface(index: int, text: str) -> Interface:
    """With everything that it can have."""
    return Interface(
        index=index,
        name=text,
        descr=text,
        alias=text,
        type=6,
        speed_bps=10**11,
        connector_present=True,
        addresses=(InterfaceAddress(address="2001:db8::1", prefix_length=64), InterfaceAddress(address="192.0.2.1")),
        vrf=Vrf(name=text, rd="65000:1", extended_rd=65000 << 32 | 1, route_targets=("65000:1", "65000:2")),
        lower=(1, 2),
        neighbors=(Neighbor(chassis_id="00:00:5e:00:53:01", port_id=text, system_name=text),) * 8,
    )


def reading(count: int, text: str = "ge-0/0/0", parts: int = 3) -> Reading:
    """Of a device with so many interfaces."""
    return Reading(
        device_id=5,
        scheduled=1.5,
        system=SystemGroup(descr=text, uptime_seconds=12.25),
        interfaces=tuple(interface(index, text) for index in range(1, count + 1)),
        counters=tuple(
            InterfaceCounters(index=index, totals=Counts(in_octets=2**64 - 1), deltas=Counts(in_octets=0), seconds=300)
            for index in range(1, count + 1)
        ),
        health=DeviceHealth(
            cpus=(Cpu(name=text, percent=50),) * parts,
            memories=(Memory(name=text, total=2**40, used=5),) * parts,
            temperatures=(Temperature(name=text, celsius=-3.5),) * parts,
        ),
        partial=(Partial(table="ifTable", rows=3, error=PollError(kind=ErrorKind.NO_ANSWER, text="none")),),
        error=PollError(kind=ErrorKind.OVERRUN, text="late"),
        events=(PollEvent(kind=EventKind.RENUMBERED, text=text, interface=text, old_index=1, new_index=2),) * parts,
        v3=V3State(engine_id="80", engine_boots=1, engine_time=2, user="u", auth="SHA", priv="AES", level="authPriv"),
    )


def through(whole: Reading) -> tuple[Reading | None, int]:
    """What arrives, and in how many pieces."""
    assembly, arrived = Assembly(), None
    for body in pieces(whole):
        assert len(body) <= 65_000
        arrived = assembly.take(body)
    return arrived, assembly.pieces


@pytest.mark.parametrize("count", [0, 1, 750])
def test_a_reading_arrives_whole(count: int) -> None:
    """Equal to what was sent."""
    arrived, number = through(reading(count))
    assert arrived == reading(count)
    assert (number > 1) == (count > 0)


def test_the_longest_texts_fit() -> None:
    """Every text of 255 characters of four bytes each, and as many parts as there can be: less surrounds them."""
    arrived, number = through(reading(200, WIDE, parts=100))
    assert arrived is not None
    assert [one.name for one in arrived.interfaces] == [WIDE] * 200
    assert len(arrived.health.cpus) == 6
    assert number < MAX_PIECES


def test_settings_arrive_with_their_secrets() -> None:
    """They are for the process alone."""
    target = SnmpTarget(
        device_id=1,
        address="192.0.2.1",
        version=Version.V3,
        community="word",
        v3=V3Credentials(
            user="u",
            auth=AuthProtocol.SHA512,
            auth_pass_phrase="a",
            priv=PrivProtocol.AES256_REEDER,
            priv_pass_phrase="p",
        ),
    )
    assert load(SnmpTarget, dump(target)) == target
    assert load(SnmpSchedule, dump(SnmpSchedule(low=True))) == SnmpSchedule(low=True)


def test_lists_of_targets() -> None:
    """Thousands of devices come in pieces; none at all is one empty list."""
    targets = [SnmpTarget(device_id=number, address="192.0.2.1", community="c" * 200) for number in range(1000)]
    bodies = list(lists(targets))
    assert len(bodies) > 1
    assert all(len(body) <= MAX_PIECE for body in bodies)
    assert [target for body in bodies for target in load(list[SnmpTarget], body)] == targets
    assert list(lists([])) == [b"[]"]
