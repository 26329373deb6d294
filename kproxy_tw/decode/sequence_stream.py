"""One sequence of numbers: what an exporter counted, what came of it, and what never did.

Sources: NetFlow v5 counts flows (Cisco, "NetFlow Export Datagram Format"), NetFlow v9 packets (RFC 3954 section 5.1),
IPFIX data records, those of options too (RFC 7011 section 3.1), sFlow datagrams, and samples per data source (sFlow
Version 5, section 5). Some exporters count otherwise than their protocol says; three transitions in a row that agree
on another way of counting are believed, and what looked like a loss until then is none.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.errors import MalformedInput

MODULUS = 1 << 32
HALF = 1 << 31

REORDER_NS = 3 * 10**9
"""What is missing for longer than this is lost; what comes sooner was only late."""

MAX_MISSING = 64
"""Ranges that may be missing at the same time; beyond it the oldest is taken for lost at once."""

RECENT = 64
"""Numbers not older than so many turns may come once more and are duplicates; older ones mean a new beginning."""

RESTART_MS = 5_000
"""An uptime that goes back by more than this is no reordering."""

MAX_JUMP = 1 << 24
"""A larger step forward is a new beginning, not a loss of that many."""

MAX_AWAY_JUMP = 1 << 28
"""The same for the first numbers after a restart of our own: much may have been sent meanwhile."""

VOTES = 3
"""Transitions that have to agree on another way of counting before it is believed."""

RECORDS, FLOWS, PACKETS = "records", "flows", "packets"
COUNTED = {"netflow5": FLOWS, "netflow9": PACKETS, "ipfix": RECORDS, "sflow": PACKETS, "sflow_samples": PACKETS}
"""What each protocol's sequence numbers count."""

LEARNS = {"netflow9": (PACKETS, RECORDS, FLOWS), "ipfix": (RECORDS, FLOWS, PACKETS)}
"""What exporters of a protocol are known to count, the likelier first."""

Integers = npt.NDArray[np.int64]


def distance(later: int, earlier: int) -> int:
    """How far ``later`` is ahead of ``earlier`` modulo 2**32; negative when it is behind."""
    return (later - earlier + HALF) % MODULUS - HALF


@attrs.frozen(eq=False)
class Arrivals:
    """Datagrams (or samples) of one sequence in the order of arrival, a value each.

    :ivar numbers: their sequence numbers.
    :ivar flows, options: flow records and option records in them; ``flows`` is -1 where nobody knows.
    :ivar clock: uptime in milliseconds, or, where the format has none (IPFIX), export time in seconds.
    :ivar received_ns: when each came in.
    """

    numbers: Integers
    flows: Integers
    options: Integers
    clock: Integers
    received_ns: Integers

    def since(self, first: int) -> Arrivals:
        """Those from ``first`` on."""
        rest = slice(first, None)
        return Arrivals(
            self.numbers[rest], self.flows[rest], self.options[rest], self.clock[rest], self.received_ns[rest]
        )

    def steps(self, counted: str) -> Integers:
        """By how much each raises the sequence number when ``counted`` is what the exporter counts."""
        if counted == PACKETS:
            return np.ones_like(self.numbers)
        return self.flows if counted == FLOWS else self.flows + self.options


@attrs.define
class _Missing:
    first: int
    count: int
    seen_ns: int
    doubtful: bool


