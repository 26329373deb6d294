"""Sample rates as kflow has them: hundredths in 32 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SCALE = 100
LARGEST = 0xFFFFFFFF


def hundredths(rates: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    """Real rates (1 in *n*) as whole hundredths, shape kept.

    What rounding takes from one flow it gives to the next, so that a message's sum is
    off by half a hundredth at most, however odd the rates. A rate that is unknown (0 or
    no number) becomes 1; others are kept within 0.01 and 42,949,672.95.
    """
    scaled = np.where(rates > 0, rates * SCALE, SCALE)
    np.clip(scaled, 1, LARGEST, out=scaled)
    whole = scaled.astype(np.uint32)
    if np.array_equal(whole, scaled):
        return whole
    rounded = np.floor(np.cumsum(scaled) + 0.5)
    return np.diff(rounded, prepend=0.0).astype(np.uint32)
