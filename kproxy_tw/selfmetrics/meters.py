"""Meters: counters with their rates over 1, 5 and 15 minutes. Pure.

The rates are moving averages that forget exponentially, as the load averages of a system: what was counted a minute ago
weighs 1/e in the rate over one minute. The first reading sets all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt

MINUTES = (1.0, 5.0, 15.0)


@attrs.frozen
class Series:
    """What a counter counts.

    :ivar name: ``proxy_Total`` for example.
    :ivar company_id, device_id: whose; 0 for the process.
    :ivar flow_type: ``v5``, ``v9``, ``ipfix``, ``sflow``, or ``proxy`` where there is not one.
    """

    name: str
    company_id: int = 0
    device_id: int = 0
    flow_type: str = "proxy"


@attrs.frozen
class Meter:
    """A counter, and its rates a second: over 1, 5 and 15 minutes, and since the start."""

    count: int
    one: float
    five: float
    fifteen: float
    mean: float


@attrs.frozen
class _Taken:
    count: int
    start: float
    rates: npt.NDArray[np.float64] | None


class Meters:
    """See the module. :param now: monotonic seconds at which all counters were 0."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._taken: dict[Series, _Taken] = {}

    def update(self, readings: Mapping[Series, int], now: float) -> None:
        """Take the readings of ``now``; series that are not among them are forgotten."""
        seconds = now - self._at
        if seconds <= 0:
            return
        weights = -np.expm1(-seconds / 60 / np.array(MINUTES))
        self._taken = {
            series: self._next(self._taken.get(series, _Taken(0, self._at, None)), count, seconds, weights)
            for series, count in readings.items()
        }
        self._at = now

    def _next(self, old: _Taken, count: int, seconds: float, weights: npt.NDArray[np.float64]) -> _Taken:
        rate = (count - old.count) / seconds
        rates = np.full(len(MINUTES), rate) if old.rates is None else old.rates + weights * (rate - old.rates)
        return _Taken(count, old.start, rates)

    def all(self) -> dict[Series, Meter]:
        """Every meter as of the last update."""
        return {
            series: _meter(taken.count, taken.rates.tolist(), self._at - taken.start)
            for series, taken in self._taken.items()
            if taken.rates is not None
        }


def _meter(count: int, rates: list[float], seconds: float) -> Meter:
    one, five, fifteen = rates
    return Meter(count, one, five, fifteen, count / seconds)
