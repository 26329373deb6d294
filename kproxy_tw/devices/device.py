"""Device: what the API says of one exporter, checked."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType

import attrs

from kproxy_tw.errors import MalformedInput

MAX_ADDRESS_TEXT = 128
"""Longest text that is looked at as an address; the longest address with a scope is far shorter."""


def canonical_address(text: str) -> str:
    """The one spelling of an IP address that the registry compares.

    IPv6 is compressed and in lower case (RFC 5952), an IPv4-mapped address becomes plain IPv4, a scope
    (``%eth0``) is left off.

    :raises MalformedInput: no IP address.
    """
    if len(text) > MAX_ADDRESS_TEXT:
        raise MalformedInput(f"{len(text)} characters are no IP address")
    try:
        address = ip_address(text.strip())
    except ValueError:
        raise MalformedInput("not an IP address") from None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address)))
    return str(address)


@attrs.frozen(kw_only=True)
class SnmpV3Credentials:
    """A device's SNMP version 3 user. The passphrases never show in a ``repr``."""

    user_name: str = ""
    authentication_protocol: str = ""
    authentication_passphrase: str = attrs.field(default="", repr=False)
    privacy_protocol: str = ""
    privacy_passphrase: str = attrs.field(default="", repr=False)
    context_name: str = ""
    context_engine_id: str = ""


def _ids(columns: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType(dict(columns))


def _types(columns: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(columns))


@attrs.frozen(kw_only=True)
class Device:
    """One registered device.

    Texts come from the backend with control characters escaped, and bounded.

    :ivar device_id, company_id: as the backend numbers them.
    :ivar sending_addresses: every address it may send from, in the spelling of :func:`canonical_address`.
    :ivar flow_type: what the API expects it to send (``auto``, ...).
    :ivar sample_rate: 1 in n, as configured in the API; 0 for not known.
    :ivar max_flow_rate: its cap in flows per second; 0 for none of its own.
    :ivar plan_max_fps: the cap of its plan; 0 for not told.
    :ivar enabled: false when the API holds the device but does not want its flow.
    :ivar custom_columns: custom column name to the id that kflow carries; read-only.
    :ivar column_types: custom column name to the type of its values in the API's words, where it tells one; read-only.
    :ivar snmp_ip: where to poll it, as configured; may be empty.
    :ivar snmp_community, snmp_v3: secrets; they never show in a ``repr`` and never go to disk.
    :ivar minimize_snmp: poll interface names and speeds only.
    """

    device_id: int
    company_id: int
    name: str
    sending_addresses: frozenset[str] = frozenset()
    device_type: str = ""
    subtype: str = ""
    flow_type: str = ""
    sample_rate: int = 0
    max_flow_rate: int = 0
    plan_max_fps: int = 0
    enabled: bool = True
    custom_columns: Mapping[str, int] = attrs.field(factory=dict, converter=_ids, hash=False)
    column_types: Mapping[str, str] = attrs.field(factory=dict, converter=_types, hash=False)
    snmp_ip: str = ""
    snmp_community: str = attrs.field(default="", repr=False)
    snmp_v3: SnmpV3Credentials | None = attrs.field(default=None, repr=False)
    minimize_snmp: bool = False
