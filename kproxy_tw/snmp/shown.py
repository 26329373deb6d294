"""What page, JSON and metrics show of a device's SNMP: values of one moment."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kproxy_tw.snmp.reading import DeviceHealth, Interface, InterfaceCounters, Reading, SystemGroup
from kproxy_tw.snmp.settings import SnmpTarget

Point = tuple[float | None, float | None]
"""Bits per second in and out; ``None`` where a poll brought none."""


@attrs.frozen
class FlowRates:
    """What flows say of an interface between the last two polls, in bits per second."""

    in_bits: float
    out_bits: float


@attrs.frozen(kw_only=True)
class PollSums:
    """What all polls of a device together came to.

    :ivar failed: polls without any answer.
    :ivar partial: polls that brought less than they asked for.
    :ivar dropped: polls that were due and left out, as an earlier one ran on.
    :ivar cpu_seconds: of the polling process.
    """

    polls: int = 0
    failed: int = 0
    partial: int = 0
    dropped: int = 0
    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    ignored: int = 0
    variables: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def plus(self, reading: Reading) -> PollSums:
        """With one more poll."""
        effort = reading.effort
        return PollSums(
            polls=self.polls + 1,
            failed=self.failed + (not reading.answered),
            partial=self.partial + bool(reading.answered and (reading.partial or reading.error)),
            dropped=max(self.dropped, reading.dropped),
            requests=self.requests + effort.requests,
            retries=self.retries + effort.retries,
            timeouts=self.timeouts + effort.timeouts,
            ignored=self.ignored + effort.ignored,
            variables=self.variables + effort.variables,
            seconds=self.seconds + reading.duration_seconds,
            cpu_seconds=self.cpu_seconds + effort.cpu_seconds,
        )


@attrs.frozen(kw_only=True)
class Sending:
    """How what is polled gets to the backend.

    :ivar documents, reports: requests taken so far.
    :ivar refused: requests that the backend will never take.
    :ivar failed: attempts that failed and were, or are, made again.
    :ivar untold: interfaces that the backend does not know yet as they are.
    :ivar waiting, displaced: reports that wait, and that gave way to newer ones.
    :ivar metric_records: made so far.
    :ivar problem: what was wrong last; empty if nothing.
    """

    documents: int = 0
    reports: int = 0
    refused: int = 0
    failed: int = 0
    untold: int = 0
    waiting: int = 0
    displaced: int = 0
    metric_records: int = 0
    problem: str = ""


@attrs.frozen(kw_only=True)
class DeviceSnmp:
    """A device's SNMP.

    :ivar target: what is polled; ``None`` where it is not.
    :ivar problem: why a device with settings is not polled; holds no secret.
    :ivar latest: the last reading, without interfaces and counters.
    :ivar next_poll: seconds since 1970; 0 when it is not known.
    :ivar described, counted: when interfaces and counters are of; 0 before the first.
    :ivar histories: by index, bits per second in and out, the newest last; only for a single device, as ``interfaces``,
        ``counters`` and ``flow_rates`` are.
    """

    target: SnmpTarget | None = None
    problem: str = ""
    latest: Reading | None = None
    next_poll: float = 0.0
    system: SystemGroup | None = None
    health: DeviceHealth = attrs.Factory(DeviceHealth)
    described: float = 0.0
    counted: float = 0.0
    sums: PollSums = attrs.Factory(PollSums)
    sending: Sending = attrs.Factory(Sending)
    interfaces: Mapping[int, Interface] = attrs.Factory(dict)
    counters: Mapping[int, InterfaceCounters] = attrs.Factory(dict)
    flow_rates: Mapping[int, FlowRates] = attrs.Factory(dict)
    histories: Mapping[int, tuple[Point, ...]] = attrs.Factory(dict)
