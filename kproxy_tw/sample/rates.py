"""The sample rate of each kept flow: what the exporter told, else what was configured, times seen / kept."""

from __future__ import annotations

from typing import cast

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.flowbatch import FlowBatch

UNSAMPLED = 1.0
"""The rate of a device of which nobody says that it samples."""


@attrs.frozen
class ConfiguredRates:
    """Rates (1 in n) to use where the exporter tells none; 0 means not set.

    :ivar flag: ``-sample_rate``; it goes before the device's rate.
    :ivar device: ``device_sample_rate`` of the API.
    """

    flag: float = 0.0
    device: float = 0.0

    def fallback(self) -> tuple[float, str]:
        """The rate, and who set it: ``flag``, ``device`` or ``unknown``."""
        if self.flag > 0:
            return self.flag, "flag"
        if self.device > 0:
            return self.device, "device"
        return UNSAMPLED, "unknown"


def weigh(batch: FlowBatch, configured: ConfiguredRates, seen_per_kept: float) -> str:
    """Give every flow of ``batch`` its final ``sample_rate``.

    :param seen_per_kept: records seen for each one kept by the cap; 1.0 when all were kept.
    :return: who told the rate, as in the contracts: ``record``, ``header``, ``flag``, ``device``, ``unknown`` ...
    """
    fallback, origin = configured.fallback()
    told = batch.columns.get("sample_rate")
    if told is None:
        batch.columns["sample_rate"] = np.full(batch.length, fallback * seen_per_kept)
        return origin
    rates = cast(npt.NDArray[np.float64], told)
    known = rates > 0
    batch.columns["sample_rate"] = np.where(known, rates, fallback) * seen_per_kept
    return batch.rate_origin if known.any() else origin
