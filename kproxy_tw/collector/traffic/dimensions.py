"""What traffic can be told apart by: columns of the store, and the words for their values. Pure.

The service port of a flow is the lower one of its two ports: servers listen on low ports, clients ask from high ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

import attrs

from kproxy_tw.protocols import SERVICES, protocol_name

Key = tuple[int, ...]
"""Values of a dimension's columns."""

WITH_PORTS = (6, 17, 33, 132, 136)
"""Protocols that have ports: TCP, UDP, DCCP, SCTP, UDPLite."""

SERVICE_PORT = f"""CASE WHEN protocol NOT IN {WITH_PORTS} THEN 0
    WHEN l4_src_port = 0 OR (l4_dst_port > 0 AND l4_dst_port < l4_src_port) THEN l4_dst_port ELSE l4_src_port END"""


class Names(Protocol):
    """What values are called."""

    def device(self, device_id: int) -> str:
        """A device's name; its id where it has none."""

    def interface(self, device_id: int, index: int) -> str:
        """An interface's name; empty where it is not known."""


@attrs.frozen
class Dimension:
    """One way to tell traffic apart.

    :ivar name: in query strings.
    :ivar title: of one value, for people.
    :ivar columns: SQL expressions over ``flows``.
    :ivar label: says a key in words.
    :ivar narrow: the query parameters that ask for the traffic of one key, and what to tell it apart by next.
    :ivar talkers: whether its values are hosts.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    label: Callable[[Key, Names], str]
    narrow: Callable[[Key], Mapping[str, str]]
    talkers: bool = False


def _device(key: Key, names: Names) -> str:
    return names.device(key[0])


def _protocol(key: Key, _names: Names) -> str:
    return protocol_name(key[0])


def _port(key: Key, _names: Names) -> str:
    protocol, port = key
    if not port:
        return protocol_name(protocol)
    name = SERVICES.get(port)
    return f"{protocol_name(protocol)} {port}" + (f" ({name})" if name else "")


def _as(key: Key, _names: Names) -> str:
    return f"AS{key[0]}" if key[0] else "unknown AS"


def _interface(key: Key, names: Names) -> str:
    device_id, index = key
    known = names.interface(device_id, index)
    return f"{names.device(device_id)} {known or f'interface {index}'}"


def address(high: int, low: int, ipv4: int) -> str:
    """An address as the store has it: IPv6 in two halves, or IPv4."""
    return str(IPv6Address((high << 64) | low)) if high or low else str(IPv4Address(ipv4))


def _host(key: Key, _names: Names) -> str:
    return address(*key)


def _pair(key: Key, _names: Names) -> str:
    return f"{address(*key[:3])} → {address(*key[3:])}"


def _host_columns(side: str) -> tuple[str, ...]:
    return f"ipv6_{side}_addr_high", f"ipv6_{side}_addr_low", f"ipv4_{side}_addr"


def _narrowing(by: str, **parameters: Callable[[Key], object]) -> Callable[[Key], Mapping[str, str]]:
    return lambda key: {**{name: str(value(key)) for name, value in parameters.items()}, "by": by}


def _first(key: Key) -> int:
    return key[0]


def _last(key: Key) -> int:
    return key[-1]


def _source(key: Key) -> str:
    return address(*key[:3])


def _narrow_as(by: str) -> Callable[[Key], Mapping[str, str]]:
    return lambda key: {"as": str(key[0]), "by": by}


DIMENSIONS: Mapping[str, Dimension] = {
    dimension.name: dimension
    for dimension in (
        Dimension("device", "Device", ("device_id",), _device, _narrowing("port", device=_first)),
        Dimension("protocol", "Protocol", ("protocol",), _protocol, _narrowing("port", protocol=_first)),
        Dimension(
            "port",
            "Service port",
            ("protocol", SERVICE_PORT),
            _port,
            _narrowing("source", protocol=_first, port=_last),
        ),
        Dimension("src_as", "Source AS", ("src_as",), _as, _narrow_as("dst_as")),
        Dimension("dst_as", "Destination AS", ("dst_as",), _as, _narrow_as("src_as")),
        Dimension(
            "input",
            "Input interface",
            ("device_id", "input_port"),
            _interface,
            _narrowing("output", device=_first, interface=_last),
        ),
        Dimension(
            "output",
            "Output interface",
            ("device_id", "output_port"),
            _interface,
            _narrowing("input", device=_first, interface=_last),
        ),
        Dimension(
            "source", "Source", _host_columns("src"), _host, _narrowing("destination", address=_source), talkers=True
        ),
        Dimension(
            "destination",
            "Destination",
            _host_columns("dst"),
            _host,
            _narrowing("source", address=_source),
            talkers=True,
        ),
        Dimension(
            "conversation",
            "Conversation",
            (*_host_columns("src"), *_host_columns("dst")),
            _pair,
            _narrowing("port", address=_source),
            talkers=True,
        ),
    )
}
"""Every dimension by its name, in the order of the picker."""


def said(dimension: Dimension, key: tuple[Any, ...], names: Names) -> str:
    """A key in words."""
    return dimension.label(tuple(int(part) for part in key), names)
