"""The life of the capturing child, on a clock."""

from __future__ import annotations

import errno
from collections.abc import Callable

from twisted.internet.task import Clock

import attrs

from kproxy_tw.bgp.md5.record import Counts, Problem, Ready, Record
from kproxy_tw.bgp.md5.supervision import (
    HEALTHY_SECONDS,
    MOST_RESTART_SECONDS,
    START_SECONDS,
    Supervision,
    capture_command,
    capture_environment,
)
from kproxy_tw.bgp.md5.syn import Syn
from tests.bgp.md5.syn_packets import unsigned


@attrs.define(slots=False)
class FakeChild:
    """Remembers its signals; the test says when it is ready and when it ends."""

    pid: int | None
    record: Callable[[Record], None]
    ended: Callable[[str], None]
    signals: list[str] = attrs.field(factory=list)

    def end(self, signal: str) -> None:
        """Remember."""
        self.signals.append(signal)


@attrs.define(slots=False)
class Nursery:
    """Supervision with children of paper; waits are as long as they may be."""

    clock: Clock = attrs.field(factory=Clock)
    children: list[FakeChild] = attrs.field(factory=list)
    syns: list[Syn] = attrs.field(factory=list)
    troubles: list[str] = attrs.field(factory=list)
    broken: OSError | None = None

    def __attrs_post_init__(self) -> None:
        self.supervision = Supervision(
            reactor=self.clock,
            interface="eth7",
            launch=self._launch,
            syn=self.syns.append,
            trouble=self.troubles.append,
            uniform=lambda low, high: high,
        )

    def _launch(self, *, record: Callable[[Record], None], ended: Callable[[str], None]) -> FakeChild:
        if self.broken is not None:
            raise self.broken
        self.children.append(FakeChild(100 + len(self.children), record, ended))
        return self.children[-1]


def test_records_arrive() -> None:
    """SYNs go on, counts are kept, ready is ready."""
    nursery = Nursery()
    nursery.supervision.start()
    (child,) = nursery.children
    assert not nursery.supervision.ready
    for record in (Ready(), unsigned("10.0.0.1"), Counts(syns=1)):
        child.record(record)
    assert (nursery.supervision.ready, nursery.supervision.pid) == (True, 100)
    assert (nursery.syns, nursery.supervision.counts) == ([unsigned("10.0.0.1")], Counts(syns=1))


def test_it_is_started_again_after_growing_waits() -> None:
    """1, 2, 4 seconds at most, and never more than a minute; the first is within two seconds."""
    nursery, waits = Nursery(), []
    nursery.supervision.start()
    for _death in range(9):
        nursery.children[-1].ended("killed")
        began, count = nursery.clock.seconds(), len(nursery.children)
        while len(nursery.children) == count:
            nursery.clock.advance(0.5)
        waits.append(nursery.clock.seconds() - began)
    assert waits == [1, 2, 4, 8, 16, 32, 60, MOST_RESTART_SECONDS, MOST_RESTART_SECONDS]
    assert nursery.supervision.restarts == 9
    assert nursery.troubles == ["killed"] * 9


def test_a_healthy_life_is_rewarded() -> None:
    """A child that lived long is followed by one a second later, however many died before."""
    nursery = Nursery()
    nursery.supervision.start()
    for _death in range(5):
        nursery.children[-1].ended("killed")
        nursery.clock.advance(16)
    nursery.children[-1].record(Ready())
    nursery.clock.advance(HEALTHY_SECONDS)
    nursery.children[-1].ended("killed")
    nursery.clock.advance(0.9)
    assert len(nursery.children) == 6
    nursery.clock.advance(0.1)
    assert len(nursery.children) == 7


def test_a_child_that_does_not_get_ready_is_ended() -> None:
    """After a while, and once; a ready one is left alone."""
    nursery = Nursery()
    nursery.supervision.start()
    nursery.clock.advance(START_SECONDS)
    assert nursery.children[0].signals == ["KILL"]
    nursery.children[0].ended("killed")
    nursery.clock.advance(1)
    nursery.children[1].record(Ready())
    nursery.clock.advance(2 * START_SECONDS)
    assert nursery.children[1].signals == []


def test_what_the_child_says_is_told_in_words() -> None:
    """An interface that is not there, and a capability that is missing."""
    nursery = Nursery()
    nursery.supervision.start()
    nursery.children[0].record(Problem(errno.ENODEV))
    nursery.children[0].ended("status 1")
    nursery.clock.advance(1)
    nursery.children[1].record(Problem(errno.EPERM))
    nursery.children[1].ended("status 1")
    assert nursery.troubles == [
        "there is no network interface eth7 (--md5-listen-interface)",
        "the capability CAP_NET_RAW is missing",
    ]


def test_a_child_that_cannot_be_started_is_tried_again() -> None:
    """No process left: told, and tried again."""
    nursery = Nursery(broken=OSError(errno.EAGAIN, "Resource temporarily unavailable"))
    nursery.supervision.start()
    nursery.broken = None
    nursery.clock.advance(1)
    assert nursery.troubles == ["cannot start it: Resource temporarily unavailable"]
    assert len(nursery.children) == 1


def test_stop_waits_for_the_child_and_starts_none() -> None:
    """It is ended, its end is awaited, and no timer is left."""
    nursery, stopped = Nursery(), []
    nursery.supervision.start()
    nursery.supervision.stop(lambda: stopped.append(True))
    assert (nursery.children[0].signals, stopped) == (["KILL"], [])
    nursery.children[0].ended("killed")
    assert (stopped, nursery.clock.getDelayedCalls()) == ([True], [])


def test_stop_while_none_runs() -> None:
    """Between two children: done at once, and none follows."""
    nursery, stopped = Nursery(), []
    nursery.supervision.start()
    nursery.children[0].ended("killed")
    nursery.supervision.stop(lambda: stopped.append(True))
    assert (stopped, nursery.clock.getDelayedCalls()) == ([True], [])


def test_the_child_inherits_no_secret() -> None:
    """Its environment holds the way to the package and nothing else; its command line interface and ports."""
    assert set(capture_environment()) == {"PYTHONPATH"}
    assert capture_command("any", (179, 1790))[-2:] == ["any", "179,1790"]
