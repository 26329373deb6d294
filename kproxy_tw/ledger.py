"""What became of every datagram and record: the ledger, and its differences over time.

One :class:`Ledger` stands for each device, one for all unregistered sources together, and
their sum is the total. The identity that always holds::

    records_received = records_forwarded + records_sampled_out + Σ records_dropped + records_in_flight

Records are what exporters send: one that becomes two flows (both directions of a connection) is one record here.
The identity holds because records enter through :meth:`Ledger.receive` only and leave through exactly one
of :meth:`~Ledger.forward`, :meth:`~Ledger.sample_out` and :meth:`~Ledger.drop`.

The same for the messages that records go to the backend in::

    messages_created = messages_sent + messages_split + dead_letters + Σ messages_dropped + messages_in_flight

A message that is split ends, and its halves are two new ones. Messages enter through :meth:`Ledger.create_message` and
:meth:`~Ledger.inherit`, and leave through one of :meth:`~Ledger.deliver_message`, :meth:`~Ledger.split_message`,
:meth:`~Ledger.refuse_message` and :meth:`~Ledger.drop_messages`, which give their records the same fate.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
from operator import attrgetter

import attrs

RECORD_DROP_REASONS = (
    "malformed",
    "no_template",
    "unregistered",
    "disabled",
    "egress",
    "queue_full",
    "spool_full",
    "spool_expired",
    "spool_corrupt",
    "rejected",
    "encode",
    "shutdown",
)
"""Every reason for which a record may be dropped; others raise :exc:`ValueError`."""

DATAGRAM_DROP_REASONS = ("malformed", "unregistered", "unknown_version", "shed")
"""Every reason for which a whole datagram may be dropped."""

MESSAGE_DROP_REASONS = ("unregistered", "queue_full", "spool_full", "spool_expired", "spool_corrupt", "shutdown")
"""Every reason for which a message may be dropped, with the records in it."""


def _counter(reasons: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys(reasons, 0))


@attrs.define(slots=True)
class Ledger:
    """Counts since start; see the module docstring for the identity.

    :ivar sequence_gaps: what the exporters' sequence numbers say was sent and never came: records (NetFlow v5, IPFIX),
        packets (v9), datagrams (sFlow).
    :ivar sequence_seen: what came, counted in the same way.
    :ivar messages_created: messages that were made, halves of others and those found on disk at the start included.
    :ivar messages_in_flight: those without a fate: in memory or in the spool.
    :ivar messages_sent: messages that the backend has acknowledged.
    :ivar messages_retried: attempts that were repeated.
    :ivar messages_split: messages that were too large for the backend, and became two each.
    :ivar dead_letters: messages that the backend has refused for good; their records are ``rejected``.
    """

    datagrams_received: int = 0
    records_received: int = 0
    records_forwarded: int = 0
    records_sampled_out: int = 0
    records_in_flight: int = 0
    kernel_drops: int = 0
    sequence_gaps: int = 0
    sequence_seen: int = 0
    messages_created: int = 0
    messages_in_flight: int = 0
    messages_sent: int = 0
    messages_retried: int = 0
    messages_split: int = 0
    dead_letters: int = 0
    bytes_sent: int = 0
    records_dropped: Counter[str] = attrs.field(factory=lambda: _counter(RECORD_DROP_REASONS))
    datagrams_dropped: Counter[str] = attrs.field(factory=lambda: _counter(DATAGRAM_DROP_REASONS))
    messages_dropped: Counter[str] = attrs.field(factory=lambda: _counter(MESSAGE_DROP_REASONS))

    def receive(self, records: int) -> None:
        """``records`` were found in a datagram; each is in flight until one of the fates below takes it."""
        self.records_received += records
        self.records_in_flight += records

    def forward(self, records: int) -> None:
        """The backend acknowledged the message that holds ``records``."""
        self.records_in_flight -= records
        self.records_forwarded += records

    def sample_out(self, records: int) -> None:
        """The cap left ``records`` out; forwarded ones carry their weight."""
        self.records_in_flight -= records
        self.records_sampled_out += records

    def drop(self, reason: str, records: int) -> None:
        """``records`` are lost for ``reason``. :raises ValueError: not one of the known reasons."""
        if reason not in RECORD_DROP_REASONS:
            raise ValueError(f"no such reason to drop a record: {reason}")
        self.records_in_flight -= records
        self.records_dropped[reason] += records

    def drop_datagram(self, reason: str, count: int = 1) -> None:
        """Whole datagrams are left aside. :raises ValueError: not one of the known reasons."""
        if reason not in DATAGRAM_DROP_REASONS:
            raise ValueError(f"no such reason to drop a datagram: {reason}")
        self.datagrams_dropped[reason] += count

    def create_message(self) -> None:
        """A message was made of records that are in flight."""
        self.messages_created += 1
        self.messages_in_flight += 1

    def inherit(self, messages: int, records: int) -> None:
        """An earlier run has left ``messages`` with ``records`` on disk: they are this run's now."""
        self.receive(records)
        self.messages_created += messages
        self.messages_in_flight += messages

    def deliver_message(self, records: int, size: int) -> None:
        """The backend acknowledged a message. :param size: of its body, bytes."""
        self.forward(records)
        self.messages_in_flight -= 1
        self.messages_sent += 1
        self.bytes_sent += size

    def split_message(self) -> None:
        """A message became two, which hold its records from now on."""
        self.messages_split += 1
        self.messages_created += 2
        self.messages_in_flight += 1

    def refuse_message(self, records: int) -> None:
        """The backend has refused a message for good."""
        self.drop("rejected", records)
        self.messages_in_flight -= 1
        self.dead_letters += 1

    def drop_messages(self, reason: str, messages: int, records: int) -> None:
        """``messages`` are lost for ``reason``, with ``records``. :raises ValueError: not one of the known reasons."""
        if reason not in MESSAGE_DROP_REASONS:
            raise ValueError(f"no such reason to drop a message: {reason}")
        self.drop(reason, records)
        self.messages_in_flight -= messages
        self.messages_dropped[reason] += messages

    @property
    def settled(self) -> bool:
        """Whether nothing is in flight."""
        return not (self.records_in_flight or self.messages_in_flight)

    def balanced(self) -> bool:
        """Whether every record received and every message made has exactly one fate or is in flight."""
        fates = self.records_forwarded + self.records_sampled_out + self.records_dropped.total()
        ends = self.messages_sent + self.messages_split + self.dead_letters + self.messages_dropped.total()
        return (
            min(self.records_in_flight, self.messages_in_flight) >= 0
            and self.records_received == fates + self.records_in_flight
            and self.messages_created == ends + self.messages_in_flight
        )

    def add(self, other: Ledger) -> None:
        """Add every count of ``other`` to this one."""
        for field in attrs.fields(Ledger):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, field.name, mine + theirs)

    @classmethod
    def total(cls, ledgers: Iterable[Ledger]) -> Ledger:
        """The sum of ``ledgers``; counter by counter, for a thousand of them are added up every second."""
        parts = list(ledgers)
        sums = map(sum, zip(*map(_numbers, parts), strict=True))
        return cls(
            **dict(zip(_NUMBERS, sums, strict=False)),
            records_dropped=_added(RECORD_DROP_REASONS, [part.records_dropped for part in parts]),
            datagrams_dropped=_added(DATAGRAM_DROP_REASONS, [part.datagrams_dropped for part in parts]),
            messages_dropped=_added(MESSAGE_DROP_REASONS, [part.messages_dropped for part in parts]),
        )

    def copy(self) -> Ledger:
        """A ledger that counts no further."""
        # In the order of the fields: a page has a thousand of them copied in one go.
        return Ledger(*_numbers(self), *map(Counter, _counters(self)))

    def since(self, before: Ledger) -> Ledger:
        """What was counted after ``before``, an earlier copy of this ledger."""
        result = Ledger(**{name: getattr(self, name) - getattr(before, name) for name in _NUMBERS})
        for name in _COUNTERS:
            now = Counter(getattr(self, name))
            now.subtract(getattr(before, name))
            setattr(result, name, now)
        return result

    def as_json(self) -> dict[str, object]:
        """The counts under their public CamelCase names; reasons as objects with every reason present."""
        return {
            "".join(word.capitalize() for word in field.name.split("_")): (
                dict(value) if isinstance(value := getattr(self, field.name), Counter) else value
            )
            for field in attrs.fields(Ledger)
        }


