"""Growth of counters: through restarts, rounds, leaps and agents that freeze, nothing is told that did not happen."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.snmp.counters import Counted, CounterHistory, Sample, growth
from kproxy_tw.snmp.reading import Counts, EventKind
from kproxy_tw.snmp.uptime import ROUND_SECONDS, Continuity, Uptime
from kproxy_tw.snmp.wraps import WRAP_32, octets_from_packets

GIGABIT = 1_000_000_000
INTERVAL = 300.0
WIDE = frozenset({"in_octets", "out_octets", "in_unicast", "out_unicast"})


def sample(at: float, octets: int, *, index: int = 1, name: str = "eth0", wide: bool = True) -> Sample:
    """An interface of 1 Gbit/s that has counted so many octets in, and twice as many out."""
    totals = {"in_octets": octets, "out_octets": 2 * octets, "in_unicast": octets // 500, "out_unicast": octets // 250}
    if not wide:
        totals = {counter: value % WRAP_32 for counter, value in totals.items()}
    return Sample(
        index=index,
        name=name,
        totals=totals,
        wide=WIDE if wide else frozenset(),
        at=at,
        discontinuity=0,
        speed_bps=GIGABIT,
        mtu=1500,
        admin_status=1,
        oper_status=1,
    )


class Device:
    """A device that is polled every five minutes."""

    def __init__(self) -> None:
        self.history = CounterHistory()

    def poll(self, at: float, *found: Sample, uptime: float | None = None) -> Counted:
        """One poll; the agent's clock goes right if not told otherwise."""
        seconds = 10_000 + at if uptime is None else uptime
        return self.history.take(list(found), Uptime(seconds, at), complete=True)

    def rate(self, at: float, found: Sample, uptime: float | None = None) -> float | None:
        """Bits per second in, as the poll tells."""
        return self.poll(at, found, uptime=uptime).counters[0].in_bits_per_second


def test_first_poll_tells_no_growth() -> None:
    """There is nothing to compare with."""
    counted = Device().poll(0, sample(0, 10**12))
    assert counted.counters[0].deltas is None
    assert counted.counters[0].totals.in_octets == 10**12


def test_rates_are_of_the_real_time_between() -> None:
    """A poll that comes 17 s late has as much more to divide by."""
    device = Device()
    device.poll(0, sample(0, 1_000_000))
    counted = device.poll(317, sample(317, 1_000_000 + 31_700_000)).counters[0]
    assert counted.seconds == 317
    assert counted.deltas is not None
    assert counted.deltas.in_octets == 31_700_000
    assert counted.in_bits_per_second == pytest.approx(800_000)
    assert counted.out_utilization == pytest.approx(1_600_000 / GIGABIT)


def test_a_restart_tells_nothing_and_the_next_poll_goes_on() -> None:
    """The agent's uptime begins anew, and so do its counters."""
    device = Device()
    device.poll(0, sample(0, 10**11))
    restarted = device.poll(INTERVAL, sample(INTERVAL, 5000), uptime=20.0)
    assert restarted.counters[0].deltas is None
    assert [event.kind for event in restarted.events] == [EventKind.AGENT_RESTARTED]
    assert device.rate(600, sample(600, 5000 + 3_000_000), uptime=320.0) == pytest.approx(80_000)


def test_a_restart_that_only_the_uptime_tells() -> None:
    """Counters that have overtaken their old figures since are not of this interval."""
    device = Device()
    device.poll(0, sample(0, 5000), uptime=60.0)
    counted = device.poll(INTERVAL, sample(INTERVAL, 10_000_000), uptime=200.0)
    assert counted.counters[0].deltas is None
    assert counted.events[0].kind is EventKind.AGENT_RESTARTED


def test_uptime_that_goes_round_is_no_restart() -> None:
    """After 497 days."""
    device = Device()
    device.poll(0, sample(0, 1000), uptime=ROUND_SECONDS - 100)
    assert device.rate(INTERVAL, sample(INTERVAL, 1000 + 3_000_000), uptime=200.0) == pytest.approx(80_000)


def test_a_counter_of_64_bits_that_goes_back_began_anew() -> None:
    """All of its interface are then silent for one poll, and no other's."""
    device = Device()
    device.poll(0, sample(0, 10**12), sample(0, 1000, index=2, name="eth1"))
    counted = device.poll(INTERVAL, sample(INTERVAL, 10**9), sample(INTERVAL, 4000, index=2, name="eth1"))
    assert counted.counters[0].deltas is None
    assert counted.counters[1].deltas is not None


def test_discontinuity_time() -> None:
    """The agent says itself that the counters began anew (RFC 2863)."""
    before, now = sample(0, 1000), attrs.evolve(sample(INTERVAL, 2000), discontinuity=5)
    assert growth(before, now) == (None, False)


def test_32_bits_go_round_once() -> None:
    """On 100 Mbit/s, 300 s cannot hold two rounds."""
    slow = 100_000_000
    before = attrs.evolve(sample(0, WRAP_32 - 1000, wide=False), speed_bps=slow)
    now = attrs.evolve(sample(INTERVAL, WRAP_32 - 1000 + 2_000_000, wide=False), speed_bps=slow)
    deltas, _too_fast = growth(before, now)
    assert deltas is not None
    assert deltas.in_octets == 2_000_000


