"""Low-resolution copies: a few flows of each tick once more, marked ``big``, for the backend's fast data series.

Receivers that count flows skip them. They carry a weight of their own, so that the copies alone make an unbiased
estimate of the same traffic.
"""

from __future__ import annotations

import numpy as np

from kproxy_tw.flowbatch import Column, FlowBatch


def _part(column: Column, rows: Column) -> Column:
    return np.concatenate([column, column[rows]])


def with_copies(flows: FlowBatch, most: int, random: np.random.Generator) -> FlowBatch:
    """``flows`` and, behind them, at most ``most`` of them again as low-resolution copies, chosen uniformly.

    :param flows: with their final sample rates.
    """
    count = min(most, flows.length)
    if count <= 0:
        return flows
    rows = np.sort(random.choice(flows.length, count, replace=False, shuffle=False))
    length = flows.length + count
    joined = FlowBatch(
        length,
        {name: _part(column, rows) for name, column in flows.columns.items()},
        {name: _part(column, rows) for name, column in flows.custom.items()},
        flows.rate_origin,
    )
    joined.columns["big"] = np.arange(length) >= flows.length
    joined.columns["sample_rate"][flows.length :] *= flows.length / count
    return joined