_COUNTERS = tuple(field.name for field in attrs.fields(Ledger) if field.name.endswith("_dropped"))
_NUMBERS = tuple(field.name for field in attrs.fields(Ledger) if field.name not in _COUNTERS)
_counters, _numbers = attrgetter(*_COUNTERS), attrgetter(*_NUMBERS)


def _added(reasons: Iterable[str], counters: Iterable[Counter[str]]) -> Counter[str]:
    some = [counter for counter in counters if any(counter.values())]  # as a rule few have anything to tell
    return Counter({reason: sum([counter[reason] for counter in some]) for reason in reasons})


LEDGERS = 100
"""Ledgers that are added up at a time, in half a millisecond."""


def adding(ledgers: Sequence[Ledger]) -> Generator[None, None, Ledger]:
    """Add up many ledgers in short steps; the last one returns the sum."""
    sum_so_far = Ledger()
    for first in range(0, len(ledgers), LEDGERS):
        sum_so_far.add(Ledger.total(ledgers[first : first + LEDGERS]))
        yield
    return sum_so_far


class RetiredLedgers:
    """The ledgers of devices that are gone; one is folded into the sum of them when nothing of it is in flight."""

    def __init__(self) -> None:
        self._folded = Ledger()
        self._others: list[Ledger] = []

    def add(self, ledger: Ledger) -> None:
        """A device is gone."""
        self._others.append(ledger)

    def total(self) -> Ledger:
        """The sum."""
        for ledger in self._others:
            if ledger.settled:
                self._folded.add(ledger)
        self._others = [ledger for ledger in self._others if not ledger.settled]
        return Ledger.total([self._folded, *self._others])


