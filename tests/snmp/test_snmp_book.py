"""What is known of a device by SNMP: rates, histories, and flows beside them."""

from __future__ import annotations

import pytest

from kproxy_tw.enrich.interfaces import InterfaceTraffic, Traffic
from kproxy_tw.snmp.outputs.book import HISTORY, DeviceBook
from kproxy_tw.snmp.outputs.events import lines
from kproxy_tw.snmp.reading import Effort, ErrorKind, EventKind, Partial, PollError, PollEvent
from tests.snmp.readings import HEALTH, START, counters, described, interface, reading


def test_descriptions_stay_while_counters_come() -> None:
    """The polls between two descriptions tell of counters alone."""
    book = DeviceBook()
    book.take(described(interface(1), interface(2), health=HEALTH), None)
    book.take(reading(at=START + 300, with_descriptions=False, counters=(counters(1, in_octets=3_000_000),)), None)
    assert set(book.interfaces) == {1, 2}
    assert book.counters[1].in_bits_per_second == 80_000
    assert (book.described, book.counted) == (START, START + 300)
    assert book.health == HEALTH
    assert book.table is not None
    assert book.table.told["speed"].tolist() == [10_000, 10_000]


def test_a_failed_poll_changes_no_names_and_leaves_a_gap() -> None:
    """Flows keep their names; the line of rates is interrupted."""
    book = DeviceBook()
    book.take(described(interface(1), counters=(counters(1, in_octets=300),)), None)
    failed = reading(system=None, error=PollError(kind=ErrorKind.NO_ANSWER, text="none"), failures=1)
    book.take(failed, None)
    book.take(reading(counters=(counters(1, in_octets=600),)), None)
    assert set(book.interfaces) == {1}
    assert [point[0] for point in book.history(1)] == [8.0, None, 16.0]
    assert (book.sums.polls, book.sums.failed, book.sums.partial) == (3, 1, 0)


def test_a_renumbered_interface_keeps_its_history() -> None:
    """It is followed by its name."""
    book = DeviceBook()
    book.take(described(interface(1, name="uplink"), counters=(counters(1, in_octets=300),)), None)
    book.take(described(interface(9, name="uplink"), counters=(counters(9, in_octets=600),)), None)
    assert [point[0] for point in book.history(9)] == [8.0, 16.0]


def test_interfaces_of_one_name_have_a_history_each() -> None:
    """By their indexes."""
    book = DeviceBook()
    grown = counters(1, in_octets=300), counters(2, in_octets=600)
    book.take(described(interface(1, name="ge0"), interface(2, name="ge0"), counters=grown), None)
    assert [[point[0] for point in book.history(index)] for index in (1, 2)] == [[8.0], [16.0]]


def test_histories_are_bounded_and_forget() -> None:
    """As many points as fit; an interface that is gone for as long is forgotten."""
    book = DeviceBook()
    for poll in range(2 * HISTORY):
        book.take(described(interface(1), counters=(counters(1, in_octets=300 * poll),)), None)
    assert len(book.history(1)) == HISTORY
    for _poll in range(HISTORY + 1):
        book.take(described(interface(2), counters=(counters(2, in_octets=1),)), None)
    assert set(book.histories) == {"ge-0/0/2"}


def test_what_flows_say_over_the_same_time() -> None:
    """Octets that flows told between two polls, as bits per second; unknown interfaces, too."""
    book, traffic = DeviceBook(), InterfaceTraffic()
    traffic.add(Traffic({1: 1e9}, {2: 1e9}))
    book.take(described(interface(1), counters=(counters(1),)), traffic)
    assert book.flow_rates == {}
    traffic.add(Traffic({1: 3e6}, {2: 3e6}))
    traffic.add(Traffic({1: 3e6}, {99: 3e6}))
    book.take(reading(at=START + 300, counters=(counters(1, in_octets=6_000_000),)), traffic)
    rates = {index: (rate.in_bits, rate.out_bits) for index, rate in book.flow_rates.items()}
    assert rates == {1: (160_000.0, 0.0), 2: (0.0, 80_000.0), 99: (0.0, 80_000.0)}
    assert book.counters[1].in_bits_per_second == pytest.approx(rates[1][0])


def test_sums() -> None:
    """Of effort over all polls; an answer with gaps is a partial one."""
    book = DeviceBook()
    short = Partial(table="ifTable", rows=10, error=PollError(kind=ErrorKind.BROKEN_ANSWER, text="broken"))
    for partial in ((), (short,)):
        book.take(reading(effort=Effort(requests=5, timeouts=1, variables=7), partial=partial, dropped=2), None)
    assert (book.sums.requests, book.sums.timeouts, book.sums.variables) == (10, 2, 14)
    assert (book.sums.partial, book.sums.failed, book.sums.dropped) == (1, 0, 2)


def test_many_events_of_one_kind_become_one_line() -> None:
    """A chassis that renumbers 750 interfaces is one line, and a restart beside it another."""
    renumbered = [
        PollEvent(kind=EventKind.RENUMBERED, text=f"ge-{place} is {place} now", interface=f"ge-{place}")
        for place in range(750)
    ]
    restarted = PollEvent(kind=EventKind.AGENT_RESTARTED, text="the agent restarted")
    found = list(lines([*renumbered, restarted]))
    assert [(line.kind, line.text) for line in found] == [
        ("snmp_renumbered", "SNMP: 750 interfaces were renumbered: ge-0, ge-1, ge-2, ..."),
        ("snmp_agent_restarted", "SNMP: the agent restarted"),
    ]
    assert [line.text for line in lines(renumbered[:2])] == ["SNMP: ge-0 is 0 now", "SNMP: ge-1 is 1 now"]
