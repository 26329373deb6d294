"""Sums over flows, exact whatever the figures: what ``/totals`` answers. Pure.

Counted is traffic, once: not the low-resolution copies (``big``) and not the metrics records
(``is_metric``), which receivers skip. An estimate is the sum of value times sample rate, bytes and packets of
both directions together; sums of it are kept in hundredths because kflow transports rates in hundredths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch

RATE_SCALE = 100
"""Sample rates are exact in hundredths."""

MAX_SUM = 1 << 96
"""Largest believable sum of one message. With it, no number of messages overflows the store's 127 bits."""

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@attrs.frozen(kw_only=True)
class Sums:
    """Sums over the counted flows of one message, or of many. ``estimated_*`` are in hundredths."""

    flows: int = 0
    in_bytes: int = 0
    in_pkts: int = 0
    out_bytes: int = 0
    out_pkts: int = 0
    estimated_bytes: int = 0
    estimated_packets: int = 0

    def plus(self, other: Sums) -> Sums:
        """The field-wise sum."""
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in SUM_NAMES})


SUM_NAMES: tuple[str, ...] = tuple(field.name for field in attrs.fields(Sums))


@attrs.frozen(kw_only=True)
class DeviceTotals:
    """What one device has sent since the store began. ``last_received``: seconds since 1970."""

    device_id: int
    device_name: str
    messages: int
    last_received: float
    sums: Sums

    def as_json(self, last_received: str) -> dict[str, object]:
        """The object of ``/totals``; the time is given in its text form."""
        return {
            "DeviceID": self.device_id,
            "DeviceName": self.device_name,
            "Flows": self.sums.flows,
            "InBytes": self.sums.in_bytes,
            "InPkts": self.sums.in_pkts,
            "OutBytes": self.sums.out_bytes,
            "OutPkts": self.sums.out_pkts,
            "EstimatedBytes": unscaled(self.sums.estimated_bytes),
            "EstimatedPackets": unscaled(self.sums.estimated_packets),
            "Messages": self.messages,
            "LastReceived": last_received,
        }


def unscaled(hundredths: int) -> int | float:
    """Hundredths as a number: an integer where it is one."""
    whole, rest = divmod(hundredths, RATE_SCALE)
    return hundredths / RATE_SCALE if rest else whole


def exact_sum(values: npt.NDArray[np.uint64]) -> int:
    """The sum of unsigned 64-bit values, without overflow."""
    high, low = int((values >> _SHIFT).sum()), int((values & _LOW).sum())
    return (high << 32) + low


def weighted_sum(values: npt.NDArray[np.uint64], weights: npt.NDArray[np.uint64]) -> int:
    """Σ value × weight, without overflow. Quick because flows share few different rates."""
    if not len(values):
        return 0
    order = np.argsort(weights, kind="stable")
    distinct, starts = np.unique(weights[order], return_index=True)
    ordered = values[order]
    high = np.add.reduceat(ordered >> _SHIFT, starts)
    low = np.add.reduceat(ordered & _LOW, starts)
    parts: Iterable[tuple[int, int, int]] = zip(distinct.tolist(), high.tolist(), low.tolist(), strict=True)
    return sum(weight * ((upper << 32) + lower) for weight, upper, lower in parts)


def stated_rates(batch: FlowBatch) -> npt.NDArray[np.float64]:
    """The sample rate of each flow; 1 where the sender stated none, so that such flows count as they are."""
    rates = batch.column("sample_rate").astype(np.float64)
    return np.where(rates > 0, rates, 1.0)


def message_sums(batch: FlowBatch) -> Sums:
    """The sums of one message.

    :raises MalformedInput: a sum beyond ``MAX_SUM``, which no network has.
    """
    counted = ~(batch.column("big").astype(bool) | batch.column("is_metric").astype(bool))
    columns: Mapping[str, npt.NDArray[np.uint64]] = {
        name: batch.column(name).astype(np.uint64)[counted] for name in ("in_bytes", "in_pkts", "out_bytes", "out_pkts")
    }
    weights = np.rint(stated_rates(batch)[counted] * RATE_SCALE).astype(np.uint64)
    sums = Sums(
        flows=int(counted.sum()),
        **{name: exact_sum(values) for name, values in columns.items()},
        estimated_bytes=sum(weighted_sum(columns[name], weights) for name in ("in_bytes", "out_bytes")),
        estimated_packets=sum(weighted_sum(columns[name], weights) for name in ("in_pkts", "out_pkts")),
    )
    if max(sums.estimated_bytes, sums.estimated_packets) > MAX_SUM:
        raise MalformedInput("the flows of this message claim more traffic than any network has")
    return sums
