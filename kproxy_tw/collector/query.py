"""Stored flows as JSON objects: the statements, and how rows become objects. Pure; the store runs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from kproxy_tw.collector.schema import DETAIL_ADDRESSES, DETAIL_NUMBERS, MAIN_ADDRESSES, MAIN_NUMBERS, halves
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import TEXTS

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
"""Flows in one answer of ``/flows``."""

MAX_DEVICE_ID = 0xFFFFFFFF

IPV4_FIELDS = frozenset(
    {
        "ipv4_src_addr",
        "ipv4_dst_addr",
        "ipv4_next_hop",
        "ipv4_src_next_hop",
        "ipv4_dst_next_hop",
        "src_route_prefix",
        "dst_route_prefix",
    }
)
MAC_FIELDS = frozenset({"src_eth_mac", "dst_eth_mac"})
ALWAYS = frozenset(
    {
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
        "l4_src_port",
        "l4_dst_port",
        "protocol",
    }
)
"""Fields that every object has; the others only where they are not zero. Addresses: see :func:`flow_object`."""

_COLUMNS: tuple[str, ...] = (
    *(f"flows.{name}" for name in ("flow_id", "device_id", *MAIN_NUMBERS)),
    *(f"flows.{half}" for name in MAIN_ADDRESSES for half in halves(name)),
    *(f"flow_details.{name}" for name in DETAIL_NUMBERS),
    *(f"flow_details.{half}" for name in DETAIL_ADDRESSES for half in halves(name)),
    *(f"flow_details.{name}" for name in TEXTS),
)
_CUSTOM_COLUMNS = "flow_id, column_id, whole, fraction, content"
_NAMES = tuple(column.partition(".")[2] for column in _COLUMNS)


class Reads(Protocol):
    """What a query needs of the store."""

    def read(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement with its parameters."""


def query_number(what: str, text: str, *, low: int, high: int) -> int:
    """A number from a query string.

    :raises MalformedInput: no plain decimal number from ``low`` to ``high``.
    """
    if text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= high:
        return int(text)
    raise MalformedInput(f"{what} must be a number from {low} to {high}")


def recent_flows(
    store: Reads, *, device_id: int | None = None, limit: int = DEFAULT_LIMIT, metrics: bool = True
) -> list[dict[str, object]]:
    """The newest flows, newest first.

    :param metrics: with metric records, of which one poll of a router has hundreds.

    The range of flow ids is found first, on one or two columns, so that the many other columns are read for
    the wanted rows only.

    :raises StoreError: the store cannot be read.
    """
    values = [] if device_id is None else [device_id]
    chosen = " AND ".join(["flows.device_id = ?"] * len(values) + ["NOT flows.is_metric"] * (not metrics)) or "true"
    newest = f"SELECT flow_id FROM flows WHERE {chosen} ORDER BY flow_id DESC LIMIT ?"  # noqa: S608 - fixed texts
    ((first,),) = store.read(f"SELECT min(flow_id) FROM ({newest})", [*values, limit])  # noqa: S608
    if first is None:
        return []
    condition = f"flows.flow_id >= ? AND {chosen}"
    rows = store.read(
        f"SELECT {', '.join(_COLUMNS)} FROM flows LEFT JOIN flow_details USING (flow_id) "  # noqa: S608
        f"WHERE {condition} ORDER BY flows.flow_id DESC LIMIT ?",
        [first, *values, limit],
    )
    custom = _custom_values(store, condition, [first, *values])
    return [flow_object(dict(zip(_NAMES, row, strict=True)), custom.get(row[0], ())) for row in rows]


def _custom_values(
    store: Reads, condition: str, values: Sequence[object]
) -> Mapping[int, Sequence[Mapping[str, object]]]:
    found: dict[int, list[Mapping[str, object]]] = defaultdict(list)
    statement = f"SELECT {_CUSTOM_COLUMNS} FROM custom_values JOIN flows USING (flow_id) WHERE {condition}"  # noqa: S608
    for flow_id, column_id, whole, fraction, content in store.read(f"{statement} ORDER BY flow_id, column_id", values):
        value = next((value for value in (whole, fraction, content) if value is not None), None)
        found[flow_id].append({"id": column_id, "value": _finite(value)})
    return found


def _finite(value: object) -> object:
    """The value, or ``None`` for the infinities, which JSON does not have."""
    return None if isinstance(value, float) and abs(value) == float("inf") else value


def kflow_name(column: str) -> str:
    """The field's name in kflow: ``ipv4_src_addr`` is ``ipv4SrcAddr``."""
    first, *rest = column.split("_")
    return first + "".join(word.capitalize() for word in rest)


def flow_object(row: Mapping[str, Any], custom: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """One flow as the object of ``/flows``.

    The IPv4 addresses are there unless the flow has IPv6 addresses only, the IPv6 addresses where there are any.

    :param row: values by column name; ``None`` for details that the flow does not have.
    """
    ipv6 = {name: _ipv6(row, name) for name in (*MAIN_ADDRESSES, *DETAIL_ADDRESSES)}
    has_ipv6 = any(ipv6[name].packed.strip(b"\0") for name in MAIN_ADDRESSES)
    always_ipv4 = not has_ipv6
    found: dict[str, object] = {
        "deviceId": row["device_id"],
        "timestamp": row["timestamp_nano"] // 1_000_000_000,
    }
    for name in (*MAIN_NUMBERS, *DETAIL_NUMBERS, *TEXTS):
        value = row[name]
        if value or name in ALWAYS or (always_ipv4 and name in ("ipv4_src_addr", "ipv4_dst_addr")):
            found[kflow_name(name)] = _shown(name, value)
    for name, address in ipv6.items():
        if address.packed.strip(b"\0") or (has_ipv6 and name in MAIN_ADDRESSES):
            found[kflow_name(name)] = str(address)
    if custom:
        found["custom"] = custom
    return found


def _shown(name: str, value: Any) -> object:
    if name in IPV4_FIELDS:
        return str(IPv4Address(value))
    if name in MAC_FIELDS:
        return (value & 0xFFFFFFFFFFFF).to_bytes(6, "big").hex(":")
    if name == "sample_rate" and value.is_integer():
        return int(value)
    return value


def _ipv6(row: Mapping[str, Any], name: str) -> IPv6Address:
    high, low = (row[half] or 0 for half in halves(name))
    return IPv6Address((high << 64) | low)
