"""Which objects are asked for: names and numbers, by table.

Standard ones from RFC 3418 (system), RFC 2863 (interfaces), RFC 4293, RFC 2011 and RFC 2465 (addresses), RFC 4382
(VRFs), IEEE 802.1AB (LLDP), RFC 2790 (host resources), RFC 3433 and RFC 6933 (sensors and what they are on); those of
makers from their MIBs, named at each table.
"""

from __future__ import annotations

from kproxy_tw.snmp.walk import Column, Numbers, TableSpec


def numbers(dotted: str) -> Numbers:
    """An object identifier from its text."""
    return tuple(map(int, dotted.split(".")))


def table(name: str, entry: str, columns: dict[str, int]) -> TableSpec:
    """Columns of one table, by name and number below its entry."""
    return TableSpec(name, tuple(Column(column, (*numbers(entry), number)) for column, number in columns.items()))


def joined(name: str, *tables: TableSpec) -> TableSpec:
    """Columns of several tables with the same index, to be walked as one."""
    return TableSpec(name, tuple(column for one in tables for column in one.columns))


SYSTEM = {
    "sysDescr": numbers("1.3.6.1.2.1.1.1.0"),
    "sysObjectID": numbers("1.3.6.1.2.1.1.2.0"),
    "sysUpTime": numbers("1.3.6.1.2.1.1.3.0"),
    "sysContact": numbers("1.3.6.1.2.1.1.4.0"),
    "sysName": numbers("1.3.6.1.2.1.1.5.0"),
    "sysLocation": numbers("1.3.6.1.2.1.1.6.0"),
    "sysServices": numbers("1.3.6.1.2.1.1.7.0"),
}

IF_ENTRY = "1.3.6.1.2.1.2.2.1"
IF_X_ENTRY = "1.3.6.1.2.1.31.1.1.1"

INTERFACES = table(
    "ifTable",
    IF_ENTRY,
    {
        "ifDescr": 2,
        "ifType": 3,
        "ifMtu": 4,
        "ifSpeed": 5,
        "ifPhysAddress": 6,
        "ifAdminStatus": 7,
        "ifOperStatus": 8,
        "ifLastChange": 9,
    },
)
INTERFACES_X = table("ifXTable", IF_X_ENTRY, {"ifName": 1, "ifHighSpeed": 15, "ifConnectorPresent": 17, "ifAlias": 18})

COUNTERS = joined(
    "interface counters",
    table(
        "ifXTable",
        IF_X_ENTRY,
        {
            "ifName": 1,
            "ifHCInOctets": 6,
            "ifHCInUcastPkts": 7,
            "ifHCInMulticastPkts": 8,
            "ifHCInBroadcastPkts": 9,
            "ifHCOutOctets": 10,
            "ifHCOutUcastPkts": 11,
            "ifHCOutMulticastPkts": 12,
            "ifHCOutBroadcastPkts": 13,
            "ifHighSpeed": 15,
            "ifCounterDiscontinuityTime": 19,
        },
    ),
    table(
        "ifTable",
        IF_ENTRY,
        {
            "ifAdminStatus": 7,
            "ifOperStatus": 8,
            "ifInDiscards": 13,
            "ifInErrors": 14,
            "ifOutDiscards": 19,
            "ifOutErrors": 20,
        },
    ),
)
COUNTERS_32 = joined(
    "interface counters of 32 bits",
    table(
        "ifTable",
        IF_ENTRY,
        {
            "ifDescr": 2,
            "ifMtu": 4,
            "ifSpeed": 5,
            "ifInOctets": 10,
            "ifInUcastPkts": 11,
            "ifOutOctets": 16,
            "ifOutUcastPkts": 17,
        },
    ),
    table(
        "ifXTable",
        IF_X_ENTRY,
        {"ifInMulticastPkts": 2, "ifInBroadcastPkts": 3, "ifOutMulticastPkts": 4, "ifOutBroadcastPkts": 5},
    ),
)
"""Walked as well where an interface has no counters of 64 bits."""

COUNTER_COLUMNS = {
    "in_octets": ("ifHCInOctets", "ifInOctets"),
    "out_octets": ("ifHCOutOctets", "ifOutOctets"),
    "in_unicast": ("ifHCInUcastPkts", "ifInUcastPkts"),
    "out_unicast": ("ifHCOutUcastPkts", "ifOutUcastPkts"),
    "in_multicast": ("ifHCInMulticastPkts", "ifInMulticastPkts"),
    "out_multicast": ("ifHCOutMulticastPkts", "ifOutMulticastPkts"),
    "in_broadcast": ("ifHCInBroadcastPkts", "ifInBroadcastPkts"),
    "out_broadcast": ("ifHCOutBroadcastPkts", "ifOutBroadcastPkts"),
    "in_discards": ("", "ifInDiscards"),
    "out_discards": ("", "ifOutDiscards"),
    "in_errors": ("", "ifInErrors"),
    "out_errors": ("", "ifOutErrors"),
}
"""By name in ``reading.Counts``: the object of 64 bits, and that of 32."""