SAMPLE_SECONDS = 5
"""Distance between two readings of a :class:`History`."""

HISTORY_SECONDS = 15 * 60
"""How far back a :class:`History` can look."""

HISTORY_READINGS = HISTORY_SECONDS // SAMPLE_SECONDS + 1


class History:
    """Readings of one counter over the last 15 minutes, for "difference over 1 and 15 minutes".

    :meth:`sample` is to be called every ``SAMPLE_SECONDS``.
    """

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings = array("q", [0])

    def sample(self, value: int) -> None:
        """Take a reading of the counter."""
        self._readings.append(value)
        if len(self._readings) > HISTORY_READINGS:
            del self._readings[0]

    def difference(self, value: int, seconds: int) -> int:
        """``value`` less the reading ``seconds`` ago, or less the oldest reading there is."""
        back = min(seconds // SAMPLE_SECONDS, len(self._readings))
        return value - self._readings[-back]

    def readings(self) -> array[int]:
        """A copy of the readings, the oldest first."""
        return self._readings[:]

    def rising_for(self, value: int) -> int | None:
        """How many seconds ago the counter first rose, as far back as is known; ``None`` when it did not."""
        readings = self._readings
        if value == readings[0]:
            return None
        first = next((place for place, reading in enumerate(readings) if reading != readings[0]), len(readings))
        return (len(readings) - first + 1) * SAMPLE_SECONDS


class Trend:
    """Copies of a ledger over the last 15 minutes, for what happens per second."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, Ledger]] = deque(maxlen=HISTORY_READINGS)

    def sample(self, now: float, ledger: Ledger) -> None:
        """Take a reading, every ``SAMPLE_SECONDS``; ``ledger`` counts no further. ``now``: monotonic seconds."""
        self._readings.append((now, ledger))

    def lately(self, now: float, ledger: Ledger, seconds: float) -> tuple[float, Ledger]:
        """What was counted in the last ``seconds``, and in how many seconds that really was; 0 while unknown."""
        for at, before in self._readings:
            if now - at <= seconds + SAMPLE_SECONDS / 2:
                return now - at, ledger.since(before)
        return 0.0, Ledger()

    def forwarded(self) -> list[int]:
        """Readings of the records forwarded, the oldest first."""
        return [ledger.records_forwarded for _at, ledger in self._readings]


class Pace:
    """How fast a counter rises between two readings, and the fastest that it ever did, both per second."""

    def __init__(self) -> None:
        self.latest = 0.0
        self.most = 0.0
        self._before: tuple[float, int] | None = None

    def sample(self, now: float, value: int) -> None:
        """Take a reading, every ``SAMPLE_SECONDS``. ``now``: monotonic seconds."""
        if self._before is not None and now > self._before[0]:
            self.latest = (value - self._before[1]) / (now - self._before[0])
            self.most = max(self.most, self.latest)
        self._before = now, value
