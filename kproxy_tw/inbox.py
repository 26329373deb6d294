"""Inbox: what came from one exporter since it was last walked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from kproxy_tw.decode.alike import look_alike

if TYPE_CHECKING:
    from kproxy_tw.deviceintake import DeviceIntake
    from kproxy_tw.devices.session import ExporterSession

INBOX_DATAGRAMS = 256
"""Datagrams of one exporter that wait at most, until the tick or the next one, to be walked together."""

ALIKE_DATAGRAMS = 1024
"""The same of an exporter whose datagrams are alike. A walk costs nearly as much as some hundred of these."""

ALIKE_EACH = 16
"""They are alike while a walk of so many meets one thing at most that is looked at by itself, a block of records or a
break in a sequence: some milliseconds' work together, where one by one they would hold the reactor for tens."""

PLACE_BYTES = 2048
"""A datagram of several times this size takes the places of so many: it may hold hundreds of samples, or records."""

TELLING = 64
"""Fewer than this say nothing about the others."""

LOOK_EACH = 8
"""One of so many of the latest is looked at before more may wait, for an exporter's datagrams can stop being alike."""

MAX_RUNS = 16
"""When the source port changes more often than that among them, the datagrams of each port are walked together: the
order holds within a port only."""


@attrs.frozen(eq=False)
class Batch:
    """Datagrams from one port that are walked together.

    :ivar received_ns: when each came in, nanoseconds since 1970.
    """

    port: int
    datagrams: list[bytes]
    received_ns: list[int]


@attrs.define(eq=False)
class Inbox:
    """What waits to be walked.

    :ivar port: the source port of the latest datagram.
    :ivar runs: where in ``datagrams`` those of another port begin, and which port that is.
    :ivar received_ns: when each datagram came in, nanoseconds since 1970.
    :ivar most: when so many datagrams wait, :meth:`is_full` is to be asked.
    :ivar raised: how often ``most`` became larger since the last walk.
    :ivar alike: those that were walked last were alike.
    """

    device: DeviceIntake
    session: ExporterSession
    port: int = -1
    runs: list[tuple[int, int]] = attrs.field(factory=list)
    datagrams: list[bytes] = attrs.field(factory=list)
    received_ns: list[int] = attrs.field(factory=list)
    most: int = INBOX_DATAGRAMS
    raised: int = 0
    alike: bool = False

    def put(self, data: bytes, port: int, received_ns: int) -> None:
        """Let one more datagram wait."""
        if port != self.port:
            self.turn_to(port)
        self.datagrams.append(data)
        self.received_ns.append(received_ns)
        if len(data) > PLACE_BYTES:
            self.has_long(len(data))

    def has_long(self, size: int) -> None:
        """A long datagram waits: fewer others may."""
        self.most -= size // PLACE_BYTES - 1

    def turn_to(self, port: int) -> None:
        """The next datagrams are from another port."""
        self.runs.append((len(self.datagrams), port))
        self.port = port

    def is_full(self) -> bool:
        """Whether no more than ``most`` may wait; if they may, ``most`` becomes larger."""
        if not self.alike or self.raised >= ALIKE_DATAGRAMS // INBOX_DATAGRAMS - 1:
            return True
        first = random.randrange(LOOK_EACH) - INBOX_DATAGRAMS  # noqa: S311, no secret
        if not look_alike(self.datagrams[first::LOOK_EACH]):
            return True
        self.most += INBOX_DATAGRAMS
        self.raised += 1
        return False

    def walked(self, datagrams: int, looks: int) -> None:
        """So many things were looked at one by one in what was taken, and that says whether more may wait next time."""
        if datagrams >= TELLING:
            self.alike = looks * ALIKE_EACH <= datagrams

    def take(self) -> list[Batch]:
        """Everything that waits, in the order in which it came as far as that is possible; nothing waits then."""
        whole = Batch(self.port, self.datagrams, self.received_ns)
        runs, self.runs = self.runs, [(0, self.port)]
        self.datagrams, self.received_ns = [], []
        self.most, self.raised = INBOX_DATAGRAMS, 0
        if not whole.datagrams:
            return []
        if len(runs) == 1:
            return [whole]
        batches = list(_runs(whole, runs))
        return batches if len(batches) <= MAX_RUNS else list(_by_port(batches))


def _runs(whole: Batch, runs: list[tuple[int, int]]) -> Iterator[Batch]:
    ends = [first for first, _port in runs[1:]] + [len(whole.datagrams)]
    for (first, port), last in zip(runs, ends, strict=True):
        if last > first:
            yield Batch(port, whole.datagrams[first:last], whole.received_ns[first:last])


def _by_port(batches: list[Batch]) -> Iterator[Batch]:
    joined: dict[int, Batch] = {}
    for batch in batches:
        known = joined.setdefault(batch.port, Batch(batch.port, [], []))
        known.datagrams.extend(batch.datagrams)
        known.received_ns.extend(batch.received_ns)
    yield from joined.values()
