"""A reading as text for a terminal: what the agent said, how long it took, and what precisely failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kproxy_tw.snmp.reading import ErrorKind, Interface, InterfaceCounters, Reading
from kproxy_tw.snmp.settings import SnmpTarget, Version
from kproxy_tw.snmp.status import Progress
from kproxy_tw.web.text import si_number

STATUS = {0: "-", 1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "absent", 7: "lower down"}
"""ifAdminStatus and ifOperStatus (RFC 2863)."""

MAX_TEXT = 40
"""Characters of a text in a table."""

HINTS = {
    ErrorKind.NO_ROUTE: "this machine has no way to that address; see `ip route get` and -proxy_snmp",
    ErrorKind.REFUSED: "is the agent running, on this address and port?",
    ErrorKind.UNSUPPORTED_LEVEL: "set PrivacyProtocol to NoPriv, or AuthenticationProtocol to NoAuth, as at the agent",
}
"""What to do, where the error itself does not say it."""

REFUSALS = {
    ErrorKind.UNKNOWN_USER,
    ErrorKind.WRONG_AUTH,
    ErrorKind.WRONG_PRIV,
    ErrorKind.UNSUPPORTED_LEVEL,
    ErrorKind.UNKNOWN_CONTEXT,
    ErrorKind.AGENT_ERROR,
}
"""The agent is there, and speaks SNMP."""

TYPES = {
    6: "ethernet",
    23: "ppp",
    24: "loopback",
    53: "virtual",
    131: "tunnel",
    135: "vlan",
    136: "l3 vlan",
    150: "mpls tunnel",
    161: "lag",
    166: "mpls",
    209: "bridge",
}
"""The usual ones of IANAifType-MIB, shortly; the others are shown as numbers."""


def progress_line(name: str, progress: Progress) -> str:
    """How far a poll has come."""
    return f"{name}: {progress.stage}, {progress.rows} rows, {progress.requests} requests"


def report(target: SnmpTarget, reading: Reading) -> str:
    """Everything about one poll, in lines."""
    return "\n".join(_sections(target, reading)) + "\n"


def succeeded(reading: Reading) -> bool:
    """Whether the agent told all that it was asked for."""
    return reading.answered and reading.error is None


def _sections(target: SnmpTarget, reading: Reading) -> Iterator[str]:
    yield f"{where(target)} {_outcome(reading)}"
    yield from _failure(reading)
    if reading.system is not None:
        yield from _pairs("System", _system(reading))
    if reading.v3 is not None:
        v3 = reading.v3
        yield from _pairs(
            "SNMP version 3",
            [
                ("user", v3.user),
                ("level", v3.level),
                ("authentication", v3.auth),
                ("privacy", v3.priv),
                ("context", v3.context_name or "-"),
                ("engine id", v3.engine_id),
                ("engine boots, time", f"{v3.engine_boots}, {v3.engine_time} s"),
            ],
        )
    yield from _interfaces(reading)
    yield from _counters(reading.counters)
    yield from _health(reading)
    yield from _pairs("Timing", _timing(reading))


def _outcome(reading: Reading) -> str:
    if reading.answered:
        return "answered"
    return "refused the request" if reading.error is not None and reading.error.kind in REFUSALS else "did not answer"


def where(target: SnmpTarget) -> str:
    """What is polled, in words."""
    address = f"[{target.address}]" if ":" in target.address else target.address
    who = f"user {target.v3.user}" if target.v3 is not None and target.version is Version.V3 else "community ***"
    return f"{address} port {target.port}, version {target.version}, {who}:"


def _failure(reading: Reading) -> Iterator[str]:
    if reading.error is not None:
        yield f"  failed: {reading.error.line}"
        if hint := HINTS.get(reading.error.kind):
            yield f"  {hint}"
    for partial in reading.partial:
        yield f"  {partial.table} was read to row {partial.rows} only: {partial.error.text}"


def _system(reading: Reading) -> Sequence[tuple[str, str]]:
    system = reading.system
    if system is None:
        return ()
    return [
        ("name", system.name),
        ("description", system.descr),
        ("object id", f"{system.object_id} {system.manufacturer}".strip()),
        ("location", system.location),
        ("contact", system.contact),
        ("services", str(system.services)),
        ("up for", f"{system.uptime_seconds:.0f} s"),
    ]


def _interfaces(reading: Reading) -> Iterator[str]:
    found = reading.interfaces
    if not found and not reading.answered:
        return
    left_out = reading.interfaces_found - len(found)
    more = f"; {left_out} quieter ones are left out (-snmp_max)" if left_out > 0 else ""
    yield ""
    yield f"Interfaces: {len(found)}{more}"
    yield from _table(
        ("index", "name", "alias", "type", "speed", "mtu", "mac", "admin", "oper", "addresses", "vrf"),
        (_interface(one) for one in found),
    )


def _interface(one: Interface) -> Sequence[str]:
    addresses = [a.address if a.prefix_length is None else f"{a.address}/{a.prefix_length}" for a in one.addresses]
    return (
        str(one.index),
        one.name or one.descr,
        one.alias,
        TYPES.get(one.type, str(one.type)),
        si_number(one.speed_bps, "bit/s") if one.speed_bps else "-",
        str(one.mtu or "-"),
        one.mac or "-",
        STATUS.get(one.admin_status, str(one.admin_status)),
        STATUS.get(one.oper_status, str(one.oper_status)),
        " ".join(addresses[:3]) + (f" +{len(addresses) - 3}" if len(addresses) > 3 else ""),
        one.vrf.name if one.vrf else "-",
    )


def _counters(counters: Iterable[InterfaceCounters]) -> Iterator[str]:
    rows = [
        (
            str(one.index),
            one.name,
            *(
                "-" if value is None else str(value)
                for value in (
                    one.totals.in_octets,
                    one.totals.in_unicast,
                    one.totals.out_octets,
                    one.totals.out_unicast,
                    one.totals.in_errors,
                    one.totals.out_errors,
                    one.totals.in_discards,
                    one.totals.out_discards,
                )
            ),
        )
        for one in counters
    ]
    if rows:
        yield ""
        yield "Counters, as the agent counts"
        yield from _table(
            (
                *("index", "name", "in octets", "in unicast", "out octets", "out unicast"),
                *("in errors", "out errors", "in discards", "out discards"),
            ),
            rows,
        )


def _health(reading: Reading) -> Iterator[str]:
    health = reading.health
    rows = [
        *(("processor", cpu.name, f"{cpu.percent:.0f} %") for cpu in health.cpus),
        *(("memory", one.name, f"{one.percent:.0f} % of {si_number(one.total, 'B')}") for one in health.memories),
        *(("temperature", one.name, f"{one.celsius:.1f} °C") for one in health.temperatures),
    ]
    if rows:
        yield ""
        yield "Processors, memory, temperature"
        yield from _table(("what", "name", "value"), rows)


def _timing(reading: Reading) -> Sequence[tuple[str, str]]:
    effort = reading.effort
    per_variable = 1e6 * effort.cpu_seconds / effort.variables if effort.variables else 0.0
    return [
        ("took", f"{reading.duration_seconds:.3f} s"),
        ("requests", f"{effort.requests}, {effort.retries} of them repeated, {effort.timeouts} timeouts"),
        ("rows at once", str(effort.repetitions or "-")),
        ("variables", f"{effort.variables}, {per_variable:.1f} µs of processor time each"),
        ("datagrams ignored", str(effort.ignored)),
    ]


def _pairs(title: str, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield ""
    yield title
    width = max((len(name) for name, _value in pairs), default=0)
    for name, value in pairs:
        yield f"  {name:<{width}}  {value or '-'}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    cells = [tuple(_cut(cell) for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in (heads, *cells)) for place in range(len(heads))]
    for row in (heads, *cells):
        yield "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
