"""Exporter sessions of a device: kept data, ports, events, expiry, and what a restart brings back."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from kproxy_tw.decode.templates.held import HeldLimits
from kproxy_tw.decode.templates.table import TemplateLimits
from kproxy_tw.deviceintake import SWEEP_SECONDS
from kproxy_tw.devices.device import Device
from kproxy_tw.intake import Intake, SessionConfig
from kproxy_tw.ledger import Ledger
from tests.decode.netflow_bytes import a_set, ipfix, number, template, v9, v9_options
from tests.test_intake import EDGE, NOW, Bench, v5

PAIR = template(256, (8, 4), (1, 4))


def bench_with(config: SessionConfig, *devices: Device) -> Bench:
    """A bench whose intake has these limits."""
    bench = Bench(*devices)
    plain: Any = bench.intake
    bench.intake = Intake(
        clock=bench.clock,
        wall_ns=plain._wall_ns,
        registry=bench.registry,
        sources=bench.sources,
        ask=bench.asked.append,
        life=plain._life,
        complain=plain._complain,
        config=config,
    )
    return bench


def records(count: int) -> bytes:
    """A v9 datagram of records of ``PAIR``."""
    return v9(a_set(256, *[b"\x0a\0\0\1" + number(5, 4)] * count), count=count, seconds=NOW)


def kinds(bench: Bench) -> list[str]:
    """The device's events, newest first."""
    return [event.kind for event in bench.intake.devices[7].events.latest()]


def test_data_before_its_template_is_in_flight_until_it_comes() -> None:
    """The books are balanced at every moment; nothing is lost."""
    bench = Bench(EDGE)
    bench.datagram(records(10), "192.0.2.1", 5000)
    bench.gather()
    ledger = bench.ledger()
    assert (ledger.records_received, ledger.records_in_flight, bench.intake.devices[7].pipeline.pending.count) == (
        10,
        10,
        0,
    )
    assert ledger.balanced()
    bench.datagram(v9(a_set(0, PAIR), seconds=NOW), "192.0.2.1", 5000)
    bench.gather()
    assert (ledger.records_received, bench.intake.devices[7].pipeline.pending.count) == (10, 10)
    assert ledger.records_dropped["no_template"] == 0
    assert ledger.balanced()
    assert kinds(bench) == ["no_template"]


def test_data_that_waits_too_long_has_no_template() -> None:
    """After 5 minutes, counted as such."""
    bench = Bench(EDGE)
    bench.datagram(records(10), "192.0.2.1", 5000)
    bench.gather()
    bench.clock.advance(299)
    bench.gather()
    assert bench.ledger().records_in_flight == 10
    bench.clock.advance(1)
    bench.gather()
    assert (bench.ledger().records_in_flight, bench.ledger().records_dropped["no_template"]) == (0, 10)


def test_one_line_per_exporter_and_minute() -> None:
    """However many datagrams lack their template."""
    bench = Bench(EDGE)
    for second in range(90):
        for address in ("192.0.2.1", "192.0.2.2"):
            bench.datagram(records(1), address, 5000)
        bench.gather()
        bench.clock.advance(1)
        assert len(kinds(bench)) == (2 if second < 60 else 4)


def test_option_data_that_was_taken_for_flows_is_set_off() -> None:
    """The counters never go back: the next records take the place of what was no flow."""
    bench = Bench(EDGE)
    options = v9_options(300, [(1, 4)], [(34, 4)])
    bench.datagram(v9(a_set(300, number(1, 4), number(10, 4)), count=1, seconds=NOW), "192.0.2.1", 5000)
    bench.gather()
    assert bench.ledger().records_in_flight == 1
    bench.datagram(v9(a_set(1, options), a_set(0, PAIR), seconds=NOW), "192.0.2.1", 5000)
    bench.gather()
    bench.datagram(records(3), "192.0.2.1", 5000)
    bench.gather()
    ledger = bench.ledger()
    assert (ledger.records_received, ledger.records_in_flight) == (3, 3)
    assert ledger.balanced()