@attrs.define(eq=False)
class SequenceStream:
    """The state of one sequence.

    :ivar flow_type: the protocol, or ``sflow_samples``.
    :ivar label: which of the exporter's sequences, for people.
    :ivar counted: what the numbers count.
    :ivar received: units that came, in order or late.
    :ivar lost: units that never came.
    :ivar late: units that came out of order, in time.
    :ivar duplicates: units that came again (or much too late, and are in ``lost``).
    :ivar restarts: how often the exporter began anew.
    :ivar lost_while_away: those of ``lost`` that were sent while no kproxy ran.
    """

    flow_type: str
    label: str
    counted: str = attrs.field(init=False)
    received: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    restarts: int = 0
    lost_while_away: int = 0
    _expected: int | None = None
    _clock: int = 0
    _away: bool = False
    _last: tuple[int, int, int] | None = None
    _missing: list[_Missing] = attrs.field(factory=list)
    _recent: deque[int] = attrs.field(factory=lambda: deque(maxlen=RECENT))
    _votes: int = 0
    _candidate: str = ""

    @counted.default
    def _protocol_counts(self) -> str:
        return COUNTED[self.flow_type]

    @property
    def waiting(self) -> bool:
        """Whether something is missing that may still come."""
        return bool(self._missing)

    def follows(self, first: int, following: int, count: int, clock: int) -> bool:
        """Take ``count`` single units in one step, if they begin where they should: the common case.

        :param following: the number behind the last of them.
        """
        if first != self._expected:
            return False
        self._recent.append(first)
        self._expected, self._clock, self._last = following, clock, None
        self.received += count
        return True

    def take(self, arrivals: Arrivals) -> int:
        """Take datagrams in. :return: how often the exporter began anew among them."""
        restarts = self.restarts
        if self._missing:
            self.settle(int(arrivals.received_ns[0]))
        while len(arrivals.numbers):
            arrivals = arrivals.since(self._take(arrivals, arrivals.steps(self.counted)))
        return self.restarts - restarts

    def settle(self, now_ns: int) -> None:
        """What has been missing for too long at ``now_ns`` is lost."""
        while self._missing and self._missing[0].seen_ns + REORDER_NS < now_ns:
            self.lost += self._missing.pop(0).count

    def save(self) -> dict[str, object]:
        """What a successor has to know, ready for JSON; missing units are given up."""
        return {"expected": self._expected, "clock": self._clock, "counted": self.counted}

    def restore(self, saved: Mapping[str, object]) -> None:
        """Go on where a predecessor stopped. :raises MalformedInput: ``saved`` is not what :meth:`save` gave."""
        expected, clock, counted = saved.get("expected"), saved.get("clock"), saved.get("counted")
        if expected is None:
            return
        if not isinstance(expected, int) or not isinstance(clock, int) or counted not in (RECORDS, FLOWS, PACKETS):
            raise MalformedInput("saved sequence numbers are not what they should be")
        self._expected, self._clock, self._away = expected % MODULUS, clock % MODULUS, True
        self.counted = str(counted)

    def _take(self, arrivals: Arrivals, steps: Integers) -> int:
        """Take runs, which have no break in them, until the way of counting changes. :return: datagrams taken."""
        known = (arrivals.flows >= 0) | (self.counted == PACKETS)
        following = (arrivals.numbers + steps) % MODULUS
        breaks = np.flatnonzero((arrivals.numbers[1:] != following[:-1]) | ~known[:-1]) + 1
        bounds = [0, *breaks.tolist(), len(steps)]
        for first, behind in itertools.pairwise(bounds):
            last = behind - 1
            number, counted = int(arrivals.numbers[first]), self.counted
            units = int(steps[first:behind].sum()) if known[last] else None
            moved = self._run(
                number, units, behind - first, int(arrivals.clock[first]), int(arrivals.received_ns[first])
            )
            if self.counted != counted:
                self._expected = number
                return first
            if moved:
                self._clock = int(arrivals.clock[last])
                self._last = int(arrivals.numbers[last]), int(arrivals.flows[last]), int(arrivals.options[last])
                self._expected = int(following[last]) if known[last] else None
        self.settle(int(arrivals.received_ns[-1]))
        return len(steps)

    def _run(self, first: int, units: int | None, datagrams: int, clock: int, now_ns: int) -> bool:
        """Take numbers from ``first`` on; ``None`` units when their number is not known.

        :return: whether the sequence goes on behind them; not behind late ones and duplicates.
        """
        ahead = 0 if self._expected is None else distance(first, self._expected)
        if ahead:
            otherwise = self._counts_otherwise(first)
            if ahead > 0:
                self._ahead(ahead, clock, now_ns, doubtful=otherwise)
            elif not otherwise and self._behind(first, datagrams if units is None else units, clock):
                return False
            if self._votes >= VOTES:
                self._believe()
                return True
        elif self._votes and self._last is not None and self._ways()[self._candidate] != self._ways()[self.counted]:
            self._votes = 0
        self._away = False
        self._recent.append(first)
        self.received += units or 0
        return True

    def _begin_anew(self) -> None:
        self.restarts += 1
        self.lost += sum(hole.count for hole in self._missing)
        self._missing.clear()
        self._recent.clear()

    def _ahead(self, ahead: int, clock: int, now_ns: int, *, doubtful: bool) -> None:
        """Numbers were skipped: they are missing, or the exporter began anew."""
        if ahead > (MAX_AWAY_JUMP if self._away else MAX_JUMP) or self._went_back(clock):
            self._begin_anew()
            return
        if self._away:
            self.lost_while_away += ahead
        self._missing.append(_Missing(self._expected or 0, ahead, now_ns, doubtful))
        if len(self._missing) > MAX_MISSING:
            self.lost += self._missing.pop(0).count

    def _behind(self, first: int, units: int, clock: int) -> bool:
        """Numbers passed before. :return: whether they are late or duplicates; else it is a new beginning."""
        found = self._fill(first, units)
        if found:
            self.late += found
            self.received += found
            return True
        if self._began_anew(clock) or not self._recent or distance(first, self._recent[0]) < 0:
            self._begin_anew()
            return False
        self.duplicates += units
        return True

    def _fill(self, first: int, units: int) -> int:
        """Units of a run that were missing; they are missing no longer."""
        found, kept = 0, []
        for hole in self._missing:
            low = max(0, distance(first, hole.first))
            high = min(hole.count, distance((first + units) % MODULUS, hole.first))
            if low >= high:
                kept.append(hole)
                continue
            found += high - low
            if low:
                kept.append(attrs.evolve(hole, count=low))
            if high < hole.count:
                kept.append(attrs.evolve(hole, first=(hole.first + high) % MODULUS, count=hole.count - high))
        self._missing = kept
        return found

    def _went_back(self, clock: int) -> bool:
        """The exporter's uptime did."""
        return self.flow_type != "ipfix" and distance(clock, self._clock) < -RESTART_MS

    def _began_anew(self, clock: int) -> bool:
        """Lower numbers with an uptime that went back, or, where there is none, with a later export time."""
        if self.flow_type == "ipfix":
            return distance(clock, self._clock) > 0
        return self._went_back(clock)

    def _ways(self) -> dict[str, int]:
        """The step behind the last datagram, by what is counted."""
        _number, flows, options = self._last or (0, 0, 0)
        return {RECORDS: flows + options, FLOWS: flows, PACKETS: 1}

    def _counts_otherwise(self, first: int) -> bool:
        """Whether the step from the last datagram to this one is right if something else is counted."""
        if self._last is None or self._last[1] < 0:
            return False
        step, ways = distance(first, self._last[0]), self._ways()
        for candidate in LEARNS.get(self.flow_type, ()):
            if step == ways[candidate] != ways[self.counted]:
                self._votes = self._votes + 1 if candidate == self._candidate else 1
                self._candidate = candidate
                return True
        self._votes = 0
        return False

    def _believe(self) -> None:
        """Count as the candidate says from now on; nothing is missing that it explains."""
        self.counted, self._votes = self._candidate, 0
        self._missing = [hole for hole in self._missing if not hole.doubtful]
