"""``-sample_rate_file``: sampling rates by exporter.

::

    {"rates": [{"exporter": "192.0.2.1", "rate": 1000},
               {"exporter": "192.0.2.1", "domain": 7, "rate": 512},
               {"exporter": "2001:db8::/32", "rate": 2048}]}

Errors name line and exporter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Network, ip_network
from typing import Any

from kproxy_tw.addresses import Network
from kproxy_tw.reload.listfile import BadField, BadFile, checked_keys, line_at, members, text_of
from kproxy_tw.sample.overrides.rules import RateRule

MAX_BYTES = 4 << 20
MAX_RULES = 10_000
"""SIGHUP has them read between two batches of datagrams: no more than that may take."""

MAX_RATE = 2**24
MAX_DOMAIN = 2**32 - 1
MAX_ADDRESS = 64
MAPPED_BITS = 96
"""Length of ``::ffff:0:0/96``, in which IPv4 addresses are written as IPv6 ones."""

KEYS = frozenset({"exporter", "domain", "rate"})
EXPORTER = re.compile(r'"exporter"\s*:\s*"(?P<exporter>[0-9A-Fa-f.:/]{2,64})"')


def parse_rate_file(content: bytes) -> tuple[RateRule, ...]:
    """The rules. :raises BadFile: the file breaks a rule; the text names the line, and the exporter."""
    text = text_of(content, MAX_BYTES)
    rules: dict[tuple[Network, int | None], RateRule] = {}
    for start, end, fields in members(text, "rates", EXPORTER):
        if len(rules) >= MAX_RULES:
            raise BadFile(f"{line_at(text, start)}: more than {MAX_RULES} rates")
        try:
            rule = _checked(fields)
        except BadField as problem:
            raise BadFile(f"{problem.place(text, start, end)}{_whose(fields)}: {problem}") from None
        if (rule.exporters, rule.domain) in rules:
            domain = "" if rule.domain is None else f", domain {rule.domain},"
            raise BadFile(f"{line_at(text, start)}{_whose(fields)}{domain} is there twice")
        rules[rule.exporters, rule.domain] = rule
    return tuple(rules.values())


def _checked(fields: object) -> RateRule:
    given = checked_keys(fields, KEYS, "a rate")
    return RateRule(
        exporters=_exporters(given),
        rate=float(_number(given, "rate", 1, MAX_RATE)),
        domain=_number(given, "domain", 0, MAX_DOMAIN) if "domain" in given else None,
    )


def _whose(fields: object) -> str:
    """``, exporter 192.0.2.1``, where the entry says it."""
    if not isinstance(fields, dict):
        return ""
    try:
        _exporters(fields)
    except BadField:
        return ""
    return f", exporter {fields['exporter']}"


def _exporters(fields: Mapping[str, Any]) -> Network:
    value = fields.get("exporter")
    if value is None:
        raise BadField("exporter", "is missing")
    if not isinstance(value, str) or len(value) > MAX_ADDRESS:
        raise BadField("exporter", "must be an address or a network, as a text")
    try:
        network = ip_network(value)
    except ValueError as problem:
        raise BadField("exporter", f"must be an address or a network like 192.0.2.0/24: {problem}") from None
    return _plain(network)


def _plain(network: Network) -> Network:
    """``::ffff:192.0.2.1`` is 192.0.2.1, as everywhere."""
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ip_network((mapped, network.prefixlen - MAPPED_BITS))
    return network


def _number(fields: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadField(key, "is missing" if key not in fields else f"must be a whole number from {least} to {most}")
    return value