def test_a_device_that_goes_takes_what_waited_along() -> None:
    """Data without template of a removed device does not stay in flight for ever."""
    bench = Bench(EDGE)
    bench.datagram(records(10), "192.0.2.1", 5000)
    bench.gather()
    bench.intake.changed(bench.registry.replace([]))
    total = Ledger.total(bench.intake.ledgers())
    assert (total.records_in_flight, total.records_received) == (0, 10)
    assert total.balanced()


def test_an_address_that_goes_is_an_event() -> None:
    """The page says where the flow went."""
    bench = Bench(EDGE)
    bench.datagram(v5(), "192.0.2.2", 50000)
    bench.intake.changed(bench.registry.replace([attrs.evolve(EDGE, sending_addresses=frozenset({"192.0.2.1"}))]))
    assert kinds(bench) == ["address_lost"]


def test_with_session_ports_each_port_is_an_exporter() -> None:
    """Templates of one port are not for the other; held datagrams of unknown addresses too are told apart."""
    bench = bench_with(SessionConfig(by_port=True), EDGE)
    bench.datagram(v9(a_set(0, PAIR), seconds=NOW), "192.0.2.1", 5000)
    for port in (5000, 5001):
        bench.datagram(records(2), "192.0.2.1", port)
    bench.gather()
    assert sorted(bench.intake.devices[7].sessions) == ["192.0.2.1:5000", "192.0.2.1:5001"]
    assert bench.intake.devices[7].pipeline.pending.count == 2
    bench.intake.changed(bench.registry.replace([]))
    assert bench.intake.devices == {}
    assert Ledger.total(bench.intake.ledgers()).balanced()


def test_without_session_ports_an_address_is_one_exporter() -> None:
    """Templates from one port hold for records from another."""
    bench = Bench(EDGE)
    bench.datagram(v9(a_set(0, PAIR), seconds=NOW), "192.0.2.1", 5000)
    bench.datagram(records(2), "192.0.2.1", 5001)
    bench.gather()
    (session,) = bench.intake.devices[7].sessions.values()
    assert sorted(session.ports) == [5000, 5001]
    assert bench.intake.devices[7].pipeline.pending.count == 2


def test_a_conflict_of_templates_is_an_event() -> None:
    """Two routers behind one address, both heard after their templates differed."""
    bench = Bench(EDGE)
    other = template(256, (1, 4), (8, 4))
    for port, shape in ((5000, PAIR), (5001, other)):
        bench.datagram(v9(a_set(0, shape), seconds=NOW), "192.0.2.1", port)
        bench.clock.advance(1)
    for port in (5000, 5001):
        bench.datagram(records(1), "192.0.2.1", port)
        bench.clock.advance(1)
        bench.gather()
    assert kinds(bench) == ["template_conflict"]


def test_routers_told_apart_count_their_packets_apart() -> None:
    """Two sequences in turn are no loss, from the moment on at which they are known to be two."""
    bench = Bench(EDGE)
    other = template(256, (1, 4), (8, 4))
    for port, shape in ((5000, PAIR), (5001, other)):
        bench.datagram(v9(a_set(0, shape), seconds=NOW, sequence=port * 1000), "192.0.2.1", port)
        bench.gather()
    bench.clock.advance(10)
    bench.gather()
    before = bench.ledger().sequence_gaps
    for turn in range(1, 40):
        for port in (5000, 5001):
            data = v9(a_set(256, bytes(8)), count=1, seconds=NOW, sequence=port * 1000 + turn)
            bench.datagram(data, "192.0.2.1", port)
        bench.clock.advance(1)
        bench.gather()
    assert bench.ledger().sequence_gaps == before


