"""What the overview makes of the parts' books."""

from __future__ import annotations

import math
from typing import Any

from twisted.internet.task import Clock

import attrs

from kproxy_tw.ledger import SAMPLE_SECONDS, Ledger
from kproxy_tw.overview import Overview
from kproxy_tw.status import LimitStatus


@attrs.define
class Books:
    """Intake and sockets, as far as their books go."""

    devices: list[Ledger] = attrs.Factory(lambda: [Ledger(), Ledger()])

    def ledgers(self) -> list[Ledger]:
        """One for each device."""
        return self.devices

    def status(self) -> tuple[()]:
        """No socket."""
        return ()


def overview(books: Any, inherited: Ledger, clock: Clock) -> Overview:
    """An overview of these books alone."""
    rest: dict[str, Any] = dict.fromkeys(("sources", "streaming", "delivering", "spool", "refreshing", "polling"))
    return Overview(
        instance_id="x",
        config={},
        start_time=0.0,
        clock=clock,
        wall=clock.seconds,
        intake=books,
        listening=books,
        inherited=inherited,
        **rest,
    )


def test_limits_begin_with_the_flows_per_second_and_their_peak() -> None:
    """Of all devices together; what an earlier run has left on disk does not come in."""
    books, inherited, clock = Books(), Ledger(), Clock()
    seen = overview(books, inherited, clock)

    def after(*records: int) -> LimitStatus:
        for ledger, number in zip(books.devices, records, strict=True):
            ledger.receive(number)
        clock.advance(SAMPLE_SECONDS)
        list(seen.sampling())
        return seen.limits()[0]

    list(seen.sampling())
    assert (seen.limits()[0].current, seen.limits()[0].peak) == (0.0, 0.0)
    assert after(4000, 1000).current == 1000.0
    inherited.inherit(3, 1_000_000)
    assert after(40, 10) == LimitStatus(
        name="Flows per second", current=10.0, limit=math.inf, peak=1000.0, hint=seen.limits()[0].hint
    )
