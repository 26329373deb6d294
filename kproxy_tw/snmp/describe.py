"""From tables to interfaces, with their addresses, VRFs, layers and neighbours. Pure.

Indexes of tables are numbers; texts in them are a length and that many characters (RFC 2578, 7.7).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import attrs

from kproxy_tw.snmp import ber
from kproxy_tw.snmp.oids import MANUFACTURERS, SYSTEM
from kproxy_tw.snmp.reading import Interface, InterfaceAddress, Neighbor, SystemGroup
from kproxy_tw.snmp.values import address, identity, mac, number, prefix_length, text
from kproxy_tw.snmp.vrfs import vrfs_of_interfaces
from kproxy_tw.snmp.walk import Numbers, Row, Table

MAX_ADDRESSES = 64
MAX_NEIGHBORS = 8
MAX_LAYERS = 256
"""Of one interface; a device that has more is listed with so many."""

Tables = Mapping[str, Table]
"""By name."""

NO_TABLE = Table("")

UNICAST = 1
IPV4, IPV6 = 1, 2
ACTIVE = 1
LLDP_CHASSIS_MAC, LLDP_CHASSIS_ADDRESS = 4, 5
LLDP_PORT_MAC, LLDP_PORT_ADDRESS, LLDP_PORT_NAME = 3, 4, 5


def system_group(values: Mapping[Numbers, ber.Value]) -> SystemGroup | None:
    """The system group; ``None`` when the agent told nothing of it."""
    found = {name: values[oid] for name, oid in SYSTEM.items() if oid in values}
    if not found:
        return None
    object_id = text(found.get("sysObjectID"))
    return SystemGroup(
        descr=text(found.get("sysDescr")),
        object_id=object_id,
        uptime_seconds=number(found.get("sysUpTime")) / 100,
        contact=text(found.get("sysContact")),
        name=text(found.get("sysName")),
        location=text(found.get("sysLocation")),
        services=number(found.get("sysServices")),
        manufacturer=MANUFACTURERS.get(enterprise(object_id), ""),
    )


def enterprise(object_id: str) -> int:
    """The maker's number in a ``sysObjectID``; 0 when there is none."""
    parts = object_id.split(".")
    return int(parts[6]) if parts[:6] == ["1", "3", "6", "1", "4", "1"] and len(parts) > 6 else 0


def interfaces(tables: Tables) -> dict[int, Interface]:
    """All interfaces, by index."""
    rows = tables.get("interfaces", NO_TABLE).rows
    found = {index[0]: _interface(index[0], row) for index, row in rows.items() if len(index) == 1}
    _add_router_interfaces(found, tables.get("vRtrIfTable", NO_TABLE))
    addresses, layers = _addresses(tables), _layers(tables.get("ifStackTable", NO_TABLE))
    vrfs, neighbors = vrfs_of_interfaces(tables), _neighbors(tables, found)
    return {
        index: attrs.evolve(
            interface,
            addresses=tuple(addresses[index][:MAX_ADDRESSES]) if index in addresses else (),
            lower=tuple(layers[index][0][:MAX_LAYERS]) if index in layers else (),
            higher=tuple(layers[index][1][:MAX_LAYERS]) if index in layers else (),
            vrf=vrfs.get(index),
            neighbors=tuple(neighbors[index][:MAX_NEIGHBORS]) if index in neighbors else (),
        )
        for index, interface in sorted(found.items())
    }


def speed_bps(row: Row) -> int:
    """``ifHighSpeed`` counts Mbit/s; slow interfaces have only ``ifSpeed``, fast ones cannot say theirs there."""
    slow, fast = number(row.get("ifSpeed")), number(row.get("ifHighSpeed")) * 1_000_000
    return fast if fast > slow or slow == 0xFFFFFFFF else slow


def _interface(index: int, row: Row) -> Interface:
    connector = row.get("ifConnectorPresent")
    return Interface(
        index=index,
        name=text(row.get("ifName")),
        descr=text(row.get("ifDescr")),
        alias=text(row.get("ifAlias")),
        type=number(row.get("ifType")),
        speed_bps=speed_bps(row),
        mtu=number(row.get("ifMtu")),
        mac=mac(row.get("ifPhysAddress")),
        admin_status=number(row.get("ifAdminStatus")),
        oper_status=number(row.get("ifOperStatus")),
        last_change_seconds=number(row.get("ifLastChange")) / 100,
        connector_present={1: True, 2: False}.get(number(connector)),
    )


