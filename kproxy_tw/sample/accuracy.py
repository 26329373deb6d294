"""How far an estimate made from the kept flows may be off: the standard error, from their second moments.

Of ``N`` records of a tick ``n`` are kept, each set of ``n`` being as likely as any other. A kept flow's contribution
to the estimate of the bytes is ``z = bytes × rate × N / n``, the estimate of the tick ``T = Σ z``, and

    ``variance(T) = (1 - n/N) × n × s²``,  with  ``s² = Σ (z - T/n)² / (n - 1)``

(simple random sampling without replacement, with its finite-population correction). Ticks are thinned independently, so
the figures of several add up, and the expected relative error over them is ``√(Σ variance) / Σ T``. It is what the cap
causes; what the exporter's own sampling causes comes on top and is not in it. Traffic with few very large flows has
larger errors than this tells when none of these happened to be kept.
"""

from __future__ import annotations

import math
from collections import deque

import attrs

from kproxy_tw.flowbatch import Column, FlowBatch

WINDOW_SECONDS = 60.0
"""The time that a device's figures are about."""


OCTETS = ("in_bytes", "out_bytes")
PACKETS = ("in_pkts", "out_pkts")


@attrs.frozen
class Estimate:
    """A total estimated from kept flows, and its variance."""

    total: float = 0.0
    variance: float = 0.0

    @property
    def relative_error(self) -> float:
        """The expected relative error; 0 where nothing was left out, and where there is nothing."""
        return math.sqrt(self.variance) / self.total if self.total > 0 else 0.0

    def __add__(self, other: Estimate) -> Estimate:
        """The estimate of both, made independently of each other."""
        return Estimate(self.total + other.total, self.variance + other.variance)


@attrs.frozen(kw_only=True)
class Accuracy:
    """What is known of the flows of one tick or several.

    :ivar seen: records that came in.
    :ivar kept: records that the cap let through.
    :ivar octets: estimate of the bytes; of both directions, where flows have two.
    :ivar packets: the same of the packets.
    """

    seen: int = 0
    kept: int = 0
    octets: Estimate = Estimate()
    packets: Estimate = Estimate()

    @property
    def seen_per_kept(self) -> float:
        """How many records each kept one stands for, on average; 1.0 when all were kept or none came."""
        return self.seen / self.kept if self.kept else 1.0

    def __add__(self, other: Accuracy) -> Accuracy:
        """Both together."""
        return Accuracy(
            seen=self.seen + other.seen,
            kept=self.kept + other.kept,
            octets=self.octets + other.octets,
            packets=self.packets + other.packets,
        )


def estimated(contributions: Column, left_out: float) -> Estimate:
    """The estimate that kept flows make.

    :param contributions: value × final sample rate of each.
    :param left_out: the share of the records that was left out: ``1 - n/N``.
    """
    count = len(contributions)
    if not count:
        return Estimate()
    total = float(contributions.sum())
    if left_out <= 0:
        return Estimate(total)
    if count == 1:  # One value has no spread: taken as large as itself.
        return Estimate(total, left_out * total * total)
    return Estimate(total, left_out * count * float(contributions.var(ddof=1)))


def accuracy_of(flows: FlowBatch, seen: int, kept: int) -> Accuracy:
    """What the kept ``flows``, with their final sample rates, tell of the ``seen`` records that they stand for."""
    rates, left_out = flows.column("sample_rate"), 1 - kept / seen
    octets, packets = (_estimate(flows, names, rates, left_out) for names in (OCTETS, PACKETS))
    return Accuracy(seen=seen, kept=kept, octets=octets, packets=packets)


def _estimate(flows: FlowBatch, names: tuple[str, str], rates: Column, left_out: float) -> Estimate:
    columns = [flows.columns[name] for name in names if name in flows.columns]
    if not columns:
        return Estimate()
    if left_out <= 0:
        # Not np.dot: it wakes the threads of BLAS, which spin for longer than the sum takes.
        return Estimate(sum(float((rates * column).sum()) for column in columns))
    return estimated(rates * sum(columns[1:], columns[0]), left_out)


class RecentAccuracy:
    """What is known of the last :data:`WINDOW_SECONDS`."""

    __slots__ = ("_ticks",)

    def __init__(self) -> None:
        self._ticks: deque[tuple[float, Accuracy]] = deque()

    def add(self, accuracy: Accuracy, now: float) -> None:
        """Add what a tick at ``now``, monotonic seconds, tells."""
        self._ticks.append((now, accuracy))
        while self._ticks[0][0] <= now - WINDOW_SECONDS:
            self._ticks.popleft()

    def total(self, now: float) -> Accuracy:
        """All ticks of the window that ends at ``now``."""
        total = Accuracy()
        for at, accuracy in self._ticks:
            if at > now - WINDOW_SECONDS:
                total += accuracy
        return total
