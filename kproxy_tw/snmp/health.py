"""Processors, memories and temperatures from the tables of many makers. Pure.

What is no plausible figure (a share beyond 100 %, a sensor that is not working) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from kproxy_tw.snmp.oids import STORAGE_RAM
from kproxy_tw.snmp.reading import Cpu, DeviceHealth, Memory, Temperature
from kproxy_tw.snmp.values import number, text
from kproxy_tw.snmp.walk import Numbers, Row, Table

MAX_PARTS = 256
"""Of each kind that are told of one device."""

MAX_CELSIUS = 300.0
SENSOR_CELSIUS, SENSOR_OK = 8, 1
SENSOR_UNITS = 9
"""The scale that means "times one" (RFC 3433); each step is a factor of a thousand."""

Names = Mapping[int, str]
"""By physical index: what a sensor or processor is on."""

KIB, MIB = 1 << 10, 1 << 20


def device_health(tables: Mapping[str, Table], names: Names) -> DeviceHealth:
    """Everything that the tables tell."""
    cpus: list[Cpu] = []
    memories: list[Memory] = []
    temperatures: list[Temperature] = []
    for name, read in _READERS.items():
        table = tables.get(name)
        for part in read(table, names) if table is not None else ():
            if isinstance(part, Cpu) and 0 <= part.percent <= 100:
                cpus.append(part)
            elif isinstance(part, Memory) and part.total > 0 and 0 <= part.used <= part.total:
                memories.append(part)
            elif isinstance(part, Temperature) and -MAX_CELSIUS < part.celsius < MAX_CELSIUS:
                temperatures.append(part)
    return DeviceHealth(
        cpus=tuple(cpus[:MAX_PARTS]),
        memories=tuple(memories[:MAX_PARTS]),
        temperatures=tuple(temperatures[:MAX_PARTS]),
    )


def entity_names(table: Table) -> dict[int, str]:
    """By physical index."""
    return {index[0]: text(row.get("entPhysicalName")) for index, row in table.rows.items() if len(index) == 1}


Part = Cpu | Memory | Temperature


def _numbered(index: Numbers) -> str:
    return ".".join(map(str, index))


def _processors(table: Table, _names: Names) -> Iterator[Part]:
    for place, row in enumerate(table.rows.values()):
        load = row.get("hrProcessorLoad")
        if isinstance(load, int):
            yield Cpu(name=f"CPU {place}", percent=load)


def _storage(table: Table, _names: Names) -> Iterator[Part]:
    for row in table.rows.values():
        if row.get("hrStorageType") == STORAGE_RAM:
            unit = number(row.get("hrStorageAllocationUnits"))
            yield Memory(
                name=text(row.get("hrStorageDescr")),
                total=number(row.get("hrStorageSize")) * unit,
                used=number(row.get("hrStorageUsed")) * unit,
            )


def _sensors(table: Table, names: Names) -> Iterator[Part]:
    for index, row in table.rows.items():
        value = row.get("entPhySensorValue")
        working = row.get("entPhySensorOperStatus", SENSOR_OK) == SENSOR_OK
        if row.get("entPhySensorType") == SENSOR_CELSIUS and working and isinstance(value, int):
            yield Temperature(name=names.get(index[-1], _numbered(index)), celsius=_scaled(value, row))


def _scaled(value: int, row: Row) -> float:
    scale, precision = row.get("entPhySensorScale"), row.get("entPhySensorPrecision")
    power = 3 * (scale - SENSOR_UNITS) if isinstance(scale, int) and 1 <= scale <= 17 else 0
    digits = precision if isinstance(precision, int) and -8 <= precision <= 9 else 0
    return float(value * 10.0 ** (power - digits))


def _cpu_cisco(table: Table, names: Names) -> Iterator[Part]:
    for index, row in table.rows.items():
        name = names.get(number(row.get("cpmCPUTotalPhysicalIndex"))) or f"CPU {_numbered(index)}"
        load = row.get("cpmCPUTotal5minRev", row.get("cpmCPUTotal5min"))
        if isinstance(load, int):
            yield Cpu(name=name, percent=load)
        used, free = number(row.get("cpmCPUMemoryUsed")), number(row.get("cpmCPUMemoryFree"))
        yield Memory(name=name, total=(used + free) * KIB, used=used * KIB)


def _memory_cisco(table: Table, _names: Names) -> Iterator[Part]:
    for row in table.rows.values():
        used = number(row.get("ciscoMemoryPoolUsed"))
        name = text(row.get("ciscoMemoryPoolName"))
        yield Memory(name=name, total=used + number(row.get("ciscoMemoryPoolFree")), used=used)


def _celsius(name_column: str, value_column: str) -> Callable[[Table, Names], Iterator[Part]]:
    def read(table: Table, names: Names) -> Iterator[Part]:
        for index, row in table.rows.items():
            value = row.get(value_column)
            # Makers fill in 0, -1 or the largest number where there is no sensor.
            if isinstance(value, int) and value > 0:
                name = text(row.get(name_column)) or names.get(index[-1], _numbered(index))
                yield Temperature(name=name, celsius=value)

    return read


def _juniper(table: Table, names: Names) -> Iterator[Part]:
    for index, row in table.rows.items():
        name = text(row.get("jnxOperatingDescr")) or _numbered(index)
        total = number(row.get("jnxOperatingMemory")) * MIB or number(row.get("jnxOperatingDRAMSize"))
        load = row.get("jnxOperatingCPU")
        if not total and not load:
            continue  # a part without processor
        if isinstance(load, int):
            yield Cpu(name=name, percent=load)
        yield Memory(name=name, total=total, used=total * number(row.get("jnxOperatingBuffer")) // 100)
    yield from _celsius("jnxOperatingDescr", "jnxOperatingTemp")(table, names)


def _nokia(table: Table, _names: Names) -> Iterator[Part]:
    row = table.rows.get((0,), {})
    load = row.get("sgiCpuUsage")
    if isinstance(load, int):
        yield Cpu(name="System", percent=load)
    used, free = number(row.get("sgiKbMemoryUsed")) * KIB, number(row.get("sgiKbMemoryAvailable")) * KIB
    if not used:
        used, free = number(row.get("sgiMemoryUsed")), number(row.get("sgiMemoryAvailable"))
    yield Memory(name="System", total=used + free, used=used)


def _huawei(table: Table, names: Names) -> Iterator[Part]:
    for index, row in table.rows.items():
        name = names.get(index[-1], _numbered(index))
        total = number(row.get("hwEntityMemSizeMega")) * MIB or number(row.get("hwEntityMemSize"))
        load = row.get("hwEntityCpuUsage")
        if isinstance(load, int) and (load or total):
            yield Cpu(name=name, percent=load)
        yield Memory(name=name, total=total, used=total * number(row.get("hwEntityMemUsage")) // 100)
    yield from _celsius("", "hwEntityTemperature")(table, names)


_READERS: Mapping[str, Callable[[Table, Names], Iterator[Part]]] = {
    "hrProcessorTable": _processors,
    "hrStorageTable": _storage,
    "entPhySensorTable": _sensors,
    "cpmCPUTotalTable": _cpu_cisco,
    "ciscoMemoryPoolTable": _memory_cisco,
    "ciscoEnvMonTemperatureStatusTable": _celsius(
        "ciscoEnvMonTemperatureStatusDescr", "ciscoEnvMonTemperatureStatusValue"
    ),
    "jnxOperatingTable": _juniper,
    "tmnxSysGenInfo": _nokia,
    "tmnxHwTable": _celsius("tmnxHwName", "tmnxHwTemperature"),
    "hwEntityStateTable": _huawei,
}
"""By table."""
