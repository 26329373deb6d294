"""Which VRF an interface is in (MPLS-L3VPN-STD-MIB, RFC 4382). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from ipaddress import IPv4Address

from kproxy_tw.snmp import ber
from kproxy_tw.snmp.reading import Vrf
from kproxy_tw.snmp.values import text
from kproxy_tw.snmp.walk import Numbers, Table

MAX_ROUTE_TARGETS = 64
"""Of one VRF."""

EMPTY = Table("")


def vrfs_of_interfaces(tables: Mapping[str, Table]) -> dict[int, Vrf]:
    """By interface index."""
    targets = _route_targets(tables.get("mplsL3VpnVrfRTTable", EMPTY))
    found: dict[Numbers, Vrf] = {}
    for key, row in tables.get("mplsL3VpnVrfTable", EMPTY).rows.items():
        rd, number = distinguisher(row.get("mplsL3VpnVrfRD"))
        found[key] = Vrf(
            name=_name(key),
            description=text(row.get("mplsL3VpnVrfDescription")),
            rd=rd,
            extended_rd=number,
            route_targets=tuple(targets.get(key, ())),
        )
    places = tables.get("mplsL3VpnIfConfTable", EMPTY).rows
    return {index[-1]: found.get(index[:-1]) or Vrf(name=_name(index[:-1])) for index in places if len(index) > 1}


def _name(key: Numbers) -> str:
    """The name in an index: its length, then its characters."""
    characters = key[1:] if key and key[0] == len(key) - 1 else key
    return text(bytes(number & 0xFF for number in characters))


def _route_targets(table: Table) -> dict[Numbers, list[str]]:
    found: dict[Numbers, list[str]] = defaultdict(list)
    for index, row in table.rows.items():
        target = route_target(row.get("mplsL3VpnVrfRT"))
        targets = found[index[:-2]]
        if target and target not in targets and len(targets) < MAX_ROUTE_TARGETS:
            targets.append(target)
    return found


def distinguisher(value: ber.Value) -> tuple[str, int]:
    """A route distinguisher, which agents tell as 8 bytes or as text: its text, and its 8 bytes as a number.

    The number is 0 when it cannot be told (RFC 4364, 4.2).
    """
    if isinstance(value, bytes) and len(value) == 8 and value[0] == 0:
        return _spelled(value[1], value), int.from_bytes(value)
    shown = text(value)
    return shown, _from_text(shown)


def route_target(value: ber.Value) -> str:
    """A route target as text, from 8 bytes (RFC 4360, 4) or from text."""
    if isinstance(value, bytes) and len(value) == 8 and value[0] <= 2:
        return _spelled(value[0], value)
    return text(value)[:64]


def _spelled(kind: int, value: bytes) -> str:
    """What leads the six bytes behind the type: 2 bytes of an AS number, an address, or 4 bytes of an AS number."""
    if kind == 0:
        return f"{int.from_bytes(value[2:4])}:{int.from_bytes(value[4:])}"
    administrator: object = IPv4Address(value[2:6]) if kind == 1 else int.from_bytes(value[2:6])
    return f"{administrator}:{int.from_bytes(value[6:])}"


def _from_text(shown: str) -> int:
    administrator, _colon, assigned = shown.partition(":")
    if not assigned.isdecimal() or len(assigned) > 10:
        return 0
    number = int(assigned)
    if administrator.isdecimal() and len(administrator) <= 10:
        asn = int(administrator)
        if asn <= 0xFFFF and number <= 0xFFFFFFFF:
            return asn << 32 | number
        return 2 << 48 | asn << 16 | number if asn <= 0xFFFFFFFF and number <= 0xFFFF else 0
    try:
        return 1 << 48 | int(IPv4Address(administrator)) << 16 | number if number <= 0xFFFF else 0
    except ValueError:
        return 0
