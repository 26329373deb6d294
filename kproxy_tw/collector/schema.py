"""The tables of kcollect's store: which column of a flow stands where. Pure text and names.

A flow's columns are split in two: ``flows`` holds what nearly every exporter fills and every page asks
for, ``flow_details`` the rest, with rows only for flows that have any of it (writing all columns for all
flows was measured to cost three times as much). Addresses of 16 bytes are two 64-bit halves: fast to group
and to compare. Custom columns are one row per value. ``messages`` has one row per POST with its sums,
so that totals need not read the flows.
"""

from __future__ import annotations

from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, TEXTS

SCHEMA_VERSION = 1
"""Version of the tables; a file of another version is not opened."""

MAIN_NUMBERS: tuple[str, ...] = (
    "timestamp_nano",
    "sample_rate",
    "in_bytes",
    "in_pkts",
    "out_bytes",
    "out_pkts",
    "src_as",
    "dst_as",
    "input_port",
    "output_port",
    "ipv4_src_addr",
    "ipv4_dst_addr",
    "l4_src_port",
    "l4_dst_port",
    "protocol",
    "tcp_flags",
    "tos",
    "vlan_in",
    "vlan_out",
    "ipv4_next_hop",
    "src_route_prefix",
    "dst_route_prefix",
    "src_route_length",
    "dst_route_length",
    "big",
    "is_metric",
)
MAIN_ADDRESSES: tuple[str, ...] = ("ipv6_src_addr", "ipv6_dst_addr")
DETAIL_NUMBERS: tuple[str, ...] = tuple(name for name in NUMBERS if name not in MAIN_NUMBERS)
DETAIL_ADDRESSES: tuple[str, ...] = tuple(name for name in ADDRESSES if name not in MAIN_ADDRESSES)

_SQL_TYPES = {"i8": "BIGINT", "f8": "DOUBLE", "u8": "UBIGINT", "u4": "UINTEGER", "u1": "UTINYINT", "b1": "BOOLEAN"}


def halves(address: str) -> tuple[str, str]:
    """Names of the two columns that hold an address column: most and least significant 64 bits."""
    return f"{address}_high", f"{address}_low"


def _numbers(names: tuple[str, ...]) -> list[str]:
    return [f"{name} {_SQL_TYPES[NUMBERS[name].str[1:]]} NOT NULL DEFAULT 0" for name in names]


def _addresses(names: tuple[str, ...]) -> list[str]:
    return [f"{half} UBIGINT NOT NULL DEFAULT 0" for name in names for half in halves(name)]


def _texts(names: tuple[str, ...]) -> list[str]:
    return [f"{name} VARCHAR NOT NULL DEFAULT ''" for name in names]


def _table(name: str, columns: list[str]) -> str:
    return f"CREATE TABLE {name} ({', '.join(columns)})"


TABLES: tuple[str, ...] = (
    _table("store_version", ["version INTEGER NOT NULL"]),
    _table(
        "flows",
        [
            "flow_id BIGINT NOT NULL",
            "device_id UINTEGER NOT NULL",
            "received TIMESTAMP NOT NULL",
            *_numbers(MAIN_NUMBERS),
            *_addresses(MAIN_ADDRESSES),
        ],
    ),
    _table(
        "flow_details",
        ["flow_id BIGINT NOT NULL", *_numbers(DETAIL_NUMBERS), *_addresses(DETAIL_ADDRESSES), *_texts(TEXTS)],
    ),
    _table(
        "custom_values",
        [
            "flow_id BIGINT NOT NULL",
            "column_id UINTEGER NOT NULL",
            "whole UBIGINT",
            "fraction DOUBLE",
            "content VARCHAR",
        ],
    ),
    _table(
        "messages",
        [
            "message_id BIGINT NOT NULL",
            "received TIMESTAMP NOT NULL",
            "device_id UINTEGER NOT NULL",
            "device_name VARCHAR NOT NULL",
            "first_flow_id BIGINT NOT NULL",
            "records UINTEGER NOT NULL",
            "flows UINTEGER NOT NULL",
            "in_bytes HUGEINT NOT NULL",
            "in_pkts HUGEINT NOT NULL",
            "out_bytes HUGEINT NOT NULL",
            "out_pkts HUGEINT NOT NULL",
            "estimated_bytes HUGEINT NOT NULL",
            "estimated_packets HUGEINT NOT NULL",
        ],
    ),
    _table("created_devices", ["device_id UINTEGER NOT NULL", "document VARCHAR NOT NULL"]),
)
"""Statements that make an empty store. ``flow_id`` and ``message_id`` ascend in the order of storing;
``messages.estimated_*`` are in hundredths; ``messages.flows`` counts what :mod:`.totals` counts, ``records`` all."""

BATCHES = """
    CREATE TABLE IF NOT EXISTS batches (
        instance UUID NOT NULL, device_id BIGINT NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL
    )"""
"""Names of stored messages, as ranges of numbers; made where an older version left none."""

BATCH_PARTS = """
    CREATE TABLE IF NOT EXISTS batch_parts (
        instance UUID NOT NULL, device_id BIGINT NOT NULL, number BIGINT NOT NULL, part BIGINT NOT NULL
    )"""
"""Names of stored parts of messages; made where an older version left none."""
