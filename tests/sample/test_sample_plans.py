"""A plan's cap, shared."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.sample.devicecap import DeviceCap
from kproxy_tw.sample.plans import PlanCap, PlanCaps, fair_level


def test_small_demands_are_met_and_the_others_get_the_same() -> None:
    """100, 500 and 900 of 900: 100, 400, 400. 100, 200 and 900: 100, 200, 600."""
    assert fair_level([500, 100, 900], 900) == 400
    assert fair_level([100, 200, 900], 900) == 600


@given(st.lists(st.floats(0, 1e6), max_size=50), st.floats(1, 1e6))
def test_the_level_uses_the_whole_cap_and_not_more(demands: list[float], total: float) -> None:
    """What all get is the cap, or everything they want where that is less."""
    level = fair_level(demands, total)
    if level == math.inf:
        assert sum(demands) <= total * (1 + 1e-9)
    else:
        assert sum(min(demand, level) for demand in demands) == pytest.approx(total)
        assert sum(demands) > total * (1 - 1e-9)


def run(offers: list[list[int]], plan_fps: float, *, own: float = 4000.0) -> list[list[int]]:
    """Devices that offer so much each second tick at moments of their own; what each sent each second."""
    plan = PlanCap(plan_fps, 15.0, 0.0)
    caps = [DeviceCap(own, 15.0, 0.0, plan, member) for member in range(len(offers))]
    sent: list[list[int]] = [[] for _device in offers]
    waiting = [0] * len(offers)
    for second in range(len(offers[0])):
        for member, cap in enumerate(caps):
            now = second + 1 + 0.1 * member
            waiting[member] += offers[member][second]
            flows = min(cap.allowance(waiting[member], now), waiting[member])
            sent[member].append(flows)
            if flows:
                cap.spend(flows, waiting[member], now)
                waiting[member] = 0
    return sent


def test_devices_of_a_plan_share_it_fairly() -> None:
    """Three that offer 100, 2,000 and 9,000 a second to a plan of 900 get 100, 400 and 400 over a minute."""
    sent = run([[100] * 60, [2000] * 60, [9000] * 60], 900)
    rates = [sum(seconds[15:]) / 45 for seconds in sent]
    assert rates == pytest.approx([100, 400, 400], rel=0.03)


def test_all_devices_together_stay_within_the_plan() -> None:
    """Whatever they offer, in bursts too: the cap × time, and one second's worth."""
    bursts = [[9000 if (second + shift) % 7 == 0 else 10 for second in range(90)] for shift in range(5)]
    assert sum(map(sum, run(bursts, 1000))) <= 1000 * (90 + 2)


def test_what_fits_the_plan_is_not_limited() -> None:
    """Three devices that offer less than the plan together send everything."""
    assert [sum(seconds) for seconds in run([[200] * 30, [300] * 30, [50] * 30], 900)] == [6000, 9000, 1500]


def test_a_quiet_device_leaves_its_share_to_the_others() -> None:
    """When one of two stops after 30 seconds, the other's 500 become 1,000 within two seconds."""
    sent = run([[5000] * 30 + [0] * 30, [5000] * 60], 1000)
    assert sum(sent[1][16:30]) / 14 == pytest.approx(500, rel=0.05)
    assert sum(sent[1][33:60]) / 27 == pytest.approx(1000, rel=0.05)


def test_the_own_cap_still_holds() -> None:
    """A plan that has room does not lift a device's cap."""
    assert sum(run([[5000] * 30], 100_000, own=200)[0]) == 200 * 31


def test_plans_are_told_apart_and_forgotten() -> None:
    """Devices of one company and one figure share; 0 is no plan; the last to leave takes the plan along."""
    plans = PlanCaps(15.0, share=0.5)
    first = plans.join(1, 1000, 7, 0.0)
    assert first is not None
    assert first.rate == 500
    assert plans.join(1, 1000, 8, 0.0) is first
    assert plans.join(2, 1000, 9, 0.0) is not first
    assert plans.join(1, 0, 9, 0.0) is None
    plans.leave(1, 1000, 7, 1.0)
    assert plans.join(1, 1000, 7, 1.0) is first
    plans.leave(1, 1000, 7, 1.0)
    plans.leave(1, 1000, 8, 1.0)
    assert plans.join(1, 1000, 7, 2.0) is not first
