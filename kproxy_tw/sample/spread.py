"""Sample rates in kflow's hundredths, so that nothing is lost to rounding.

A kept flow stands for rate × seen / kept flows, which is seldom a whole number of hundredths. Rounding each would make
every estimate too large, or too small, by the same share. Here each is rounded down or up, so that the sum
is exact, and the sum of the first *n* too, to a hundredth; a random start makes up for any pattern in
the order of flows: each flow's expected rate is its exact one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kproxy_tw.kflow.rates import LARGEST, SCALE

Rates = npt.NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)
"""Relative error of one calculation, at most."""


def spread(rates: Rates, start: float) -> Rates:
    """``rates``, all above 0, as multiples of 0.01.

    Their sum stays what it is where that is a multiple of 0.01; else it is one of the two next to it. Rates are kept
    within 0.01 and 42,949,672.95.

    :param start: random, from 0 up to 1.
    """
    scaled = np.clip(rates * SCALE, 1, LARGEST)
    if np.array_equal(np.rint(scaled), scaled):
        return scaled / SCALE
    whole = np.floor(scaled)
    sums = np.cumsum(scaled - whole)
    # A sum that is whole but for the errors of dividing and adding must count as whole, or it may end one lower.
    nearest = np.rint(sums)
    slack = EPSILON * (2 * float(scaled.sum()) + len(sums) ** 2)
    sums = np.where(np.abs(sums - nearest) <= slack, nearest, sums)
    below = np.floor(sums)
    edges = below + (sums - below + start >= 1)
    return (whole + np.diff(edges, prepend=0.0)) / SCALE