def test_templates_are_counted() -> None:
    """In force and refused, for the metrics."""
    bench = Bench(EDGE)
    bench.datagram(v9(a_set(0, PAIR), seconds=NOW), "192.0.2.1", 5000)
    bench.datagram(v9(a_set(0, PAIR, template(257)), seconds=NOW), "192.0.2.2", 5000)
    bench.gather()
    counts = {"in_force": 2, "waiting": 0, "refused": 1, "evicted": 0, "expired": 0}
    assert bench.intake.devices[7].template_counts() == counts


def test_a_sampler_that_changes_is_an_event() -> None:
    """In words with both rates."""
    bench = Bench(EDGE)
    for rate in (100, 200):
        options = v9(
            a_set(1, v9_options(300, [(1, 4)], [(48, 2), (34, 4)])),
            a_set(300, number(1, 4), number(3, 2), number(rate, 4)),
            seconds=NOW,
        )
        bench.datagram(options, "192.0.2.1", 5000)
    bench.gather()
    (event,) = bench.intake.devices[7].events.latest()
    assert event.text == "192.0.2.1: the sampling rate of sampler 3 of domain 1 changed from 1:100 to 1:200"


def test_an_exporter_that_restarts_is_an_event() -> None:
    """Sequence and uptime go back: said once, and no gap."""
    bench = Bench(EDGE)
    for sequence, uptime in ((70_000, 900_000), (0, 1_000), (1, 2_000)):
        flow = number(0x0A000001, 4) + number(1, 4)
        data = v9(a_set(0, PAIR), a_set(256, flow), count=2, sequence=sequence, uptime=uptime, seconds=NOW)
        bench.datagram(data, "192.0.2.1", 5000)
        bench.gather()
    bench.clock.advance(60)
    bench.gather()
    (event,) = [event for event in bench.intake.devices[7].events.latest() if event.kind == "exporter_restarted"]
    assert event.text.startswith("192.0.2.1: the exporter restarted: ")
    assert event.count == 1
    assert bench.ledger().sequence_gaps == 0


def test_refused_templates_and_full_tables_are_events() -> None:
    """With the reason, and with the flags that set the limits."""
    bench = bench_with(SessionConfig(limits=TemplateLimits(templates=1)), EDGE)
    bench.datagram(v9(a_set(0, template(300, (8, 3))), seconds=NOW), "192.0.2.1", 5000)
    bench.datagram(v9(a_set(0, template(256, (1, 4)), template(257, (1, 4))), seconds=NOW), "192.0.2.1", 5000)
    bench.gather()
    full, refused = bench.intake.devices[7].events.latest()
    assert (refused.kind, full.kind) == ("template_refused", "limit_reached")
    assert "template 300 of domain 1" in refused.text
    assert "-max_templates" in full.text


def test_old_templates_are_looked_for_once_a_minute() -> None:
    """A template that is not sent again for a day holds no longer."""
    bench = Bench(EDGE)
    bench.datagram(ipfix(a_set(2, PAIR), seconds=NOW), "192.0.2.1", 5000)
    bench.gather()
    (session,) = bench.intake.devices[7].sessions.values()
    bench.clock.advance(24 * 3600 + SWEEP_SECONDS)
    bench.gather()
    assert (len(session.templates), session.templates.expired) == (0, 1)


@pytest.mark.parametrize("each", [0, 1 << 20])
def test_kept_data_is_bounded_by_the_configuration(each: int) -> None:
    """Without room it is dropped as before."""
    bench = bench_with(SessionConfig(held=HeldLimits(each=each)), EDGE)
    bench.datagram(records(10), "192.0.2.1", 5000)
    bench.gather()
    ledger: Ledger = bench.ledger()
    assert ledger.records_dropped["no_template"] == (0 if each else 10)
    assert ledger.balanced()


def test_shutdown_drops_what_waits() -> None:
    """So that the books close at the stop."""
    bench = Bench(EDGE)
    bench.datagram(records(10), "192.0.2.1", 5000)
    bench.gather()
    bench.intake.devices[7].give_up_held("shutdown")
    assert (bench.ledger().records_in_flight, bench.ledger().records_dropped["shutdown"]) == (0, 10)
