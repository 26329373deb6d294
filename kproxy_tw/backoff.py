"""Exponential backoff with full jitter: waits grow, and many agents do not come back in the same second."""

from __future__ import annotations

from collections.abc import Callable

Uniform = Callable[[float, float], float]
"""Draws a number between two bounds, as :func:`random.uniform` does."""

MAX_DOUBLINGS = 32


def full_jitter(failures: int, first: float, most: float, uniform: Uniform) -> float:
    """Seconds to wait after the ``failures``-th failure in a row: anything from 0 to ``first`` doubled each time.

    :param failures: 1 for the first failure.
    :param most: the ceiling never grows beyond it.
    """
    return uniform(0.0, min(most, first * 2.0 ** min(failures - 1, MAX_DOUBLINGS)))
