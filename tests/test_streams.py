"""Connections of exporters: whose they are, and sessions that live and die with them."""

from __future__ import annotations

import struct

import attrs

from kproxy_tw.devices.registry import Changes
from kproxy_tw.streams import StreamIntake
from tests.decode.netflow_bytes import a_set, template
from tests.test_intake import EDGE, Bench

ADDRESS = "192.0.2.1"
TEMPLATE = a_set(2, template(256, (8, 4), (12, 4)))


def message(number: int, *sets: bytes) -> bytes:
    """One IPFIX message of domain 1."""
    body = b"".join(sets)
    return struct.pack("!HHIII", 10, 16 + len(body), 1_790_000_000, number, 1) + body


def records(count: int) -> bytes:
    """A set of flow records."""
    return a_set(256, bytes(range(1, 9)) * count)


@attrs.define(eq=False)
class Connection:
    """What an exporter's connection looks like from inside."""

    name: str
    address: str = ADDRESS
    port: int = 50000
    begun: bool = False
    reason: str = ""

    def begin(self) -> None:
        """See ``Stream``."""
        self.begun = True

    def end(self, reason: str) -> None:
        """See ``Stream``."""
        self.reason = reason


def test_a_connection_of_a_device_begins_at_once() -> None:
    """Its messages count for the device, in a session of its own that is named on the page."""
    bench = Bench(EDGE)
    streams, one = StreamIntake(bench.intake), Connection("tcp:50000#1")
    streams.opened(one)
    streams.message(one, message(0, TEMPLATE, records(3)))
    bench.gather()
    assert (one.begun, bench.ledger().records_received) == (True, 3)
    assert list(bench.intake.devices[7].sessions) == ["192.0.2.1 tcp:50000#1"]
    assert bench.asked == []


def test_templates_are_those_of_the_connection_and_end_with_it() -> None:
    """A second connection has to send them anew; UDP from the same address does not have them either."""
    bench = Bench(EDGE)
    streams, one, other = StreamIntake(bench.intake), Connection("tcp:50000#1"), Connection("tcp:50001#2")
    streams.opened(one)
    streams.message(one, message(0, TEMPLATE, records(3)))
    streams.closed(one)
    streams.opened(other)
    streams.message(other, message(0, records(5)))
    bench.datagram(message(0, records(5)), ADDRESS, 4739)
    bench.gather()
    ledger, device = bench.ledger(), bench.intake.devices[7]
    assert ledger.datagrams_received == 3
    assert ledger.records_received == 3 + 1 + 1  # a set without template is one record: nobody can count it
    assert sorted(device.sessions) == [ADDRESS, "192.0.2.1 tcp:50001#2"]


def test_a_withdrawal_is_obeyed() -> None:
    """Over a connection a template can be taken back (RFC 7011 section 8.1); over UDP that is ignored (8.4)."""
    bench = Bench(EDGE)
    streams, one = StreamIntake(bench.intake), Connection("tcp:50000#1")
    withdrawal = a_set(2, struct.pack("!HH", 256, 0))
    streams.opened(one)
    for data in (message(0, TEMPLATE, records(2)), message(2, withdrawal), message(2, records(2))):
        streams.message(one, data)
        bench.datagram(data, ADDRESS, 4739)
    bench.gather()
    sessions = bench.intake.devices[7].sessions
    assert (len(sessions["192.0.2.1 tcp:50000#1"].templates), len(sessions[ADDRESS].templates)) == (0, 1)


def test_a_connection_of_a_stranger_waits_for_the_api() -> None:
    """It is asked once; when the address turns out to be a device's, the connection begins."""
    bench = Bench()
    streams, one = StreamIntake(bench.intake), Connection("tcp:50000#1")
    streams.opened(one)
    assert (one.begun, one.reason, streams.waiting, bench.asked) == (False, "", 1, [ADDRESS])
    bench.registry.put(EDGE)
    bench.intake.answered(ADDRESS, EDGE)
    streams.answered(ADDRESS)
    streams.message(one, message(0, TEMPLATE, records(2)))
    bench.gather()
    assert (one.begun, streams.waiting, bench.ledger().records_received) == (True, 0, 2)
    assert bench.intake.unregistered.datagrams_received == 0


def test_a_connection_that_is_nobodys_is_closed_and_listed() -> None:
    """The page shows the address; a second connection is closed without a question."""
    bench = Bench()
    streams, one, other = StreamIntake(bench.intake), Connection("tcp:50000#1"), Connection("tcp:50001#2")
    streams.opened(one)
    bench.sources.refused(ADDRESS, 0.0)
    bench.intake.answered(ADDRESS, None)
    streams.answered(ADDRESS)
    streams.opened(other)
    assert [one.reason, other.reason] == ["unregistered", "unregistered"]
    assert bench.asked == [ADDRESS]
    (listed,) = bench.sources.unregistered(1.0)
    assert (listed.source, listed.flow_type) == (ADDRESS, "ipfix")


def test_connections_end_when_their_address_is_another_devices() -> None:
    """What came before is counted; the exporter connects again, and its templates come again."""
    bench = Bench(EDGE)
    streams, one = StreamIntake(bench.intake), Connection("tcp:50000#1")
    streams.opened(one)
    streams.message(one, message(0, TEMPLATE, records(3)))
    changes = Changes(addresses=frozenset({ADDRESS}))
    streams.changed(changes)
    bench.intake.changed(changes)
    streams.message(one, message(3, records(3)))
    assert (one.reason, bench.ledger().records_received) == ("device_changed", 3)
    assert bench.intake.devices[7].sessions == {}


def test_sequence_gaps_reach_the_ledger() -> None:
    """Four records are missing between two messages; they are lost once nothing can come late any more."""
    bench = Bench(EDGE)
    streams, one = StreamIntake(bench.intake), Connection("tcp:50000#1")
    streams.opened(one)
    streams.message(one, message(10, TEMPLATE, records(3)))
    streams.message(one, message(17, records(2)))
    bench.gather()
    assert (bench.ledger().sequence_gaps, bench.ledger().sequence_seen) == (0, 5)
    bench.clock.advance(10)
    bench.gather()
    assert (bench.ledger().sequence_gaps, bench.ledger().sequence_seen) == (4, 5)
