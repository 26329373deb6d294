"""A clock that is set is noticed, once; one that drifts is not."""

from __future__ import annotations

from kproxy_tw.clocksteps import QUIET_SECONDS, ClockSteps


class Clocks:
    """A wall clock and a monotonic one."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1e9, 100.0
        self.told: list[float] = []
        self.steps = ClockSteps(lambda: self.wall, lambda: self.monotonic, lambda *, seconds: self.told.append(seconds))

    def second(self, *, wall: float = 1.0) -> None:
        """A second passes, in which the wall clock makes ``wall`` of them."""
        self.monotonic += 1
        self.wall += wall
        self.steps.look()


def test_a_step_is_told_once() -> None:
    """An hour forward, then nothing."""
    clocks = Clocks()
    clocks.second()
    clocks.second(wall=3601.0)
    clocks.second()
    assert clocks.told == [3600.0]


def test_a_slow_drift_is_not_told() -> None:
    """Half a second in each: NTP slews less."""
    clocks = Clocks()
    for _second in range(100):
        clocks.second(wall=1.5)
    assert clocks.told == []


def test_steps_in_a_row_are_told_together_after_a_while() -> None:
    """The first at once, all others of the next minute as one sum."""
    clocks = Clocks()
    clocks.second(wall=-3599.0)
    for _second in range(int(QUIET_SECONDS) + 1):
        clocks.second(wall=3.0)
    assert clocks.told[0] == -3600.0
    assert clocks.told[1:] == [2.0 * QUIET_SECONDS]
