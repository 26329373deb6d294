"""SNMP on the page of a device: how polling goes, what the device says of itself, its interfaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kproxy_tw.snmp.reading import DeviceHealth, Interface, InterfaceCounters
from kproxy_tw.snmp.shown import DeviceSnmp
from kproxy_tw.status import shown_address
from kproxy_tw.web.equipment import added, components_table, interface_state
from kproxy_tw.web.snmp import indexes
from kproxy_tw.web.tables.table import Cell, Facts, Row, Table, Tone, columns, facts
from kproxy_tw.web.text import safe_text

MAX_ADDRESSES = 3
"""Addresses of an interface in the table; JSON has them all."""

MAX_UNKNOWN = 1000
"""Interfaces of flows that SNMP does not know, in the page's list of them."""

COLUMNS = columns(
    ("Name", "Interface"),
    ("Index", "Index"),
    ("Alias", "Alias"),
    ("Addresses", "Addresses"),
    ("State", "State", "state"),
    ("Speed", "Speed", "bits"),
    ("In", "In", "bits", "By SNMP: the rate of the last poll"),
    ("InUse", "In use", "share", "Of the speed"),
    ("InByFlow", "In by flow", "bits", "By the flows of the same time, weighed by their sampling rates"),
    ("Out", "Out", "bits", "By SNMP: the rate of the last poll"),
    ("OutUse", "Out use", "share", "Of the speed"),
    ("OutByFlow", "Out by flow", "bits", "By the flows of the same time, weighed by their sampling rates"),
    ("Errors", "Errors/s", "number"),
    ("Discards", "Discards/s", "number"),
    ("History", "Last polls", "rates", "Rates in (green) and out (orange)"),
)

NOTE = (
    "The busiest first. Exporters tell of long flows late, and of a packet twice where they look at it on both"
    " interfaces."
)


def interfaces_table(snmp: DeviceSnmp, now: float) -> Table:
    """A device's interfaces as SNMP tells of them, the busiest first. :param now: seconds since 1970."""
    rows = [(_busy(snmp, index), index) for index in indexes(snmp)]
    return Table(
        name="snmp-interfaces",
        key="SNMPInterfaces",
        title="Interfaces by SNMP",
        columns=COLUMNS,
        rows=[_row(snmp, index) for _busy_bits, index in sorted(rows)],
        now=now,
        note=NOTE,
    )


def _busy(snmp: DeviceSnmp, index: int) -> float:
    counters = snmp.counters.get(index)
    return 0.0 if counters is None else -(counters.in_bits_per_second or 0.0) - (counters.out_bits_per_second or 0.0)


def _row(snmp: DeviceSnmp, index: int) -> Row:
    interface = snmp.interfaces.get(index) or Interface(index=index)
    current = snmp.counters.get(index) or InterfaceCounters(index=index)
    flows = snmp.flow_rates.get(index)
    return (
        interface.name or interface.descr or current.name,
        index,
        interface.alias,
        tuple(one.address for one in interface.addresses[:MAX_ADDRESSES]),
        interface_state(current.admin_status or interface.admin_status, current.oper_status or interface.oper_status),
        interface.speed_bps or current.speed_bps or None,
        current.in_bits_per_second,
        current.in_utilization,
        flows.in_bits if flows else None,
        current.out_bits_per_second,
        current.out_utilization,
        flows.out_bits if flows else None,
        added(current.per_second("in_errors"), current.per_second("out_errors")),
        added(current.per_second("in_discards"), current.per_second("out_discards")),
        snmp.histories.get(index, ()),
    )


def facts_of(snmp: DeviceSnmp, now: float) -> Facts:
    """How polling goes, and what the device says of itself. :param now: seconds since 1970."""
    items = facts(*_polling(snmp), *_told(snmp), *_system(snmp))
    return Facts(name="snmp", key="SNMPFacts", title="SNMP", items=tuple(items), now=now)


