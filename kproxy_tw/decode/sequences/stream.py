"""One sequence of numbers: what an exporter counted, what came of it, and what never did.

Sources: NetFlow v5 counts flows (Cisco, "NetFlow Export Datagram Format"), NetFlow v9 packets (RFC 3954 section 5.1),
IPFIX data records, those of options too (RFC 7011 section 3.1), sFlow datagrams, and samples per data source (sFlow
Version 5, section 5). Some exporters count otherwise than their protocol says; three transitions in a row that agree
on another way of counting are believed, and what looked like a loss until then is none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import starmap
from typing import NamedTuple

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
"""Numbers not much older than those of so many turns ago may come once more and are duplicates; older ones mean a new
beginning."""

RESTART_MS = 5_000
"""An uptime that goes back by more than this is no reordering."""

MAX_JUMP = 1 << 24
"""A larger step forward is a new beginning, not a loss of that many."""

MAX_AWAY_JUMP = 1 << 28
"""The same for the first numbers after a restart of our own: much may have been sent meanwhile."""

FIRST_RUNS, MOST_RUNS = 4, 32
"""Runs of numbers without a break that are read out of arrays in one step, in the first one and at most: one by one it
takes a third longer, and many would be in vain where the way of counting changes soon."""

VOTES = 3
"""Transitions that have to agree on another way of counting before it is believed."""

RECORDS, FLOWS, PACKETS = "records", "flows", "packets"
FLOWS_AFTER = "flows with those of the message"
"""As softflowd does: the number is that behind the message's flows, not before them."""

COUNTED = {"netflow5": FLOWS, "netflow7": FLOWS, "netflow9": PACKETS, "ipfix": RECORDS, "sflow": PACKETS}
COUNTED |= {"sflow_samples": PACKETS}
"""What each protocol's sequence numbers count."""

LEARNS = {"netflow9": (PACKETS, RECORDS, FLOWS), "ipfix": (RECORDS, FLOWS, PACKETS, FLOWS_AFTER)}
"""What exporters of a protocol are known to count, the likelier first."""

Integers = npt.NDArray[np.int64]


def distance(later: int, earlier: int) -> int:
    """How far ``later`` is ahead of ``earlier`` modulo 2**32; negative when it is behind."""
    return (later - earlier + HALF) % MODULUS - HALF


class Datagram(NamedTuple):
    """One of :class:`Arrivals`."""

    number: int
    flows: int
    options: int
    clock: int
    received_ns: int


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
        return self.flows + self.options if counted == RECORDS else self.flows

    def firsts(self, counted: str) -> Integers:
        """The number of the first unit in each."""
        if counted != FLOWS_AFTER:
            return self.numbers
        return np.where(self.flows < 0, self.numbers, (self.numbers - self.flows) % MODULUS)

    def at(self, positions: Integers) -> Iterator[Datagram]:
        """Some of them."""
        columns = (self.numbers, self.flows, self.options, self.clock, self.received_ns)
        return starmap(Datagram, np.stack([column[positions] for column in columns], axis=1).tolist())


@attrs.define
class _Missing:
    first: int
    count: int
    seen_ns: int
    doubtful: bool


class _Run(NamedTuple):
    """Datagrams without a break between them.

    :ivar position: of the first datagram among the arrivals.
    :ivar first: number of the first unit.
    :ivar following: the number behind the last one.
    :ivar units: how many they are; ``None`` when nobody knows, and what follows neither.
    :ivar head, tail: the first datagram and the last one.
    """

    position: int
    datagrams: int
    first: int
    following: int
    units: int | None
    head: Datagram
    tail: Datagram


