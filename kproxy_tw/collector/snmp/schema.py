"""The tables of what SNMP says, beside those of flows. Pure text."""

from __future__ import annotations

from kproxy_tw.collector.snmp.parse import COUNTERS


def column(counter: str) -> str:
    """The column of a counter: ``InOctets`` is ``in_octets``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in counter).lstrip("_")


COLUMNS: tuple[str, ...] = tuple(map(column, COUNTERS))

SNMP_TABLES: tuple[str, ...] = (
    """CREATE TABLE IF NOT EXISTS snmp_devices (
        device_id UINTEGER NOT NULL, told TIMESTAMP, system VARCHAR, polled TIMESTAMP, error VARCHAR,
        uptime_seconds DOUBLE, duration_seconds DOUBLE
    )""",
    """CREATE TABLE IF NOT EXISTS snmp_interfaces (
        device_id UINTEGER NOT NULL, key VARCHAR NOT NULL, told TIMESTAMP NOT NULL, document VARCHAR NOT NULL
    )""",
    f"""CREATE TABLE IF NOT EXISTS snmp_counters (
        device_id UINTEGER NOT NULL, polled TIMESTAMP NOT NULL, if_index UINTEGER NOT NULL, name VARCHAR NOT NULL,
        speed_bps UBIGINT NOT NULL, admin_status UTINYINT NOT NULL, oper_status UTINYINT NOT NULL,
        seconds DOUBLE NOT NULL, {", ".join(f"{name} UBIGINT" for name in COLUMNS)}
    )""",
    """CREATE TABLE IF NOT EXISTS snmp_components (
        device_id UINTEGER NOT NULL, polled TIMESTAMP NOT NULL, kind VARCHAR NOT NULL, name VARCHAR NOT NULL,
        value DOUBLE NOT NULL, total DOUBLE NOT NULL
    )""",
)
"""``snmp_counters`` has a row for each interface and poll; its counters are what they grew by in ``seconds``, NULL
where that is not known."""
