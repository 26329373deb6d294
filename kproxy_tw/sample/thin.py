"""Which records stay, uniformly at random over all layouts of a device."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.records import RecordSet
from kproxy_tw.interfaces import RecordLayout
from kproxy_tw.sample.pending import Groups

Indices = npt.NDArray[np.intp]


@attrs.frozen
class Choice:
    """The records of one layout and one forced rate that go out.

    :ivar sets: their record sets.
    :ivar chosen: ascending indices into their records, or ``None`` for all.
    :ivar kept: how many are chosen.
    :ivar forced_rate: the rate that they have whatever anybody says; 0 for none.
    """

    layout: RecordLayout
    sets: Sequence[RecordSet]
    chosen: Indices | None
    kept: int
    forced_rate: float = 0.0


def choose(groups: Groups, allowance: int, random: np.random.Generator) -> list[Choice]:
    """Choose at most ``allowance`` records out of all groups, each with the same probability.

    :param allowance: at least 1.
    """
    counts = [sum(records.count for records in sets) for sets in groups.values()]
    total = sum(counts)
    if total <= allowance:
        return [
            Choice(layout, sets, None, count, rate)
            for ((layout, rate), sets), count in zip(groups.items(), counts, strict=True)
        ]
    picked = np.sort(random.choice(total, allowance, replace=False, shuffle=False))
    choices = []
    first = 0
    for ((layout, rate), sets), count in zip(groups.items(), counts, strict=True):
        low, high = np.searchsorted(picked, (first, first + count))
        if high > low:
            choices.append(Choice(layout, sets, picked[low:high] - first, int(high - low), rate))
        first += count
    return choices
