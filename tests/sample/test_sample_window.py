"""The cap over time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.sample.window import CapWindow


def test_a_busy_device_gets_its_rate_each_second() -> None:
    """When all is spent each second, each second allows the rate again."""
    window = CapWindow(rate=100, seconds=15, now=0)
    spent = []
    for second in range(1, 11):
        allowance = window.allowance(second)
        window.spend(allowance)
        spent.append(allowance)
    assert spent == [200] + [100] * 9  # the first second's credit, then the rate


def test_a_quiet_second_may_be_used_later_in_the_window() -> None:
    """5 quiet seconds of a 15 second window are allowed at once in the sixth."""
    window = CapWindow(rate=100, seconds=15, now=0)
    window.spend(100)
    assert window.allowance(6) == 600


def test_what_is_unused_at_the_end_of_the_window_is_forgotten() -> None:
    """A device that was quiet for a whole window starts the next with one tick's share."""
    window = CapWindow(rate=100, seconds=15, now=0)
    window.allowance(14)
    assert window.allowance(15) == 100


def test_slow_rates_add_up_until_a_flow_may_go() -> None:
    """At 0.25 flows a second the first may go at once, the next after four seconds."""
    window = CapWindow(rate=0.25, seconds=15, now=0)
    allowed = []
    for second in range(1, 9):
        allowance = window.allowance(second)
        window.spend(allowance)
        allowed.append(allowance)
    assert allowed == [0, 0, 1, 0, 0, 0, 1, 0]


@given(st.lists(st.floats(min_value=0.01, max_value=40), min_size=1, max_size=60))
def test_never_more_than_the_rate_over_the_whole_time(steps: list[float]) -> None:
    """However the calls fall, what was spent stays within rate × time and the first credit."""
    window = CapWindow(rate=50, seconds=15, now=0)
    now = spent = 0.0
    for step in steps:
        now += step
        allowance = window.allowance(now)
        window.spend(allowance)
        spent += allowance
    assert spent <= 50 * (now + 1) + 1e-6


def test_a_shared_allowance_keeps_a_second_over_the_end_of_a_window() -> None:
    """Devices of a plan tick at different moments: those just after the end of a window must not find it empty."""
    window = CapWindow(rate=100, seconds=15, now=0, carry=1.0)
    assert [window.allowance(14), window.allowance(15)] == [1500, 200]