def _polling(snmp: DeviceSnmp) -> Iterator[tuple[Any, ...]]:
    target, latest, sums = snmp.target, snmp.latest, snmp.sums
    if target is not None:
        level = f", {target.v3.level.value}" if target.v3 else ""
        under = f"version {target.version.value}{level}{'; minimized: no counters' if target.minimized else ''}"
        yield Cell(shown_address(target.address, target.port), under=under), "Agent", "Agent"
    yield latest.started if latest else None, "LastPoll", "Last poll", "ago"
    if latest is not None and 0 < snmp.counted < latest.started:
        yield snmp.counted, "Counted", "Rates are of", "ago", "The latest poll that brought counters"
    yield snmp.next_poll or None, "NextPoll", "Next poll", "time"
    if latest is not None:
        effort = latest.effort
        under = f"{effort.requests:,} requests, {effort.retries:,} of them repeated, {effort.timeouts:,} timeouts"
        yield Cell(round(latest.duration_seconds, 3), under=under), "PollSeconds", "It took, seconds", "number"
        yield effort.repetitions or None, "Repetitions", "Repetitions in force", "count", "Rows asked for at once"
    under = f"{sums.failed:,} without an answer, {sums.partial:,} incomplete, {sums.dropped:,} left out"
    yield Cell(sums.polls, under=under), "Polls", "All polls", "count", "Left out: while an earlier one ran on"
    each = f", {1e6 * sums.cpu_seconds / sums.variables:.1f} µs each" if sums.variables else ""
    under = f"{sums.variables:,} variables{each}"
    yield Cell(round(sums.cpu_seconds, 3), under=under), "CPUSeconds", "Processor time, seconds", "number"


def _told(snmp: DeviceSnmp) -> Iterator[tuple[Any, ...]]:
    sending = snmp.sending
    under = [f"{sending.documents:,} interface documents, {sending.metric_records:,} metric records"]
    under += [f"{sending.untold:,} interfaces are not told yet"] if sending.untold else []
    under += [f"{sending.waiting:,} reports wait"] if sending.waiting else []
    lost = (("failed", sending.failed), ("refused", sending.refused), ("given up", sending.displaced))
    under += [f"{count:,} {word}" for word, count in lost if count]
    under += [safe_text(sending.problem)] if sending.problem else []
    tone: Tone = "bad" if sending.problem else ""
    yield Cell(sending.reports, under="; ".join(under), tone=tone), "Reports", "Reports to the backend", "count"


def _system(snmp: DeviceSnmp) -> Iterator[tuple[Any, ...]]:
    system = snmp.system
    if system is not None:
        yield system.name, "SysName", "Name"
        yield Cell(system.descr, under=system.manufacturer), "SysDescr", "Description"
        yield system.location, "SysLocation", "Location"
        yield system.contact, "SysContact", "Contact"
        yield system.uptime_seconds, "UptimeSeconds", "Up for", "seconds"


def components(health: DeviceHealth) -> Table:
    """Processors, memories and temperatures."""
    return components_table(
        (
            *(("cpu", one.name, one.percent, 100.0) for one in health.cpus),
            *(("memory", one.name, one.used, one.total) for one in health.memories),
            *(("temperature", one.name, one.celsius, 0.0) for one in health.temperatures),
        )
    )


def troubles(snmp: DeviceSnmp) -> list[str]:
    """What is wrong with polling, a line each."""
    found = [f"Not polled: {snmp.problem}"] if snmp.problem else []
    latest = snmp.latest
    if latest is None:
        return found
    if latest.error is not None:
        how = "failed" if latest.failures else "brought not everything"
        again = f"; {latest.failures} times in a row" if latest.failures > 1 else ""
        found.append(f"The last poll {how}: {latest.error.line}{again}")
    found += [f"{one.table} was read to row {one.rows} only: {one.error.text}" for one in latest.partial]
    return found


def page_values(snmp: DeviceSnmp) -> dict[str, object]:
    """What the device's page shows of SNMP besides facts and tables."""
    unknown = sorted(
        index for index in snmp.flow_rates if index and index not in snmp.interfaces and index not in snmp.counters
    )
    return {
        "shown": bool(snmp.target or snmp.problem or snmp.latest),
        "troubles": troubles(snmp),
        "unknown": unknown[:MAX_UNKNOWN],
    }
