"""The sample rate of each kept flow: what the exporter told, else what was configured, times seen / kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs
import numpy as np

from kproxy_tw.flowbatch import RATE_ORIGINS, Column, FlowBatch

UNSAMPLED = 1.0
"""The rate of a device of which nobody says that it samples."""

MAX_KINDS = 64
"""Different (rate, origin) pairs that are told of one batch."""

LOOKED_AT = 4096
"""Flows of a batch with several rates that are looked at to say which these are."""

_UNKNOWN = RATE_ORIGINS.index("unknown")


@attrs.frozen
class ConfiguredRates:
    """Rates (1 in n) that are configured; 0 means not set.

    :ivar file: of ``-sample_rate_file``, for the exporter that the flows are from; it goes before everything.
    :ivar flag: ``-sample_rate``; it goes before everything that the exporter tells.
    :ivar device: ``device_sample_rate`` of the API; for flows of which the exporter tells none.
    """

    flag: float = 0.0
    device: float = 0.0
    file: float = 0.0

    def forced(self) -> tuple[float, str] | None:
        """The rate of all flows, and who forces it; ``None`` when nobody does."""
        if self.file > 0:
            return self.file, "file"
        return (self.flag, "flag") if self.flag > 0 else None

    def fallback(self) -> tuple[float, str]:
        """The rate of flows whose exporter tells none, and who set it: ``device`` or ``unknown``."""
        if self.device > 0:
            return self.device, "device"
        return UNSAMPLED, "unknown"


@attrs.frozen(order=True)
class RateInUse:
    """A rate that flows carried, without the cap's share.

    :ivar rate: 1 in so many.
    :ivar origin: who told it, one of ``RATE_ORIGINS``.
    :ivar flows: how many flows carried it, as far as they were looked at.
    """

    rate: float
    origin: str
    flows: int = attrs.field(default=0, order=False)


def weigh(batch: FlowBatch, configured: ConfiguredRates, seen_per_kept: float) -> list[RateInUse]:
    """Give every flow of ``batch`` its final ``sample_rate``.

    :param seen_per_kept: records seen for each one kept by the cap; 1.0 when all were kept.
    :return: the rates before the cap's share, and who told them.
    """
    forced = configured.forced()
    if forced is not None:
        return _all_alike(batch, *forced, seen_per_kept)
    told = batch.columns.get("sample_rate")
    fallback, origin = configured.fallback()
    if told is None:
        return _all_alike(batch, fallback, origin, seen_per_kept)
    known = told > 0
    codes = batch.side.get("rate_origin")
    if codes is None:
        codes = np.where(known, RATE_ORIGINS.index(batch.rate_origin), _UNKNOWN)
    codes = np.where(known, codes, RATE_ORIGINS.index(origin)).astype(np.uint8)
    rates = np.where(known, told, fallback)
    batch.columns["sample_rate"] = rates * seen_per_kept
    return _in_use(rates, codes)


def _all_alike(batch: FlowBatch, rate: float, origin: str, seen_per_kept: float) -> list[RateInUse]:
    batch.columns["sample_rate"] = np.full(batch.length, rate * seen_per_kept)
    return [RateInUse(rate, origin, batch.length)] if batch.length else []


def _in_use(rates: Column, codes: Column) -> list[RateInUse]:
    if not len(rates):
        return []
    if (rates == rates[0]).all() and (codes == codes[0]).all():
        return [RateInUse(float(rates[0]), RATE_ORIGINS[codes[0]], len(rates))]
    kinds = Counter(zip(rates[:LOOKED_AT].tolist(), codes[:LOOKED_AT].tolist(), strict=True))
    return [RateInUse(rate, RATE_ORIGINS[code], flows) for (rate, code), flows in kinds.most_common(MAX_KINDS)]


def together(found: Iterable[RateInUse]) -> tuple[RateInUse, ...]:
    """The same rates of the same origins as one each, the commonest first."""
    flows: dict[tuple[float, str], int] = {}
    for one in found:
        flows[one.rate, one.origin] = flows.get((one.rate, one.origin), 0) + one.flows
    ordered = sorted(flows.items(), key=lambda item: -item[1])
    return tuple(RateInUse(rate, origin, count) for (rate, origin), count in ordered[:MAX_KINDS])
