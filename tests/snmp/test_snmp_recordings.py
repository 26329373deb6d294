"""Recordings of many kinds of devices, served by snmpsim, polled by both libraries: what is made of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import pytest
import pytest_twisted

from kproxy_tw.snmp.agents import Agents
from kproxy_tw.snmp.poll import Wanted
from kproxy_tw.snmp.polling.device import DevicePoller
from kproxy_tw.snmp.reading import (
    Counts,
    EventKind,
    Interface,
    InterfaceAddress,
    InterfaceCounters,
    Memory,
    Neighbor,
    Reading,
    Vrf,
)
from kproxy_tw.snmp.settings import SecurityLevel, SnmpTarget, Version
from tests.snmp import simulator
from tests.snmp.polling import COUNTERS, LIBRARIES, poll
from tests.snmp.simulator import Simulator

pytestmark = pytest.mark.parametrize("library", LIBRARIES)

DESCRIPTIONS = Wanted(descriptions=True, counters=False, most_interfaces=750, rank=False)

POLL_SECONDS = 120.0
"""Many times what snmpsim takes for the largest."""


@pytest.fixture(scope="module")
def snmpsim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One for all recordings."""
    with simulator.running(tmp_path_factory.mktemp("snmpsim")) as running:
        yield running


def poller(target: SnmpTarget, library: str) -> DevicePoller:
    """Of one device."""
    return DevicePoller(target, Agents(library, {}), lambda: None)


async def polled(target: SnmpTarget, library: str) -> Reading:
    """One poll, which goes well."""
    reading = await poll(poller(target, library), seconds=POLL_SECONDS)
    assert reading.error is None
    assert reading.partial == ()
    return reading


def interface(reading: Reading, name: str) -> Interface:
    """By name."""
    return next(found for found in reading.interfaces if found.name == name)


def counters(reading: Reading, name: str) -> InterfaceCounters:
    """By name."""
    return next(found for found in reading.counters if found.name == name)


@pytest_twisted.ensureDeferred
async def test_cisco(snmpsim: Simulator, library: str) -> None:
    """VRF, LLDP, addresses; processor, memory pool, temperature."""
    reading = await polled(snmpsim.target("cisco-ios"), library)
    assert reading.system is not None
    assert (reading.system.manufacturer, reading.system.uptime_seconds) == ("Cisco", 9_876_543.21)
    uplink, customer, fast, tunnel = reading.interfaces
    assert (uplink.descr, uplink.name, uplink.alias) == ("GigabitEthernet0/0", "Gi0/0", "uplink to core")
    assert (uplink.speed_mbps, uplink.mtu, uplink.mac) == (1000, 1500, "02:00:5e:00:53:01")
    assert uplink.addresses == (InterfaceAddress(address="192.0.2.1", prefix_length=30),)
    assert uplink.addresses[0].netmask == "255.255.255.252"
    assert uplink.neighbors == (
        Neighbor(
            chassis_id="02:00:5e:00:53:0a",
            port_id="xe-0/0/1",
            port_description="to branch",
            system_name="core1.example.net",
        ),
    )
    assert [address.prefix_length for address in customer.addresses] == [24, 25]
    assert customer.oper_status == 2
    assert customer.vrf == Vrf(
        name="red",
        description="customers",
        rd="65000:17",
        extended_rd=65000 << 32 | 17,
        route_targets=("65000:170", "65000:171"),
    )
    assert fast.speed_bps == 10_000_000_000
    assert counters(reading, "Te0/2").totals.in_octets == 2**63
    assert (tunnel.speed_bps, tunnel.mac, tunnel.connector_present) == (100_000, "", False)
    health = reading.health
    assert [(cpu.name, cpu.percent) for cpu in health.cpus] == [("module 0", 12)]
    assert Memory(name="Processor", total=400_000_000, used=100_000_000) in health.memories
    assert Memory(name="module 0", total=1_024_000_000, used=307_200_000) in health.memories
    assert [(found.name, found.celsius) for found in health.temperatures] == [("Intake", 31)]