def _add_router_interfaces(found: dict[int, Interface], table: Table) -> None:
    """Nokia: interfaces that ifTable does not have, under the index that flows carry."""
    for row in table.rows.values():
        index = number(row.get("vRtrIfGlobalIndex"))
        name, description = text(row.get("vRtrIfName")), text(row.get("vRtrIfDescription"))
        if not index or not name:
            continue
        known = found.get(index, Interface(index=index, name=name, descr=name))
        found[index] = attrs.evolve(known, alias=known.alias or description)


def _addresses(tables: Tables) -> dict[int, list[InterfaceAddress]]:
    """By interface. The newer table knows best; the older ones add what it lacks."""
    found: dict[int, dict[str, int | None]] = defaultdict(dict)
    for interface, spelled, bits in _all_addresses(tables):
        if found[interface].get(spelled) is None:
            found[interface][spelled] = bits
    return {
        interface: [InterfaceAddress(address=spelled, prefix_length=bits) for spelled, bits in addresses.items()]
        for interface, addresses in found.items()
    }


def _all_addresses(tables: Tables) -> Iterator[tuple[int, str, int | None]]:
    for name, prefix in (("ipAddressTable", "ipAddress"), ("cIpAddressTable", "cIpAddress")):
        for index, row in tables.get(name, NO_TABLE).rows.items():
            spelled = _typed_address(index)
            interface = number(row.get(f"{prefix}IfIndex"))
            if spelled and interface and number(row.get(f"{prefix}Type")) in (0, UNICAST):
                yield interface, spelled, _prefix_of_pointer(row.get(f"{prefix}Prefix"), spelled)
    for index, row in tables.get("ipAddrTable", NO_TABLE).rows.items():
        spelled, interface = address(index), number(row.get("ipAdEntIfIndex"))
        if spelled and interface:
            yield interface, spelled, prefix_length(row.get("ipAdEntNetMask"))
    for index, row in tables.get("ipv6AddrTable", NO_TABLE).rows.items():
        spelled, bits = address(index[1:]), number(row.get("ipv6AddrPfxLength"))
        if spelled and len(index) == 17:
            yield index[0], spelled, bits if 0 < bits <= 128 else None


def _typed_address(index: Numbers) -> str:
    """An address after its type and length; with a zone behind it, that is left off (RFC 4001)."""
    if len(index) < 2 or len(index) != 2 + index[1]:
        return ""
    octets = index[2:]
    return address(octets[:4] if len(octets) == 8 else octets[:16] if len(octets) == 20 else octets)


def _prefix_of_pointer(pointer: ber.Value, spelled: str) -> int | None:
    """The prefix is told by naming a row of another table, whose index ends with the length (RFC 4293)."""
    last = pointer.rpartition(".")[2] if isinstance(pointer, str) else ""
    bits = int(last) if last.isdecimal() else 0
    return bits if 0 < bits <= (128 if ":" in spelled else 32) and pointer != "0.0" else None


def _layers(table: Table) -> dict[int, tuple[list[int], list[int]]]:
    """By interface, those below and those above it."""
    found: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for index, row in table.rows.items():
        if len(index) != 2 or 0 in index or row.get("ifStackStatus") != ACTIVE:
            continue
        higher, lower = index
        found[higher][0].append(lower)
        found[lower][1].append(higher)
    return found


def _neighbors(tables: Tables, known: Mapping[int, Interface]) -> dict[int, list[Neighbor]]:
    """By interface. LLDP numbers ports on its own; where it names the interface, that holds, else the number does."""
    by_name = {interface.name: index for index, interface in known.items() if interface.name}
    ports = {
        index[0]: by_name.get(text(row.get("lldpLocPortId")))
        for index, row in tables.get("lldpLocPortTable", NO_TABLE).rows.items()
        if len(index) == 1 and row.get("lldpLocPortIdSubtype") == LLDP_PORT_NAME
    }
    found: dict[int, list[Neighbor]] = defaultdict(list)
    for index, row in tables.get("lldpRemTable", NO_TABLE).rows.items():
        if len(index) == 3:
            found[ports.get(index[1]) or index[1]].append(_neighbor(row))
    return found


def _neighbor(row: Row) -> Neighbor:
    return Neighbor(
        chassis_id=identity(
            row.get("lldpRemChassisIdSubtype"), row.get("lldpRemChassisId"), LLDP_CHASSIS_MAC, LLDP_CHASSIS_ADDRESS
        ),
        port_id=identity(row.get("lldpRemPortIdSubtype"), row.get("lldpRemPortId"), LLDP_PORT_MAC, LLDP_PORT_ADDRESS),
        port_description=text(row.get("lldpRemPortDesc")),
        system_name=text(row.get("lldpRemSysName")),
    )
