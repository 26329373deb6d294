"""The sampling rate that the exporter tells for each record, and where it told it.

The chain: an element in the record itself, the sampler or selection sequence that the record names (resolved through
option data), the option data of its domain, the header of the datagram. Each link fills what the links before it left
open. What is still open then is filled from the configuration, in :mod:`kproxy_tw.sample.rates`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from kproxy_tw.decode.optiondata.samplers import LARGEST_RATE
from kproxy_tw.flowbatch import RATE_ORIGINS, Column

if TYPE_CHECKING:
    from kproxy_tw.decode.clock import Clocks
    from kproxy_tw.decode.optiondata.domain import SamplingTable

Values = dict[str, Column]
Link = tuple[str, Column]
"""Who tells it, and a rate for each record, 0 where that one tells none."""

CODES = {name: code for code, name in enumerate(RATE_ORIGINS)}


def told_rates(values: Values, clocks: Clocks) -> tuple[Column, Column] | None:
    """Rates (0 where nobody tells one) and codes of ``RATE_ORIGINS``, one a record; ``None`` when nobody tells any.

    :param values: by target; ``sampling_interval`` and its like, ``sampler_id``, ``selection``, ``input_port``,
        ``output_port``.
    :param clocks: of the same records; knows their domains and headers.
    """
    rates: Column | None = None
    origins = np.zeros(0, np.uint8)
    for origin, told in _links(values, clocks):
        usable = (told > 0) & (told <= LARGEST_RATE)
        if rates is None:
            if usable.any():
                rates = np.where(usable, told, 0.0)
                origins = np.where(usable, CODES[origin], 0).astype(np.uint8)
        else:
            usable &= rates == 0
            rates = np.where(usable, told, rates)
            origins[usable] = CODES[origin]
        if rates is not None and rates.all():
            break
    return None if rates is None else (np.where(rates > 0, np.maximum(rates, 1.0), 0.0), origins)


def _links(values: Values, clocks: Clocks) -> Iterator[Link]:
    """The links of the chain in order; each is worked out only when the ones before it left something open."""
    for told in _of_records(values):
        yield "record", told
    samplers, selections = values.get("sampler_id"), values.get("selection")
    if samplers is not None:
        ids = samplers.astype(np.uint64, copy=False)
        yield from _by_domain(clocks, "sampler", lambda table, rows: _looked_up(table.ids, table.rates, ids[rows]))
    if selections is not None:
        yield from _by_domain(clocks, "sampler", partial(_of_selections, selections.astype(np.uint64, copy=False)))
    yield from _by_domain(
        clocks, "domain", lambda table, rows: table.explicit_rate if samplers is not None else table.domain_rate
    )
    for port in ("input_port", "output_port"):
        numbers = values.get(port)
        if numbers is not None:
            ports = numbers.astype(np.uint64, copy=False)
            yield from _by_domain(clocks, "domain", partial(_of_interfaces, ports))
    header = clocks.sampling
    if header is not None:
        yield "header", header.astype(np.float64)


def _of_records(values: Values) -> Iterator[Column]:
    """Rates in the records themselves, in the order in which they count."""
    interval = values.get("sampling_interval")
    if interval is not None:
        yield interval.astype(np.float64)
    for part, rest in (("sampling_packets", "sampling_space"), ("sampling_size", "sampling_population")):
        taken = values.get(part)
        if taken is None:
            continue
        rate = taken.astype(np.float64)
        others = values.get(rest)
        if others is not None:
            whole = others.astype(np.float64) + (rate if rest == "sampling_space" else 0.0)
            yield np.divide(whole, rate, out=np.zeros_like(rate), where=rate != 0)
        elif rest == "sampling_space":
            yield rate
    random = values.get("sampler_random_interval")
    if random is not None:
        yield random.astype(np.float64)


def _by_domain(
    clocks: Clocks, origin: str, rate: Callable[[SamplingTable, Column | slice], Column | float]
) -> Iterator[Link]:
    """One link that asks the sampling table of each record's domain; none when no domain has one."""
    domains, owners = clocks.domains
    tables = [domain.sampling for domain in domains]
    if all(table.is_empty for table in tables):
        return
    rates = np.zeros(len(clocks))
    for number, table in enumerate(tables):
        if not table.is_empty:
            rows: Column | slice = slice(None) if owners is None else np.flatnonzero(owners == number)
            rates[rows] = rate(table, rows)
    yield origin, rates


def _of_selections(numbers: Column, table: SamplingTable, rows: Column | slice) -> Column:
    return _looked_up(table.selections, table.selection_rates, numbers[rows])


def _of_interfaces(ports: Column, table: SamplingTable, rows: Column | slice) -> Column:
    return _looked_up(table.interfaces, table.interface_rates, ports[rows])


def _looked_up(keys: Column, rates: Column, wanted: Column) -> Column:
    """The rate of each wanted key, 0 where there is none."""
    if not len(keys):
        return np.zeros(len(wanted))
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, rates[places], 0.0)