ADDRESSES_V4 = table("ipAddrTable", "1.3.6.1.2.1.4.20.1", {"ipAdEntIfIndex": 2, "ipAdEntNetMask": 3})
ADDRESSES = table(
    "ipAddressTable", "1.3.6.1.2.1.4.34.1", {"ipAddressIfIndex": 3, "ipAddressType": 4, "ipAddressPrefix": 5}
)
ADDRESSES_V6 = table("ipv6AddrTable", "1.3.6.1.2.1.55.1.8.1", {"ipv6AddrPfxLength": 2})
ADDRESSES_CISCO = table(
    "cIpAddressTable", "1.3.6.1.4.1.9.10.86.1.1.2.1", {"cIpAddressIfIndex": 3, "cIpAddressPrefix": 5}
)
"""CISCO-IETF-IP-MIB: a draft of ``ipAddressTable``."""

STACK = table("ifStackTable", "1.3.6.1.2.1.31.1.2.1", {"ifStackStatus": 3})

_L3VPN = "1.3.6.1.2.1.10.166.11.1.2"
VRFS = table("mplsL3VpnVrfTable", f"{_L3VPN}.2.1", {"mplsL3VpnVrfDescription": 3, "mplsL3VpnVrfRD": 4})
VRF_TARGETS = table("mplsL3VpnVrfRTTable", f"{_L3VPN}.3.1", {"mplsL3VpnVrfRT": 4})
VRF_INTERFACES = table("mplsL3VpnIfConfTable", f"{_L3VPN}.1.1", {"mplsL3VpnIfVpnClassification": 2})

LLDP_PORTS = table("lldpLocPortTable", "1.0.8802.1.1.2.1.3.7.1", {"lldpLocPortIdSubtype": 2, "lldpLocPortId": 3})
LLDP_NEIGHBORS = table(
    "lldpRemTable",
    "1.0.8802.1.1.2.1.4.1.1",
    {
        "lldpRemChassisIdSubtype": 4,
        "lldpRemChassisId": 5,
        "lldpRemPortIdSubtype": 6,
        "lldpRemPortId": 7,
        "lldpRemPortDesc": 8,
        "lldpRemSysName": 9,
    },
)

ROUTER_INTERFACES_NOKIA = table(
    "vRtrIfTable",
    "1.3.6.1.4.1.6527.3.1.2.3.4.1",
    {"vRtrIfName": 4, "vRtrIfDescription": 34, "vRtrIfGlobalIndex": 63},
)
"""TIMETRA-VRTR-MIB: router interfaces, which flows name by their global index."""

ENTITY_NAMES = table("entPhysicalTable", "1.3.6.1.2.1.47.1.1.1.1", {"entPhysicalName": 7})
"""What sensors and processors are on; asked for with the descriptions, as the table is long."""

DESCRIPTIONS = (
    joined("interfaces", INTERFACES, INTERFACES_X),
    ADDRESSES,
    ADDRESSES_V4,
    ADDRESSES_V6,
    STACK,
    VRFS,
    VRF_TARGETS,
    VRF_INTERFACES,
    LLDP_PORTS,
    LLDP_NEIGHBORS,
    ENTITY_NAMES,
)
"""What every device is asked for its descriptions, the interfaces first."""

SENSORS = table(
    "entPhySensorTable",
    "1.3.6.1.2.1.99.1.1.1",
    {
        "entPhySensorType": 1,
        "entPhySensorScale": 2,
        "entPhySensorPrecision": 3,
        "entPhySensorValue": 4,
        "entPhySensorOperStatus": 5,
    },
)
PROCESSORS = table("hrProcessorTable", "1.3.6.1.2.1.25.3.3.1", {"hrProcessorLoad": 2})
STORAGE = table(
    "hrStorageTable",
    "1.3.6.1.2.1.25.2.3.1",
    {
        "hrStorageType": 2,
        "hrStorageDescr": 3,
        "hrStorageAllocationUnits": 4,
        "hrStorageSize": 5,
        "hrStorageUsed": 6,
    },
)
STORAGE_RAM = "1.3.6.1.2.1.25.2.1.2"