@pytest_twisted.ensureDeferred
async def test_juniper(snmpsim: Simulator, library: str) -> None:
    """Units on ports, IPv4 and IPv6 with their prefixes, the operating table."""
    reading = await polled(snmpsim.target("juniper-mx"), library)
    unit, port = interface(reading, "xe-0/1/0.0"), interface(reading, "xe-0/1/0")
    assert (unit.lower, unit.higher, port.higher) == ((514,), (), (515,))
    # Broadcast and anycast addresses are not told; a zone is left off.
    assert unit.addresses == (
        InterfaceAddress(address="203.0.113.5", prefix_length=30),
        InterfaceAddress(address="2001:db8::5", prefix_length=64),
        InterfaceAddress(address="fe80::200:5eff:fe00:5301"),
    )
    assert port.neighbors[0].port_id == "520"
    assert interface(reading, "lo0.0").speed_bps == 0
    assert [(cpu.name, cpu.percent) for cpu in reading.health.cpus] == [
        ("FPC: @ 0/*/*", 9),
        ("Routing Engine 0", 23),
    ]
    assert reading.health.memories[1] == Memory(name="Routing Engine 0", total=2 << 30, used=(2 << 30) * 37 // 100)
    assert [found.celsius for found in reading.health.temperatures] == [38, 41]


@pytest_twisted.ensureDeferred
async def test_nokia(snmpsim: Simulator, library: str) -> None:
    """Router interfaces under the index that flows carry; memory beyond 4 GiB."""
    reading = await polled(snmpsim.target("nokia-sr"), library)
    assert {found.index: (found.name, found.alias) for found in reading.interfaces} == {
        1: ("system", ""),
        2: ("to-core", "core link"),
        35684352: ("1/1/1", "port"),
    }
    assert reading.health.cpus[0].percent == 7
    assert reading.health.memories == (Memory(name="System", total=8_192_000_000, used=6_144_000_000),)
    assert [(found.name, found.celsius) for found in reading.health.temperatures] == [("Slot A", 45)]


@pytest_twisted.ensureDeferred
async def test_huawei(snmpsim: Simulator, library: str) -> None:
    """Figures by physical entity."""
    reading = await polled(snmpsim.target("huawei-ne"), library)
    assert [found.name for found in reading.interfaces] == ["GigabitEthernet1/0/0", "NULL0"]
    assert [(cpu.name, cpu.percent) for cpu in reading.health.cpus] == [("MPU Board 9", 14)]
    assert reading.health.memories == (Memory(name="MPU Board 9", total=4 << 30, used=(4 << 30) * 52 // 100),)
    assert [found.celsius for found in reading.health.temperatures] == [47]


@pytest_twisted.ensureDeferred
async def test_arista(snmpsim: Simulator, library: str) -> None:
    """Host resources; sensors with their scales; what is broken or no thermometer is left out."""
    reading = await polled(snmpsim.target("arista-eos"), library)
    assert interface(reading, "Ethernet1").speed_mbps == 100_000
    assert [cpu.percent for cpu in reading.health.cpus] == [9, 91]
    assert reading.health.memories == (Memory(name="RAM", total=8_192_000_000, used=2_048_000_000),)
    assert [found.name for found in reading.health.temperatures] == ["Cpu temp sensor", "Inlet"]
    assert [found.celsius for found in reading.health.temperatures] == pytest.approx([30.5, 41.5])


@pytest_twisted.ensureDeferred
async def test_version_1_only(snmpsim: Simulator, library: str) -> None:
    """No GETBULK, no ifXTable: names are descriptions, counters have 32 bits."""
    reading = await polled(snmpsim.target("v1-only", version=Version.V1), library)
    assert [(found.index, found.descr, found.name) for found in reading.interfaces] == [
        (1, "port 1", ""),
        (2, "port 2", ""),
    ]
    assert reading.counters[0].totals.in_octets == 4_294_967_000
    assert reading.counters[0].name == "port 1"
    assert reading.effort.repetitions == 50


@pytest_twisted.ensureDeferred
async def test_wide_counters_missing_on_one(snmpsim: Simulator, library: str) -> None:
    """Each interface has the widest that its agent tells."""
    reading = await polled(snmpsim.target("hc-missing"), library)
    assert counters(reading, "fast0").totals.in_octets == 10**13
    assert counters(reading, "slow0").totals == Counts(
        in_octets=1000,
        out_octets=2000,
        in_unicast=10,
        out_unicast=20,
        in_discards=0,
        out_discards=0,
        in_errors=0,
        out_errors=0,
    )


@pytest_twisted.ensureDeferred
async def test_gaps(snmpsim: Simulator, library: str) -> None:
    """What is missing is empty; the rest of the row stands."""
    reading = await polled(snmpsim.target("gaps"), library)
    assert [(found.index, found.descr, found.name) for found in reading.interfaces] == [
        (1, "g1", "g1"),
        (2, "", "g2"),
        (9, "g9", ""),
    ]
    assert reading.interfaces[0].oper_status == 0
    assert reading.interfaces[2].speed_bps == 1_000_000_000
    assert [found.totals.in_octets for found in reading.counters] == [1, 2, 3]


@pytest_twisted.ensureDeferred
async def test_hostile_texts(snmpsim: Simulator, library: str) -> None:
    """Nothing that acts on a terminal or a page; at most 255 characters."""
    reading = await polled(snmpsim.target("hostile-texts"), library)
    assert reading.system is not None
    assert reading.system.name == "evil\\u202egnp.exe"
    found = reading.interfaces[0]
    assert found.descr == "\\x1b]0;owned\\x07eth0"
    assert found.alias.startswith("\ufffd\ufffdaaa")
    assert len(found.alias) == 255


async def twice(snmpsim: Simulator, name: str, library: str) -> tuple[Reading, Reading]:
    """Two polls of one device; between them it goes on to its second recording."""
    device = poller(snmpsim.target(f"{name}-1"), library)
    first = await poll(device, seconds=POLL_SECONDS)
    device.target = snmpsim.target(f"{name}-2")
    return first, await poll(device, seconds=POLL_SECONDS)


@pytest_twisted.ensureDeferred
async def test_renumbering(snmpsim: Simulator, library: str) -> None:
    """Growth follows the names; each change is told."""
    _first, second = await twice(snmpsim, "renumbered", library)
    grown = {found.name: found.deltas and found.deltas.in_octets for found in second.counters}
    assert grown == {"a": 600_000, "b": 600_000, "d": None}
    assert {(event.kind, event.interface, event.old_index, event.new_index) for event in second.events} == {
        (EventKind.RENUMBERED, "a", 1, 2),
        (EventKind.RENUMBERED, "b", 2, 1),
        (EventKind.APPEARED, "d", 0, 4),
        (EventKind.DISAPPEARED, "c", 3, 0),
    }


@pytest_twisted.ensureDeferred
async def test_a_poll_of_counters_that_sees_renumbering_describes_anew(snmpsim: Simulator, library: str) -> None:
    """Else flows would carry the names of other interfaces until descriptions are due. Once is enough."""
    device = poller(snmpsim.target("renumbered-1"), library)
    await poll(device, seconds=POLL_SECONDS)
    assert not (await poll(device, COUNTERS, seconds=POLL_SECONDS)).with_descriptions
    device.target = snmpsim.target("renumbered-2")
    second = await poll(device, COUNTERS, seconds=POLL_SECONDS)
    assert second.with_descriptions
    assert {one.index: one.name for one in second.interfaces} == {2: "a", 1: "b", 4: "d"}
    assert EventKind.RENUMBERED in {event.kind for event in second.events}
    third = await poll(device, COUNTERS, seconds=POLL_SECONDS)
    assert (third.with_descriptions, third.interfaces) == (False, ())


@pytest_twisted.ensureDeferred
async def test_wraps(snmpsim: Simulator, library: str) -> None:
    """Counters of 32 bits that have gone round."""
    _first, second = await twice(snmpsim, "wraps", library)
    deltas = second.counters[0].deltas
    assert deltas is not None
    assert (deltas.in_octets, deltas.out_octets) == (600_000, 6_000)
    assert (deltas.in_unicast, deltas.out_unicast) == (600, 100)


@pytest_twisted.ensureDeferred
async def test_reboot(snmpsim: Simulator, library: str) -> None:
    """No growth across it, and it is told."""
    _first, second = await twice(snmpsim, "reboot", library)
    assert second.counters[0].deltas is None
    assert [event.kind for event in second.events] == [EventKind.AGENT_RESTARTED]


@pytest_twisted.ensureDeferred
async def test_750_interfaces(snmpsim: Simulator, library: str) -> None:
    """All of them at first, the 500 busiest later, with the rates at which their counters run."""
    device = poller(snmpsim.target(simulator.LARGE), library)
    first = await poll(device, seconds=POLL_SECONDS)
    assert first.partial == ()
    assert len(first.interfaces) == len(first.counters) == simulator.LARGE_INTERFACES
    later = await poll(device, COUNTERS, seconds=POLL_SECONDS)
    assert (len(later.counters), later.interfaces_found) == (500, simulator.LARGE_INTERFACES)
    rates = [(found.in_bits_per_second or 0.0, found.out_bits_per_second or 0.0) for found in later.counters]
    into, out = map(median, zip(*rates, strict=True))
    assert into == pytest.approx(1e8, rel=0.2)
    assert out == pytest.approx(2e8, rel=0.2)


@pytest_twisted.ensureDeferred
async def test_more_rows_than_are_read(snmpsim: Simulator, library: str) -> None:
    """The rest is left out, and said to be."""
    reading = await poll(poller(snmpsim.target(simulator.LARGE, max_rows=100), library), DESCRIPTIONS, POLL_SECONDS)
    assert len(reading.interfaces) == 100
    assert reading.partial[0].error.text == "more than 100 rows"


@pytest.mark.parametrize(
    ("name", "found", "problem"),
    [
        ("unordered", ["u1", "u2", "u9"], "ifDescr: object identifiers do not increase"),
        ("erring", ["e1", "e2"], "the agent answers with error status 5, even to the smallest question"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_broken_walks(snmpsim: Simulator, library: str, name: str, found: list[str], problem: str) -> None:
    """What was read until then is kept, and marked."""
    reading = await poll(poller(snmpsim.target(name), library), DESCRIPTIONS, POLL_SECONDS)
    assert [interface.descr for interface in reading.interfaces] == found
    assert [(one.table, one.rows, one.error.text) for one in reading.partial] == [("interfaces", len(found), problem)]


@pytest_twisted.ensureDeferred
async def test_contexts_of_version_3(snmpsim: Simulator, library: str) -> None:
    """A context has tables of its own. snmpsim is silent about one that it has not: then we say that it may be that."""
    reading = await polled(snmpsim.target_of_user("cisco-ios"), library)
    assert [found.name for found in reading.interfaces] == ["Gi0/0", "Gi0/1", "Te0/2", "Tu0"]
    assert reading.v3 is not None
    assert reading.v3.level is SecurityLevel.AUTH_PRIV
    unknown = await poll(poller(snmpsim.target_of_user("nowhere", timeout_seconds=1.0, retries=0), library))
    assert unknown.error is not None
    assert unknown.error.text.endswith("or the context")


@pytest_twisted.ensureDeferred
async def test_over_ipv6(snmpsim: Simulator, library: str) -> None:
    """Agents are asked at addresses of both kinds."""
    reading = await polled(snmpsim.target("cisco-ios", address="::1"), library)
    assert len(reading.interfaces) == 4
