"""The latest counters of a device, and their rates."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.sflow.counters import CounterSample
from kproxy_tw.devices.counters import (
    MAX_REASON,
    MAX_WAITING,
    SAMPLES_A_SECOND,
    SAMPLES_AT_ONCE,
    CounterStore,
    Discards,
    SourceCounters,
)
from tests.decode.sflow_datagrams import opaque, text

NOW_NS = 1_790_000_000 * 10**9
START_MS = 1_000_000


def interface(octets: int, packets: int = 0, errors: int = 0, speed: int = 10**9) -> bytes:
    """Interface counters: octets and packets in and out are the same."""
    inward = struct.pack("!Q6I", octets, packets, 0, 0, 0, errors, 0)
    return opaque(1, struct.pack("!IIQII", 3, 6, speed, 1, 3) + inward + inward)


def sample(number: int, seconds: float, *records: bytes, index: int = 3, uptime: int | None = None) -> CounterSample:
    """A sample that came so many seconds after the start."""
    return CounterSample(
        agent="192.0.2.9",
        sub_agent=0,
        source_class=0,
        source_index=index,
        number=number,
        uptime_ms=(START_MS + int(seconds * 1000)) % 2**32 if uptime is None else uptime,
        received_ns=NOW_NS + int(seconds * 1e9),
        records=b"".join(records),
    )


def after(*samples: CounterSample) -> SourceCounters:
    """The one source of some samples."""
    store = CounterStore()
    store.take(samples)
    ((_key, source),) = store.interfaces()
    return source


def test_rates_between_two_samples() -> None:
    """Octets become bits per second, packets and errors are counted, utilization is a share of the speed."""
    rates = after(sample(1, 0, interface(1000, 10)), sample(2, 20, interface(1000 + 25_000_000, 210, 40))).rates[
        "Interface"
    ]
    assert rates["InBitsPerSecond"] == rates["OutBitsPerSecond"] == 25_000_000 * 8 / 20
    assert (rates["InUcastPktsPerSecond"], rates["InErrorsPerSecond"]) == (10, 2)
    assert rates["InUtilization"] == 10**7 / 10**9


def test_one_sample_has_no_rates() -> None:
    """There is nothing to compare it with."""
    assert after(sample(1, 0, interface(1000))).rates == {}


def test_the_agents_clock_counts_where_it_can_be_right() -> None:
    """A delay on the way does not change the rate; an uptime that stands still or leaps does not make one."""
    late = sample(2, 20, interface(20_000), uptime=START_MS + 16_000)
    assert after(sample(1, 0, interface(0)), late).rates["Interface"]["InBitsPerSecond"] == 10_000
    for uptime in (START_MS, START_MS + 90_000_000):
        odd = sample(2, 20, interface(20_000), uptime=uptime)
        assert after(sample(1, 0, interface(0)), odd).rates["Interface"]["InBitsPerSecond"] == 8_000


def test_counters_that_go_round() -> None:
    """32 bits of packets, 64 of octets, 32 of uptime."""
    first = sample(1, 0, interface(2**64 - 1000, 2**32 - 50), uptime=2**32 - 5_000)
    second = sample(2, 10, interface(1500, 50), uptime=5_000)
    rates = after(first, second).rates["Interface"]
    assert (rates["InBitsPerSecond"], rates["InUcastPktsPerSecond"]) == (2000, 10)


def test_a_restart_is_no_rate() -> None:
    """Uptime and number go back: the counters began anew, which is told; the next sample has rates again."""
    source = after(
        sample(100, 0, interface(10**9)),
        sample(1, 300, interface(500), uptime=4_000),
        sample(2, 320, interface(25_500), uptime=24_000),
    )
    assert (source.restarts, source.rates["Interface"]["InBitsPerSecond"]) == (1, 10_000)


def test_samples_that_are_late_or_double_are_left_out() -> None:
    """Their values are older than what is there."""
    source = after(
        sample(1, 0, interface(0)), sample(3, 40, interface(900)), sample(2, 35, interface(500)), sample(3, 40)
    )
    assert (source.records["Interface"]["InOctets"], source.number, source.restarts) == (900, 3, 0)


def test_samples_far_apart_have_no_rates() -> None:
    """A counter may have gone round more than once."""
    assert after(sample(1, 0, interface(0)), sample(2, 4000, interface(900))).rates["Interface"] == {}


def test_records_that_come_less_often_stay() -> None:
    """A port's name from an earlier sample is still there."""
    source = after(sample(1, 0, interface(0), opaque(1005, text(b"eth3"))), sample(2, 20, interface(1)))
    assert source.records["PortName"] == {"Name": "eth3"}


def test_sources_are_bounded_and_the_silent_go_first() -> None:
    """The one that spoke last stays."""
    store = CounterStore(limit=2)
    store.take([sample(1, 0, interface(0), index=index) for index in (1, 2)])
    store.take([sample(2, 1, interface(0), index=1), sample(1, 2, interface(0), index=3)])
    assert [key[3] for key, _source in store.sources()] == [1, 3]
    assert (len(store), store.forgotten, store.samples) == (2, 1, 4)


def test_sources_without_interface_counters_are_no_interfaces() -> None:
    """A processor, for example."""
    store = CounterStore()
    store.take([sample(1, 0, opaque(1001, bytes(28)))])
    assert (len(list(store.sources())), len(list(store.interfaces()))) == (1, 0)


def test_discards_are_counted_by_reason() -> None:
    """Reasons that nobody has defined share one place."""
    discards = Discards()
    for reason, packets in ((258, 2), (258, 3), (10**9, 1), (10**8, 1)):
        discards.add(reason, packets, NOW_NS)
    assert dict(discards.packets) == {258: 5, MAX_REASON: 2}


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 1e6), st.integers(0, 2**32 - 1), st.binary(max_size=100))
    )
)
def test_any_samples(rows: list[tuple[int, float, int, bytes]]) -> None:
    """Whatever numbers and times: no error, and rates that are finite and not negative."""
    store = CounterStore()
    store.take(
        sample(number, seconds, interface(number), more, uptime=uptime) for number, seconds, uptime, more in rows
    )
    for _key, source in store.sources():
        for rates in source.rates.values():
            assert all(0 <= value < float("inf") for value in rates.values())


@pytest.mark.parametrize("speed", [0, 10**9])
def test_no_utilization_without_a_speed(speed: int) -> None:
    """A tunnel interface has none."""
    source = after(sample(1, 0, interface(0, speed=speed)), sample(2, 1, interface(1, speed=speed)))
    assert ("InUtilization" in source.rates["Interface"]) is bool(speed)


def test_a_flood_waits_its_turn() -> None:
    """So many a second are read, some thousand wait, the rest is told; each second goes on with what waits."""
    store = CounterStore(limit=10**6)
    store.take(sample(1, 0, interface(0), index=index) for index in range(SAMPLES_A_SECOND + MAX_WAITING + 7))
    assert (len(store), store.skipped) == (SAMPLES_AT_ONCE, SAMPLES_A_SECOND + 7)
    for _walk in range(5):
        store.take(())
    assert len(store) == SAMPLES_A_SECOND
    store.tick()
    assert [key[3] for key, _source in store.sources()] == list(range(SAMPLES_A_SECOND + SAMPLES_AT_ONCE))
    for _second in range(MAX_WAITING // SAMPLES_AT_ONCE + 1):
        store.tick()
    assert len(store) == MAX_WAITING