CPU_CISCO = table(
    "cpmCPUTotalTable",
    "1.3.6.1.4.1.9.9.109.1.1.1.1",
    {
        "cpmCPUTotalPhysicalIndex": 2,
        "cpmCPUTotal5min": 5,
        "cpmCPUTotal5minRev": 8,
        "cpmCPUMemoryUsed": 12,
        "cpmCPUMemoryFree": 13,
    },
)
"""CISCO-PROCESS-MIB; memory in kB."""
MEMORY_CISCO = table(
    "ciscoMemoryPoolTable",
    "1.3.6.1.4.1.9.9.48.1.1.1",
    {"ciscoMemoryPoolName": 2, "ciscoMemoryPoolUsed": 5, "ciscoMemoryPoolFree": 6},
)
TEMPERATURE_CISCO = table(
    "ciscoEnvMonTemperatureStatusTable",
    "1.3.6.1.4.1.9.9.13.1.3.1",
    {"ciscoEnvMonTemperatureStatusDescr": 2, "ciscoEnvMonTemperatureStatusValue": 3},
)
OPERATING_JUNIPER = table(
    "jnxOperatingTable",
    "1.3.6.1.4.1.2636.3.1.13.1",
    {
        "jnxOperatingDescr": 5,
        "jnxOperatingTemp": 7,
        "jnxOperatingCPU": 8,
        "jnxOperatingDRAMSize": 10,
        "jnxOperatingBuffer": 11,
        "jnxOperatingMemory": 15,
    },
)
"""JUNIPER-MIB; ``Buffer`` is the share of memory in use, ``DRAMSize`` in bytes, ``Memory`` in MB."""
SYSTEM_NOKIA = table(
    "tmnxSysGenInfo",
    "1.3.6.1.4.1.6527.3.1.2.1.1",
    {"sgiCpuUsage": 1, "sgiMemoryUsed": 2, "sgiMemoryAvailable": 3, "sgiKbMemoryUsed": 9, "sgiKbMemoryAvailable": 10},
)
"""TIMETRA-SYSTEM-MIB; ``Available`` is what is left."""
HARDWARE_NOKIA = table("tmnxHwTable", "1.3.6.1.4.1.6527.3.1.2.2.1.8.1", {"tmnxHwName": 8, "tmnxHwTemperature": 18})
ENTITY_HUAWEI = table(
    "hwEntityStateTable",
    "1.3.6.1.4.1.2011.5.25.31.1.1.1.1",
    {
        "hwEntityCpuUsage": 5,
        "hwEntityMemUsage": 7,
        "hwEntityMemSize": 9,
        "hwEntityTemperature": 11,
        "hwEntityMemSizeMega": 19,
    },
)
"""HUAWEI-ENTITY-EXTENT-MIB."""

HOST_HEALTH = (PROCESSORS, STORAGE, SENSORS)

MANUFACTURERS = {
    9: "Cisco",
    11: "HP",
    43: "3Com",
    207: "Allied Telesis",
    311: "Microsoft",
    674: "Dell",
    1916: "Extreme Networks",
    1991: "Brocade",
    2011: "Huawei",
    2021: "UCD-SNMP",
    2636: "Juniper",
    3375: "F5",
    3902: "ZTE",
    4413: "Broadcom",
    5624: "Enterasys",
    6141: "Ciena",
    6486: "Alcatel-Lucent Enterprise",
    6527: "Nokia",
    6876: "VMware",
    8072: "Net-SNMP",
    12356: "Fortinet",
    14823: "Aruba",
    14988: "MikroTik",
    25461: "Palo Alto Networks",
    25506: "H3C",
    30065: "Arista",
    33049: "Mellanox",
    40310: "Cumulus Networks",
    41112: "Ubiquiti",
    42229: "Infinera",
    47196: "HPE Aruba",
    52642: "FS",
}
"""By enterprise number (IANA): names of makers of network devices."""

CISCO, HUAWEI, JUNIPER, NOKIA = 9, 2011, 2636, 6527

HEALTH_OF_MAKERS = {
    CISCO: (CPU_CISCO, MEMORY_CISCO, TEMPERATURE_CISCO, SENSORS),
    JUNIPER: (OPERATING_JUNIPER,),
    NOKIA: (SYSTEM_NOKIA, HARDWARE_NOKIA),
    HUAWEI: (ENTITY_HUAWEI,),
}
"""By enterprise number; all others are asked for ``HOST_HEALTH``, as Arista's are."""

DESCRIPTIONS_OF_MAKERS = {
    CISCO: (ADDRESSES_CISCO,),
    NOKIA: (ROUTER_INTERFACES_NOKIA,),
}