def test_32_bits_on_a_fast_link_are_resolved_by_packets() -> None:
    """At 1 Gbit/s there may be several rounds in 300 s; only one fits what the packets can hold."""
    octets = 3 * WRAP_32 + 12_345
    before, now = sample(0, 0, wide=False), sample(INTERVAL, octets, wide=False)
    now = attrs.evolve(now, totals={**now.totals, "in_unicast": octets // 1400})
    before = attrs.evolve(before, totals={**before.totals, "in_unicast": 0})
    found = octets_from_packets(octets % WRAP_32, octets // 1400, 1300, 1500, 10 * WRAP_32)
    assert found == octets
    deltas, _too_fast = growth(before, now)
    # Packets of 32 to 1564 octets leave room for other rounds: then nothing is told.
    assert deltas is None or deltas.in_octets is None


def test_32_bits_with_few_packets_are_resolved() -> None:
    """Little traffic on a fast link: its packets cannot hold another round."""
    before, now = sample(0, 1000, wide=False), sample(INTERVAL, 5_001_000, wide=False)
    deltas, _too_fast = growth(before, now)
    assert deltas is not None
    assert deltas.in_octets == 5_000_000


def test_a_leap_is_no_spike() -> None:
    """More than the link can carry, once: it is not believed."""
    device = Device()
    device.poll(0, sample(0, 1000))
    assert device.rate(300, sample(300, 10**15)) is None
    assert device.rate(600, sample(600, 10**15 + 3_000_000)) == pytest.approx(80_000)


def test_twice_too_fast_is_a_wrong_speed() -> None:
    """An interface that says 1 Gbit/s and carries 8 for long is believed from the second time on."""
    device = Device()
    device.poll(0, sample(0, 0))
    assert device.rate(300, sample(300, 300 * 10**9)) is None
    assert device.rate(600, sample(600, 600 * 10**9)) == pytest.approx(8e9)


def test_never_faster_than_any_interface() -> None:
    """Not even the tenth time."""
    device = Device()
    for number in range(10):
        assert device.rate(number * 300.0, sample(number * 300.0, number * 10**15)) is None


def test_an_agent_that_stands_still() -> None:
    """Its clock does not move: nothing is told, and what comes then is of the whole time."""
    device = Device()
    device.poll(0, sample(0, 1000))
    assert device.rate(300, sample(300, 1000), uptime=10_000.0) is None
    assert device.rate(600, sample(600, 1000), uptime=10_000.0) is None
    assert device.rate(900, sample(900, 1000 + 9_000_000)) == pytest.approx(80_000)


def test_an_agent_whose_counters_stand_still() -> None:
    """Its clock moves, but it tells old figures: growth of nothing, and then of the whole time, never a spike."""
    device = Device()
    device.poll(0, sample(0, 1000))
    assert device.rate(300, sample(300, 1000)) == 0
    assert device.rate(600, sample(600, 1000)) == 0
    assert device.rate(900, sample(900, 1000 + 9_000_000)) == pytest.approx(80_000)


def test_renumbered_interfaces_keep_their_growth() -> None:
    """They are followed by name."""
    device = Device()
    device.poll(0, sample(0, 10**9, index=1, name="a"), sample(0, 10, index=2, name="b"))
    counted = device.poll(
        300, sample(300, 10**9 + 3_000_000, index=2, name="a"), sample(300, 3_000_010, index=1, name="b")
    )
    assert [(c.index, c.deltas.in_octets if c.deltas else None) for c in counted.counters] == [
        (2, 3_000_000),
        (1, 3_000_000),
    ]


def test_interfaces_of_one_name_are_told_apart_by_index() -> None:
    """Names that are not unique follow nothing."""
    device = Device()
    device.poll(0, sample(0, 10**9, index=1, name="x"), sample(0, 10, index=2, name="x"))
    counted = device.poll(300, sample(300, 10**9 + 100, index=1, name="x"), sample(300, 60, index=2, name="x"))
    assert [c.deltas.in_octets if c.deltas else None for c in counted.counters] == [100, 50]


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.floats(0, 1e7)), min_size=2, max_size=12))
def test_never_a_spike(steps: list[tuple[int, float]]) -> None:
    """Whatever counters and clocks say, no rate is above what the fastest interface can carry."""
    device = Device()
    for number, (octets, uptime) in enumerate(steps):
        for counted in device.poll(number * 300.0, sample(number * 300.0, octets), uptime=uptime).counters:
            assert (counted.in_bits_per_second or 0) <= 2.6e12
            assert counted.deltas is None or all(value is None or value >= 0 for value in attrs.astuple(counted.deltas))


@given(st.integers(0, 5 * WRAP_32), st.integers(0, 10**8), st.integers(32, 1000), st.integers(1000, 9300))
def test_octets_from_packets_fit(real: int, packets: int, smallest: int, largest: int) -> None:
    """What is told fits the packets; and the real growth is told when it is the only one that does."""
    told = octets_from_packets(real % WRAP_32, packets, smallest, largest, 10 * WRAP_32)
    fitting = [
        octets
        for octets in range(real % WRAP_32, 10 * WRAP_32 + 1, WRAP_32)
        if packets * smallest <= octets <= packets * largest
    ]
    assert told == (fitting[0] if len(fitting) == 1 else None)


@pytest.mark.parametrize(
    ("before", "now", "passed", "continuity"),
    [
        (1000, 1300, 300, Continuity.GOES_ON),
        (1000, 1298, 300, Continuity.GOES_ON),
        (1000, 5, 300, Continuity.RESTARTED),
        (1000, 1000, 300, Continuity.STANDS_STILL),
        (50, 250, 300, Continuity.RESTARTED),
        (1_000_000, 1_000_150, 300, Continuity.GOES_ON),
    ],
    ids=["right", "two seconds slow", "began anew", "frozen", "began anew and overtook", "slow clock"],
)
def test_uptime(before: float, now: float, passed: float, continuity: Continuity) -> None:
    """What an agent's clock tells of the time between."""
    assert Uptime(now, passed).since(Uptime(before, 0)) is continuity


def test_counts_are_by_name() -> None:
    """The names of samples are those of readings."""
    assert {field.name for field in attrs.fields(Counts)} >= WIDE