def _runs(arrivals: Arrivals, counted: str) -> Iterator[_Run]:
    """The arrivals as runs. :param counted: what the exporter counts."""
    steps, firsts = arrivals.steps(counted), arrivals.firsts(counted)
    following, behind = (firsts + steps) % MODULUS, np.cumsum(steps)
    known = (arrivals.flows >= 0) | (counted == PACKETS)
    breaks = np.flatnonzero((firsts[1:] != following[:-1]) | ~known[:-1]) + 1
    heads, tails = np.append(0, breaks), np.append(breaks, len(steps)) - 1
    start, stop = 0, FIRST_RUNS
    while start < len(heads):
        head, tail = heads[start:stop], tails[start:stop]
        start, stop = stop, stop + min(stop, MOST_RUNS)
        units = behind[tail] - behind[head] + steps[head]
        columns = (head, tail - head + 1, firsts[head], following[tail], units, known[tail])
        numbers = np.stack(columns, axis=1).tolist()
        for row, first, last in zip(numbers, arrivals.at(head), arrivals.at(tail), strict=True):
            position, datagrams, number, after, count, is_known = row
            yield _Run(position, datagrams, number, after, count if is_known else None, first, last)


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
    :ivar breaks: how often a datagram was looked at by itself, because its number did not follow the last one.
    :ivar lost_while_away: units sent between the last save of a predecessor's state and our first datagram; not in
        ``lost``: after a crash, some of them may have come.
    """

    flow_type: str
    label: str
    counted: str = attrs.field(init=False)
    received: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    restarts: int = 0
    breaks: int = 0
    lost_while_away: int = 0
    _expected: int | None = None
    _clock: int = 0
    _away: bool = False
    _last: Datagram | None = None
    _missing: list[_Missing] = attrs.field(factory=list)
    _recent: deque[int] = attrs.field(factory=lambda: deque(maxlen=RECENT))
    _votes: dict[str, int] = attrs.field(factory=dict)

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

    def skim(self, arrivals: Arrivals) -> bool:
        """Take single units in one step of which many are missing and none is out of order.

        :return: whether that is so; else nothing is taken.
        """
        if self._expected is None or self._missing:
            return False
        before = np.concatenate([[self._expected], (arrivals.numbers[:-1] + 1) % MODULUS])
        ahead = (arrivals.numbers - before + HALF) % MODULUS - HALF
        if ahead.min() < 0 or ahead.max() > MAX_JUMP or self._went_back(int(arrivals.clock[0])):
            return False
        self._recent.append(int(arrivals.numbers[0]))
        self._expected, self._clock = (int(arrivals.numbers[-1]) + 1) % MODULUS, int(arrivals.clock[-1])
        self._last, self._away = None, False
        self.received += len(ahead)
        holes = np.flatnonzero(ahead)[-MAX_MISSING:].tolist()
        self.lost += int(ahead.sum()) - int(ahead[holes].sum())
        for row in holes:
            self._missing.append(_Missing(int(before[row]), int(ahead[row]), int(arrivals.received_ns[row]), False))
        self.settle(int(arrivals.received_ns[-1]))
        return True

    def pass_over(self, arrivals: Arrivals) -> None:
        """Take single units whose numbers follow each other so seldom that they say nothing about what is missing."""
        self._expected, self._clock = (int(arrivals.numbers[-1]) + 1) % MODULUS, int(arrivals.clock[-1])
        self._last, self._away = None, False
        self.received += len(arrivals.numbers)

    def take(self, arrivals: Arrivals) -> int:
        """Take datagrams in. :return: how often the exporter began anew among them."""
        restarts = self.restarts
        if self._missing:
            self.settle(int(arrivals.received_ns[0]))
        while len(arrivals.numbers):
            arrivals = arrivals.since(self._take(arrivals))
        return self.restarts - restarts

    def settle(self, now_ns: int) -> None:
        """What has been missing for too long at ``now_ns`` is lost."""
        while self._missing and self._missing[0].seen_ns + REORDER_NS < now_ns:
            if self._missing[0].doubtful and self._votes:
                break  # the next datagram tells whether it is one
            self.lost += self._missing.pop(0).count

    def save(self) -> dict[str, object]:
        """What a successor has to know, ready for JSON; missing units are given up."""
        return {"expected": self._expected, "clock": self._clock, "counted": self.counted}

    def restore(self, saved: Mapping[str, object]) -> None:
        """Go on where a predecessor stopped. :raises MalformedInput: ``saved`` is not what :meth:`save` gave."""
        expected, clock, counted = saved.get("expected"), saved.get("clock"), saved.get("counted")
        if expected is None:
            return
        if (
            not isinstance(expected, int)
            or not isinstance(clock, int)
            or counted not in (RECORDS, FLOWS, PACKETS, FLOWS_AFTER)
        ):
            raise MalformedInput("saved sequence numbers are not what they should be")
        self._expected, self._clock, self._away = expected % MODULUS, clock % MODULUS, True
        self.counted = str(counted)

    def _take(self, arrivals: Arrivals) -> int:
        """Take runs until the way of counting changes. :return: datagrams taken."""
        counted = self.counted
        for run in _runs(arrivals, counted):
            self.breaks += run.position > 0
            doubtful = self._vote(run.head)
            if self.counted != counted:
                self._expected = None
                return run.position
            if self._run(run, doubtful=doubtful):
                self._clock, self._last = run.tail.clock, run.tail
                self._expected = None if run.units is None else run.following
        self.settle(int(arrivals.received_ns[-1]))
        return len(arrivals.numbers)

    def _run(self, run: _Run, *, doubtful: bool) -> bool:
        """Take numbers without a break.

        :param doubtful: they are where they should be if the exporter counts otherwise than we think.
        :return: whether the sequence goes on behind them; not behind late ones and duplicates.
        """
        ahead = 0 if self._expected is None else distance(run.first, self._expected)
        if ahead > 0:
            self._ahead(ahead, run, doubtful=doubtful)
        elif ahead < 0 and not doubtful and self._behind(run):
            return False
        self._away = False
        self._recent.append(run.first)
        self.received += run.units or 0
        return True

    def _begin_anew(self) -> None:
        self.restarts += 1
        self.lost += sum(hole.count for hole in self._missing)
        self._missing.clear()
        self._recent.clear()

    def _ahead(self, ahead: int, run: _Run, *, doubtful: bool) -> None:
        """Numbers were skipped: they are missing, or the exporter began anew."""
        if ahead > (MAX_AWAY_JUMP if self._away else MAX_JUMP) or self._went_back(run.head.clock):
            self._begin_anew()
            return
        if self._away:
            self.lost_while_away += ahead
            return
        self._missing.append(_Missing(self._expected or 0, ahead, run.head.received_ns, doubtful))
        if len(self._missing) > MAX_MISSING:
            self.lost += self._missing.pop(0).count

    def _behind(self, run: _Run) -> bool:
        """Numbers passed before. :return: whether they are late or duplicates; else it is a new beginning."""
        units = run.datagrams if run.units is None else run.units
        found = self._fill(run.first, units)
        if found:
            self.late += found
            self.received += found
            return True
        oldest = self._recent[0] if self._recent else self._expected or 0
        if self._began_anew(run.head.clock) or distance(run.first, oldest) < -RECENT * max(1, units):
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

    def _vote(self, here: Datagram) -> bool:
        """Compare the step from the last datagram with every way of counting; believe one that has proved right.

        :return: whether the step is right for another way, and wrong for the present one.
        """
        candidates = LEARNS.get(self.flow_type)
        if not candidates or self._last is None or min(self._last.flows, here.flows) < 0:
            return False
        last = self._last
        step = distance(here.number, last.number)
        ways = {RECORDS: last.flows + last.options, FLOWS: last.flows, PACKETS: 1, FLOWS_AFTER: here.flows}
        if step == ways[self.counted]:
            self._votes = {way: votes for way, votes in self._votes.items() if ways[way] == step}
            return False
        self._votes = {way: self._votes.get(way, 0) + 1 for way in candidates if ways[way] == step}
        for way, votes in self._votes.items():
            if votes >= VOTES:
                self._believe(way)
                break
        return bool(self._votes)

    def _believe(self, way: str) -> None:
        """Count so from now on; nothing is missing that it explains."""
        self.counted, self._votes = way, {}
        self._missing = [hole for hole in self._missing if not hole.doubtful]
