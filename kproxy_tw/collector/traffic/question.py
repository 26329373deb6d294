"""What a page or a program asks of the traffic: which, when, told apart by what. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlencode

import attrs

from kproxy_tw.collector.query import MAX_DEVICE_ID, query_number
from kproxy_tw.collector.traffic.dimensions import DIMENSIONS, SERVICE_PORT, Dimension
from kproxy_tw.collector.traffic.timerange import TimeRange, read_range
from kproxy_tw.errors import MalformedInput

DEFAULT_ROWS = 25
MAX_ROWS = 1_000
"""Rows of a table, page or CSV."""

MAX_NUMBER = 0xFFFFFFFF

T = TypeVar("T")


@attrs.frozen
class Measure:
    """What is added up.

    :ivar name: in query strings.
    :ivar title: for people.
    :ivar unit: of a point: its value divided by the step's seconds.
    :ivar factor: from the sum to the unit's numerator.
    """

    name: str
    title: str
    unit: str
    factor: int = 1


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("bytes", "Bits", "bit/s", 8),
        Measure("packets", "Packets", "packets/s"),
        Measure("flows", "Flow records", "records/s"),
    )
}

Condition = tuple[str, tuple[object, ...]]
"""A piece of SQL, and the values of its question marks."""


def _number(column: str, high: int) -> Callable[[str, str], Condition]:
    def condition(name: str, text: str) -> Condition:
        return f"{column} = ?", (query_number(name, text, low=0, high=high),)

    return condition


def _either(first: str, second: str, high: int) -> Callable[[str, str], Condition]:
    def condition(name: str, text: str) -> Condition:
        value = query_number(name, text, low=0, high=high)
        return f"({first} = ? OR {second} = ?)", (value, value)

    return condition


def _address(name: str, text: str) -> Condition:
    try:
        address = ip_address(text[:60])
    except ValueError:
        raise MalformedInput(f"{name} must be an IP address") from None
    if "%" in text:
        raise MalformedInput(f"{name} must be an IP address without a zone")
    if address.version == 4:
        return "(ipv4_src_addr = ? OR ipv4_dst_addr = ?)", (int(address), int(address))
    halves = divmod(int(address), 1 << 64)
    sides = " OR ".join(f"(ipv6_{side}_addr_high = ? AND ipv6_{side}_addr_low = ?)" for side in ("src", "dst"))
    return f"({sides})", (*halves, *halves)


FILTERS: Mapping[str, Callable[[str, str], Condition]] = {
    "device": _number("device_id", MAX_DEVICE_ID),
    "protocol": _number("protocol", 255),
    "port": _number(SERVICE_PORT, 65535),
    "as": _either("src_as", "dst_as", MAX_NUMBER),
    "interface": _either("input_port", "output_port", MAX_NUMBER),
    "address": _address,
}
"""Query parameters that choose a part of the traffic; AS, interface and address on either side of a flow."""


@attrs.frozen(kw_only=True)
class Question:
    """What is asked.

    :ivar filters: the query parameters that choose a part, checked.
    :ivar rows: most rows of the table.
    """

    dimension: Dimension
    measure: Measure
    time: TimeRange
    filters: Mapping[str, str] = attrs.field(factory=dict)
    rows: int = DEFAULT_ROWS

    def conditions(self) -> Condition:
        """The traffic that is meant. A flow without a time of its own counts when it was received."""
        start, stop = (seconds * 1_000_000_000 for seconds in (self.time.start, self.time.stop))
        pieces = [
            "NOT big AND NOT is_metric AND ((timestamp_nano >= ? AND timestamp_nano < ?) OR (timestamp_nano = 0 "
            "AND received >= make_timestamp_ns(?) AND received < make_timestamp_ns(?)))"
        ]
        values: list[object] = [start, stop, start, stop]
        for name, text in self.filters.items():
            piece, some = FILTERS[name](name, text)
            pieces.append(piece)
            values.extend(some)
        return " AND ".join(pieces), tuple(values)

    def query(self, **changes: str) -> str:
        """The query string that asks this, with some parameters changed; an empty value leaves one out."""
        parameters: dict[str, str] = {
            "by": self.dimension.name,
            "show": self.measure.name,
            **self.time.query(),
            **self.filters,
        }
        if self.rows != DEFAULT_ROWS:
            parameters["rows"] = str(self.rows)
        if {"from", "to", "range"} & changes.keys():
            for name in ("from", "to", "range"):
                parameters.pop(name, None)
        parameters.update(changes)
        return urlencode({name: value for name, value in parameters.items() if value})


def read_question(text: Callable[[str], str | None], now: float, *, by: str = "device") -> Question:
    """What a query string asks.

    :param text: gives a parameter, ``None`` when it is absent.
    :param now: seconds since 1970.
    :param by: the dimension where none is named.
    :raises MalformedInput: a parameter has no meaning.
    """
    rows = text("rows")
    question = Question(
        dimension=_choice("by", text("by") or by, DIMENSIONS),
        measure=_choice("show", text("show") or "bytes", MEASURES),
        time=read_range(text, now),
        filters={name: value for name in FILTERS if (value := text(name))},
        rows=DEFAULT_ROWS if rows is None else query_number("rows", rows, low=1, high=MAX_ROWS),
    )
    question.conditions()
    return question


def _choice(what: str, name: str, among: Mapping[str, T]) -> T:
    if name not in among:
        raise MalformedInput(f"{what} must be one of {', '.join(among)}")
    return among[name]
