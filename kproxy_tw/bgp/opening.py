"""The OPEN message: who speaks, and what both sides can do (RFC 4271 section 4.2, RFC 5492, RFC 9072).

It passes through unchanged whatever it says; it is read for the session table, and for extended messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

import attrs

from kproxy_tw.bgp.framing import HEADER_BYTES, OPEN
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

CAPABILITIES_PARAMETER = 2
EXTENDED_LENGTH = 255
"""In place of the type of the first parameter: lengths of 16 bits follow (RFC 9072 section 2)."""

MAX_SHOWN_CAPABILITIES = 64

MULTIPROTOCOL, EXTENDED_MESSAGE, FOUR_OCTET_AS = 1, 6, 65

CAPABILITY_NAMES = {
    2: "route refresh",
    3: "outbound route filtering",
    5: "extended next hop",
    6: "extended message",
    7: "BGPsec",
    8: "multiple labels",
    9: "role",
    64: "graceful restart",
    65: "4-octet AS",
    67: "dynamic capability",
    68: "multisession",
    69: "add-path",
    70: "enhanced route refresh",
    71: "long-lived graceful restart",
    72: "routing policy distribution",
    73: "FQDN",
    75: "software version",
    76: "paths limit",
    128: "route refresh (old)",
}
"""IANA's registry of capability codes."""

_AFI = {1: "IPv4", 2: "IPv6", 25: "L2VPN", 16388: "link-state"}
_SAFI = {
    1: "unicast",
    2: "multicast",
    4: "labeled",
    65: "VPLS",
    70: "EVPN",
    71: "link-state",
    128: "VPN",
    129: "multicast VPN",
    132: "route target",
    133: "flowspec",
    134: "flowspec VPN",
}


@attrs.frozen(kw_only=True)
class Opening:
    """What one side said of itself.

    :ivar autonomous_system: of 4 octets where that capability is there.
    :ivar hold_time: proposed seconds; 0 for none.
    :ivar router_id: the BGP identifier as dotted quad.
    :ivar capabilities: in words, each once, in the order of the message; ``MAX_SHOWN_CAPABILITIES`` at most.
    """

    autonomous_system: int
    hold_time: int
    router_id: str
    capabilities: tuple[str, ...] = ()
    extended_messages: bool = False


def read_open(message: bytes) -> Opening:
    """Read an OPEN message with its header.

    :raises MalformedInput: it is no OPEN, or one of its lengths is wrong.
    """
    reader = Reader(message, HEADER_BYTES)
    if message[HEADER_BYTES - 1] != OPEN:
        raise MalformedInput(f"a message of type {message[HEADER_BYTES - 1]} is no OPEN")
    version, system, hold_time, router_id = reader.u8(), reader.u16(), reader.u16(), reader.u32()
    if version != 4:
        raise MalformedInput(f"BGP version {version} is not 4")
    names: dict[str, None] = {}
    extended = False
    for code, value in _capabilities(reader, message):
        names.setdefault(_name(code, value))
        extended = extended or code == EXTENDED_MESSAGE
        if code == FOUR_OCTET_AS and len(value) == 4:
            system = int.from_bytes(value, "big")
    return Opening(
        autonomous_system=system,
        hold_time=hold_time,
        router_id=str(IPv4Address(router_id)),
        capabilities=tuple(names)[:MAX_SHOWN_CAPABILITIES],
        extended_messages=extended,
    )


def _capabilities(reader: Reader, message: bytes) -> Iterator[tuple[int, bytes]]:
    for kind, parameter in _parameters(reader, message):
        while kind == CAPABILITIES_PARAMETER and parameter.remaining:
            code, size = parameter.u8(), parameter.u8()
            yield code, parameter.take(size)


def _parameters(reader: Reader, message: bytes) -> Iterator[tuple[int, Reader]]:
    size, wide = reader.u8(), False
    if size and reader.remaining and message[reader.position] == EXTENDED_LENGTH:
        reader.skip(1)
        size, wide = reader.u16(), True
    parameters = reader.part(size)
    while parameters.remaining:
        kind = parameters.u8()
        yield kind, parameters.part(parameters.u16() if wide else parameters.u8())


def _name(code: int, value: bytes) -> str:
    if code == MULTIPROTOCOL and len(value) == 4:
        family, subsequent = int.from_bytes(value[:2], "big"), value[3]
        return f"{_AFI.get(family, f'AFI {family}')} {_SAFI.get(subsequent, f'SAFI {subsequent}')}"
    return CAPABILITY_NAMES.get(code, f"capability {code}")
