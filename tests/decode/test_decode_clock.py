"""Times of flows on every kind of clock."""

from __future__ import annotations

import pytest

from kproxy_tw.decode import ipfix, netflow9
from kproxy_tw.decode.templates.cache import TemplateCache
from tests.decode.netflow_bytes import NOW, NOW_NS, a_set, number, template, v9
from tests.decode.netflow_bytes import ipfix as message

DAY = 24 * 3600


def v9_time(last: int, *, uptime: int, seconds: int = NOW, received_ns: int = NOW_NS) -> int:
    """The time of a v9 flow that ended at the uptime ``last``."""
    data = v9(
        a_set(0, template(256, (22, 4), (21, 4))),
        a_set(256, number(1, 4), number(last, 4)),
        uptime=uptime,
        seconds=seconds,
    )
    (records,) = netflow9.walk(data, TemplateCache(), received_ns).sets
    return int(records.layout.columns([records], None).column("timestamp_nano")[0])


def ipfix_time(*fields: tuple[int, int, int], received_ns: int = NOW_NS) -> int:
    """The time of an IPFIX flow with the given (element, length, value)."""
    shape = template(256, *((element, length) for element, length, _ in fields))
    data = a_set(256, *(number(value, length) for _, length, value in fields))
    (records,) = ipfix.walk(message(a_set(2, shape), data), TemplateCache(), received_ns).sets
    return int(records.layout.columns([records], None).column("timestamp_nano")[0])


def ntp(nanoseconds: int) -> int:
    """An NTP timestamp (RFC 5905: seconds since 1900 and 32 bits of fraction) of nanoseconds since 1970."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return ((seconds + 70 * 365 * DAY + 17 * DAY) % 2**32) << 32 | -(-rest * 2**32 // 10**9)


def test_uptime() -> None:
    """A flow that ended 4 seconds of uptime before the export."""
    assert v9_time(96_000, uptime=100_000) == NOW_NS - 4 * 10**9


def test_uptime_that_has_wrapped() -> None:
    """The uptime is modulo 2**32 ms: an end above the header's uptime lies before the wrap."""
    assert v9_time(2**32 - 1_000, uptime=500) == NOW_NS - 1_500 * 10**6


def test_an_end_just_ahead_of_the_header() -> None:
    """A packet seen while the datagram is filled is 20 ms ahead, not 49 days back."""
    assert v9_time(100_020, uptime=100_000) == NOW_NS + 20 * 10**6


@pytest.mark.parametrize("off", [DAY + 1, -DAY - 1, -NOW])
def test_more_than_a_day_off(off: int) -> None:
    """An exporter without a right clock: the time of receipt counts."""
    assert v9_time(0, uptime=0, seconds=NOW + off) == NOW_NS


@pytest.mark.parametrize("off", [DAY - 1, 1 - DAY])
def test_less_than_a_day_off(off: int) -> None:
    """Clocks may differ by a day."""
    assert v9_time(0, uptime=0, seconds=NOW + off) == NOW_NS + off * 10**9


END = NOW_NS - 5_123_000_000
START = NOW_NS - 60 * 10**9


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([(151, 4, END // 10**9)], END // 10**9 * 10**9),
        ([(153, 8, END // 10**6)], END),
        ([(155, 8, ntp(END))], END),
        ([(157, 8, ntp(END + 123))], END + 123),
        ([(159, 4, 5_123_000)], END),
        ([(160, 8, NOW * 1000 - 86_400_000), (21, 4, 86_400_000 - 5_123)], END),
        ([(21, 4, 86_400_000 - 5_123), (160, 8, NOW * 1000 - 86_400_000)], END),
        ([(152, 8, START // 10**6)], START),
        ([(152, 8, START // 10**6), (153, 8, END // 10**6)], END),
        ([(323, 8, END // 10**6), (152, 8, START // 10**6)], END),
        ([(152, 8, START // 10**6), (161, 4, 50_000)], START + 50 * 10**9),
        ([(154, 8, ntp(START)), (162, 4, 50_000_000)], START + 50 * 10**9),
        ([(161, 4, 50_000), (153, 8, END // 10**6)], END),
        ([(155, 8, END // 1000)], END),
        ([(157, 8, END)], END),
        ([(21, 4, 1234)], NOW_NS),
        ([(1, 4, 1)], NOW_NS),
    ],
    ids=[
        "s",
        "ms",
        "us",
        "ns",
        "delta",
        "boot",
        "boot-last",
        "start",
        "end-wins",
        "event-wins",
        "duration",
        "duration-us",
        "end-before-duration",
        "plain-us",
        "plain-ns",
        "uptime",
        "none",
    ],
)
def test_ipfix_times(fields: list[tuple[int, int, int]], expected: int) -> None:
    """Every time element of IPFIX; the end wins over the event over the start; without any, the export time."""
    assert abs(ipfix_time(*fields) - expected) <= 1  # NTP fractions are not whole nanoseconds


@pytest.mark.parametrize("off", [60 - NOW, -40 * DAY, 3 * DAY, 400 * DAY])
def test_a_clock_that_is_far_off(off: int) -> None:
    """What an exporter with a wrong clock says of the past is still right in relation to its own export time."""
    assert v9_time(96_000, uptime=100_000, seconds=NOW + off) == NOW_NS - 4 * 10**9
    data = a_set(2, template(256, (153, 8))) + a_set(256, number((NOW + off) * 1000 - 4000, 8))
    (records,) = ipfix.walk(message(data, seconds=NOW + off), TemplateCache(), NOW_NS).sets
    assert records.layout.columns([records], None).column("timestamp_nano").tolist() == [NOW_NS - 4 * 10**9]


def test_ntp_beyond_2036() -> None:
    """NTP's seconds begin anew in February 2036 (2**32 seconds after 1900)."""
    later = 2_100_000_000 * 10**9
    assert ipfix_time((157, 8, ntp(later)), received_ns=later + 10**12) == later


@pytest.mark.parametrize("element", [153, 157, 159, 151])
def test_absurd_times(element: int) -> None:
    """The largest numbers that fit do not overflow into something plausible."""
    length = 4 if element == 159 else 8
    value = 2 ** (8 * length) - 1
    if element == 159:
        assert ipfix_time((element, length, value)) == NOW_NS - (2**32 - 1) * 1000
    else:
        assert ipfix_time((element, length, value)) == NOW_NS


def test_times_that_overflow_into_plausible_ones() -> None:
    """2**58 ms are a multiple of 2**64 ns: with wrapping arithmetic this would be an hour before the receipt."""
    assert ipfix_time((153, 8, 2**58 + (NOW - 3600) * 1000)) == NOW_NS


def test_each_record_has_the_clock_of_its_datagram() -> None:
    """Records of several datagrams decoded at once keep their own export times."""
    templates = TemplateCache()
    shape = a_set(0, template(256, (21, 4)))
    sets = [
        netflow9.walk(
            v9(shape, a_set(256, number(5_000, 4) * 2), uptime=up, seconds=NOW + wait), templates, NOW_NS
        ).sets[0]
        for up, wait in ((5_000, 0), (15_000, 100))
    ]
    times = sets[0].layout.columns(sets, None).column("timestamp_nano").tolist()
    assert times == [NOW_NS, NOW_NS, NOW_NS + 90 * 10**9, NOW_NS + 90 * 10**9]
