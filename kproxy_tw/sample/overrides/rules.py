"""RateOverrides: which rate an exporter's records count with, whatever the exporter says.

A rule holds for an exporter's address or for a network of them, and for one observation domain (IPFIX) or source id
(NetFlow v9) where it names one. The smallest network that has a rule for the records decides, in it the rule of their
domain before the one of all domains. Rules are looked up once for the sets of a batch, never for a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network

import attrs

from kproxy_tw.addresses import Network
from kproxy_tw.decode.records import RecordSet

MAX_LOOKED_UP = 65_536
"""Exporters of which the result is remembered."""

Rates = dict[int | None, float]
"""Domain to rate; ``None`` for every other one."""


@attrs.frozen(kw_only=True)
class RateRule:
    """One entry of the file.

    :ivar exporters: an address is a network of one.
    :ivar rate: 1 in so many.
    :ivar domain: observation domain or source id; ``None`` for all, and for formats that have none.
    """

    exporters: Network
    rate: float
    domain: int | None = None


class RateOverrides:
    """The rules in force."""

    def __init__(self, rules: Iterable[RateRule] = ()) -> None:
        self._rules: dict[Network, Rates] = {}
        self._lengths: Sequence[int] = ()
        self._known: dict[str, Rates] = {}
        self.replace(rules)

    def __len__(self) -> int:
        return sum(map(len, self._rules.values()))

    def replace(self, rules: Iterable[RateRule]) -> None:
        """Let other rules hold from now on."""
        found: dict[Network, Rates] = {}
        for rule in rules:
            found.setdefault(rule.exporters, {})[rule.domain] = rule.rate
        self._rules, self._known = found, {}
        self._lengths = sorted({network.prefixlen for network in found})

    def apply(self, sets: Iterable[RecordSet], address: str) -> None:
        """Note in each set of the exporter at ``address`` which rate its records have to have."""
        if not self._rules:
            return
        rates = self.of(address)
        for records in sets:
            number = None if records.domain is None else records.domain.number
            records.forced_rate = rates.get(number, rates.get(None, 0.0))

    def of(self, address: str) -> Mapping[int | None, float]:
        """The rates of an exporter: by domain, and under ``None`` that of all others; empty where no rule holds."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= MAX_LOOKED_UP:
                self._known.clear()
            known = self._known[address] = self._looked_up(address)
        return known

    def _looked_up(self, address: str) -> Rates:
        plain = ip_address(address.partition("%")[0])
        rates: Rates = {}
        for length in self._lengths:
            if length > plain.max_prefixlen:
                break
            own = self._rules.get(ip_network((plain, length), strict=False), {})
            if None in own:
                rates.clear()  # it holds for every domain, and goes before rules of larger networks
            rates |= own
        return rates
