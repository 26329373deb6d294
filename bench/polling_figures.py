"""What the run of polling has seen, as figures: how late polls were, what processes cost, whether memory stayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs
import numpy as np

LATE_SECONDS = 5.0
"""To reach: no poll later than this."""

OFF_THE_GRID = 0.2
"""A device's first poll lies anywhere; its grid begins so much of an interval later."""

SETTLED = 0.4
"""After so much of the run, memory should have all that it needs."""


@attrs.frozen
class Punctuality:
    """Polls of all devices, as their agents saw them begin.

    :ivar latest: seconds behind its place in the device's grid, of the poll that was furthest.
    :ivar over: polls later than they may be.
    :ivar missed: places of grids at which there was no poll.
    :ivar again: first questions that were asked again, as no answer came in time.
    """

    polls: int = 0
    latest: float = 0.0
    over: int = 0
    missed: int = 0
    again: int = 0


def punctuality(begun: Sequence[Sequence[float]], interval: float) -> Punctuality:
    """From when agents were asked for their system group, by agent, in seconds.

    A device's grid is where its earliest poll within an interval lies.
    """
    late: list[float] = []
    missed = again = 0
    for times in begun:
        on_grid = [moment for moment in times if moment > times[0] + OFF_THE_GRID * interval]
        polls = on_grid[:1]
        for moment in on_grid[1:]:
            if moment > polls[-1] + interval / 2:
                polls.append(moment)
            else:
                again += 1
        missed += sum(round((later - earlier) / interval) - 1 for earlier, later in pairwise(polls))
        late += _late(polls, interval)
    return Punctuality(len(late), max(late, default=0.0), sum(one > LATE_SECONDS for one in late), missed, again)


def _late(polls: Sequence[float], interval: float) -> list[float]:
    if not polls:
        return []
    # The circle is cut opposite to the first of them, so that a grid near its end is not torn.
    cut = polls[0] + interval / 2
    places = [(moment - cut) % interval for moment in polls]
    return [place - min(places) for place in places]


@attrs.frozen
class Sample:
    """One moment: seconds since the run began; by process, MiB resident and CPU seconds used so far."""

    at: float
    resident: dict[str, float]
    cpu: dict[str, float]


def costs(samples: Sequence[Sample]) -> str:
    """What each process took, in percent of one core."""
    first, last = samples[0], samples[-1]
    shares = {name: (last.cpu[name] - first.cpu[name]) / (last.at - first.at) for name in last.cpu if name in first.cpu}
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())


def memory(samples: Sequence[Sample], names: Sequence[str], lines: int = 6) -> Iterator[str]:
    """How it went, and how it grew when everything was there that polling needs."""
    samples = [sample for sample in samples if all(name in sample.resident for name in names)]
    step = max(1, len(samples) // lines)
    for sample in samples[step - 1 :: step]:
        yield f"{sample.at / 60:5.1f} min: " + ", ".join(f"{name} {sample.resident[name]:.1f} MiB" for name in names)
    settled = [sample for sample in samples if sample.at >= SETTLED * samples[-1].at]
    for name in names:
        hours = np.array([sample.at / 3600 for sample in settled])
        resident = np.array([sample.resident[name] for sample in settled])
        slope = float(np.polyfit(hours, resident, 1)[0])
        yield (
            f"{name}: {resident.min():.1f} to {resident.max():.1f} MiB after {SETTLED:.0%} of the run, "
            f"{slope * hours[-1] * (1 - SETTLED):+.2f} MiB over it ({slope:+.1f} MiB an hour)"
        )
