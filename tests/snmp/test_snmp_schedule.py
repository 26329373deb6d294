"""When devices are polled: on a grid of their own that nothing moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.snmp.schedule import Grid, Plan, place
from kproxy_tw.snmp.settings import SnmpSchedule

SCHEDULE = SnmpSchedule()


def test_devices_spread_over_the_interval() -> None:
    """200 devices with ids in a row: each tenth of the interval has its share, give or take a few."""
    tenths = [0] * 10
    for device_id in range(1000, 1200):
        tenths[int(place(device_id) * 10)] += 1
    assert all(17 <= count <= 23 for count in tenths)


def test_first_polls_spread_too() -> None:
    """200 at once over 100 s; a single one comes at once."""
    grids = [Grid.of(number, SCHEDULE, now=50.0, begun=0.0, devices=200) for number in range(200)]
    assert 50.0 <= min(grid.first for grid in grids) < 55.0
    assert 145.0 < max(grid.first for grid in grids) <= 150.0
    assert Grid.of(5, SCHEDULE, now=50.0, begun=0.0, devices=1).first <= 50.5


@given(st.integers(0, 2**31), st.floats(0, 1e7), st.floats(0, 1e6))
def test_the_grid_stays(device_id: int, now: float, later: float) -> None:
    """A point is where it is, however late one asks for the next; the first slot is long enough."""
    grid = Grid.of(device_id, SCHEDULE, now=now, begun=0.0, devices=1)
    point = grid.after(now + later)
    assert grid.point(point - 1) <= now + later + 1e-3
    assert grid.point(point) > now + later - 1e-3
    assert grid.point(point) - grid.point(point - 1) == pytest.approx(300.0, abs=1e-3)
    assert grid.point(grid.behind(grid.first)) - grid.first >= 60.0 - 1e-3


def polls(plan: Plan, count: int, *, failures: int = 0) -> list[int]:
    """The points at which a device is polled."""
    points: list[int] = []
    point = 0
    while len(points) < count:
        point = plan.next_point(point, failures=failures, owed=False)
        points.append(point)
        point += 1
    return points


def test_counters_each_interval_descriptions_each_sixth() -> None:
    """5 and 30 minutes."""
    plan = Plan.of(77, SCHEDULE, minimized=False)
    assert polls(plan, 12) == list(range(12))
    wanted = [plan.wanted(point, first=False, owed=False) for point in range(12)]
    assert all(one.counters for one in wanted)
    assert sum(one.descriptions for one in wanted) == 2
    assert wanted[0].most_interfaces == 500
    assert all(one.rank == one.descriptions for one in wanted)


def test_minimized_each_72nd() -> None:
    """6 hours, without counters; the first poll reads them to put interfaces in order."""
    for plan in (
        Plan.of(77, SCHEDULE, minimized=True),
        Plan.of(77, SnmpSchedule(low=True), minimized=False),
    ):
        first, second = polls(plan, 2)
        assert second - first == 72
        assert not plan.wanted(first, first=False, owed=False).counters
        begin = plan.wanted(3, first=True, owed=False)
        assert (begin.descriptions, begin.counters, begin.rank, begin.most_interfaces) == (True, False, True, 750)


def test_backoff_to_15_minutes() -> None:
    """1, 2, 3, 3 ... intervals, minimized or not."""
    for minimized in (False, True):
        plan = Plan.of(77, SCHEDULE, minimized=minimized)
        waits = [plan.next_point(100, failures=failures, owed=True) - 99 for failures in range(1, 6)]
        assert waits == [1, 2, 3, 3, 3]


def test_descriptions_that_are_owed_come_with_the_next_poll() -> None:
    """Not half an hour later."""
    plan = Plan.of(77, SCHEDULE, minimized=True)
    assert plan.next_point(5, failures=0, owed=True) == 5
    assert plan.wanted(5, first=False, owed=True).descriptions
